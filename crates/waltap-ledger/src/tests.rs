//! The ledger against a model that keeps everything and recomputes the durable position from scratch.

use proptest::prelude::*;

use super::*;

#[test]
fn a_transaction_is_durable_when_its_last_event_is_confirmed() {
    let mut ledger = Ledger::new(Lsn(10));
    let group = ledger.open();
    ledger.hand_over(group, 2).unwrap();
    ledger.close(group, Lsn(20)).unwrap();
    ledger.confirm(group, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(10));
    ledger.confirm(group, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(20));
    assert!(ledger.is_settled());
}

#[test]
fn a_confirmed_transaction_waits_for_the_one_before_it() {
    let mut ledger = Ledger::new(Lsn(10));
    let (first, second) = (ledger.open(), ledger.open());
    ledger.hand_over(first, 1).unwrap();
    ledger.close(first, Lsn(20)).unwrap();
    ledger.hand_over(second, 1).unwrap();
    ledger.close(second, Lsn(30)).unwrap();
    ledger.confirm(second, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(10));
    ledger.confirm(first, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(30));
}

#[test]
fn an_emptied_transaction_counts_as_confirmed() {
    let mut ledger = Ledger::new(Lsn(10));
    let group = ledger.open();
    ledger.close(group, Lsn(20)).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(20));
}

#[test]
fn a_keepalive_counts_only_when_nothing_is_in_flight() {
    let mut ledger = Ledger::new(Lsn(10));
    let group = ledger.open();
    ledger.keepalive(Lsn(15));
    ledger.hand_over(group, 1).unwrap();
    ledger.close(group, Lsn(20)).unwrap();
    ledger.keepalive(Lsn(25));
    assert_eq!(ledger.durable().lsn(), Lsn(10));
    ledger.confirm(group, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(25));
    ledger.keepalive(Lsn(24));
    assert_eq!(ledger.durable().lsn(), Lsn(25), "never back");
}

#[test]
fn a_group_that_stands_for_no_place_holds_back_and_moves_nothing() {
    let mut ledger = Ledger::new(Lsn(10));
    let open = ledger.open();
    ledger.hand_over(open, 1).unwrap();
    // Amid a transaction.
    let beat = ledger.open();
    ledger.hand_over(beat, 1).unwrap();
    ledger.close(beat, Lsn::ZERO).unwrap();
    ledger.confirm(beat, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(10));
    ledger.confirm(open, 1).unwrap();
    ledger.close(open, Lsn(20)).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(20));
    assert!(ledger.is_settled());
    // What comes after it waits for it.
    let beat = ledger.open();
    ledger.hand_over(beat, 1).unwrap();
    ledger.close(beat, Lsn::ZERO).unwrap();
    ledger.keepalive(Lsn(30));
    assert_eq!(ledger.durable().lsn(), Lsn(20));
    ledger.confirm(beat, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(30));
}

#[test]
fn emptied_transactions_behind_one_that_waits_take_no_memory() {
    let mut ledger = Ledger::new(Lsn(10));
    let group = ledger.open();
    ledger.hand_over(group, 1).unwrap();
    ledger.close(group, Lsn(20)).unwrap();
    for end in 21..1_000 {
        let emptied = ledger.open();
        ledger.close(emptied, Lsn(end)).unwrap();
    }
    assert_eq!(ledger.groups.len(), 1);
    assert_eq!(ledger.durable().lsn(), Lsn(10));
    ledger.confirm(group, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(999));
}

#[test]
fn transactions_that_are_committed_as_one_take_no_more_memory_than_one() {
    let mut ledger = Ledger::new(Lsn(10));
    for end in 20..1_000 {
        let group = ledger.join();
        ledger.hand_over(group, 1).unwrap();
        ledger.close(group, Lsn(end)).unwrap();
    }
    assert_eq!((ledger.groups.len(), ledger.in_flight()), (1, 980));
    assert_eq!((ledger.durable().lsn(), ledger.prospect()), (Lsn(10), Lsn(999)));
    let amid = ledger.join();
    assert_eq!(ledger.prospect(), Lsn(999), "up to where it is whole");
    ledger.hand_over(amid, 1).unwrap();
    ledger.confirm(amid, 981).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(999));
    ledger.close(amid, Lsn(1_000)).unwrap();
    assert!(ledger.is_settled());
    assert_ne!(ledger.join(), amid, "what is confirmed is over");
}

#[test]
fn a_kept_place_is_not_passed_until_what_was_kept_for_is_confirmed() {
    let mut ledger = Ledger::new(Lsn(10));
    let keep = ledger.keep(Lsn(15));
    for end in 20..1_000 {
        let group = ledger.open();
        ledger.hand_over(group, 1).unwrap();
        ledger.close(group, Lsn(end)).unwrap();
        ledger.confirm(group, 1).unwrap();
    }
    assert_eq!(ledger.durable().lsn(), Lsn(15));
    assert_eq!((ledger.confirmed(), ledger.groups.len()), (Lsn(999), 0), "it takes no memory");
    let group = ledger.open();
    ledger.hand_over(group, 1).unwrap();
    ledger.close(group, Lsn(1_000)).unwrap();
    ledger.release(keep);
    assert_eq!((ledger.durable().lsn(), ledger.prospect()), (Lsn(15), Lsn(1_000)));
    ledger.confirm(group, 1).unwrap();
    assert_eq!(ledger.durable().lsn(), Lsn(1_000));
    let late = ledger.keep(Lsn(500));
    assert_eq!(ledger.durable().lsn(), Lsn(1_000), "never back");
    ledger.keepalive(Lsn(1_100));
    assert_eq!(ledger.durable().lsn(), Lsn(1_000));
    ledger.release(late);
    assert_eq!(ledger.durable().lsn(), Lsn(1_100));
}

#[test]
fn reports_that_do_not_fit_are_refused() {
    let mut ledger = Ledger::new(Lsn(0));
    let group = ledger.open();
    ledger.hand_over(group, 1).unwrap();
    assert!(ledger.confirm(group, 2).is_err());
    assert!(ledger.confirm(GroupId::from_u64(7), 1).is_err());
    ledger.close(group, Lsn(5)).unwrap();
    assert!(ledger.close(group, Lsn(6)).is_err());
    assert!(ledger.hand_over(group, 1).is_err());
    ledger.confirm(group, 1).unwrap();
    assert!(ledger.confirm(group, 1).is_err(), "the group is over");
}

#[derive(Debug, Clone)]
enum Step {
    Transaction { events: u64, joins: bool },
    Event,
    Commit,
    Keepalive,
    Confirm { which: prop::sample::Index },
    Keep { back: u64 },
    Release { which: prop::sample::Index },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4u64, any::<bool>()).prop_map(|(events, joins)| Step::Transaction { events, joins }),
        2 => Just(Step::Event),
        3 => Just(Step::Commit),
        2 => Just(Step::Keepalive),
        6 => any::<prop::sample::Index>().prop_map(|which| Step::Confirm { which }),
        1 => (0..40u64).prop_map(|back| Step::Keep { back }),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Release { which }),
    ]
}

/// What the model knows of a transaction: everything, for ever.
#[derive(Clone, Copy)]
struct Known {
    id: GroupId,
    /// The same for those of one group, and for no others: an id may be given again.
    group: usize,
    unconfirmed: u64,
    ended: bool,
    end: Lsn,
}

/// What the model knows of a place that is kept.
struct KnownKeep {
    id: Keep,
    place: Lsn,
    /// How many groups there were when it was released.
    until: Option<usize>,
}

/// Before how many transactions nothing is unconfirmed, from scratch.
fn settled(groups: &[Known]) -> usize {
    let is_confirmed = |group: usize| groups.iter().filter(|known| known.group == group).all(|known| known.unconfirmed == 0);
    groups.iter().take_while(|known| known.ended && is_confirmed(known.group)).count()
}

/// Invariant 1: the furthest place before which nothing is unconfirmed, when so many transactions are settled.
fn expected(start: Lsn, groups: &[Known], settled: usize, keepalives: &[(usize, Lsn)], keeps: &[KnownKeep]) -> Lsn {
    let ends = groups[..settled].iter().map(|group| group.end);
    let idle = keepalives.iter().filter(|(groups_before, _)| *groups_before <= settled).map(|(_, lsn)| *lsn);
    let kept = keeps.iter().filter(|keep| keep.until.is_none_or(|until| settled < until)).map(|keep| keep.place);
    kept.fold(ends.chain(idle).fold(start, Lsn::max), Lsn::min)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_durable_position_is_that_of_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let start = Lsn(100);
        let mut ledger = Ledger::new(start);
        let mut groups: Vec<Known> = Vec::new();
        let mut keepalives: Vec<(usize, Lsn)> = Vec::new();
        let mut keeps: Vec<KnownKeep> = Vec::new();
        let mut settled_once = 0;
        let mut clock = 100;
        for step in steps {
            clock += 10;
            let open = groups.last().is_some_and(|group| !group.ended);
            match step {
                Step::Transaction { events, joins } if !open => {
                    let before = ledger.groups.len();
                    let id = if joins { ledger.join() } else { ledger.open() };
                    let joined = groups.iter().rev().find(|known| ledger.groups.len() == before && known.id == id);
                    let group = joined.map_or(groups.len(), |known| known.group);
                    ledger.hand_over(id, events).unwrap();
                    groups.push(Known { id, group, unconfirmed: events, ended: false, end: Lsn::ZERO });
                }
                Step::Event if open => {
                    let group = groups.last_mut().unwrap();
                    ledger.hand_over(group.id, 1).unwrap();
                    group.unconfirmed += 1;
                }
                Step::Commit if open => {
                    let group = groups.last_mut().unwrap();
                    ledger.close(group.id, Lsn(clock)).unwrap();
                    (group.ended, group.end) = (true, Lsn(clock));
                }
                Step::Keepalive => {
                    ledger.keepalive(Lsn(clock));
                    if !open {
                        keepalives.push((groups.len(), Lsn(clock)));
                    }
                }
                Step::Confirm { which } => {
                    let waiting: Vec<usize> = (0..groups.len()).filter(|&index| groups[index].unconfirmed > 0).collect();
                    if !waiting.is_empty() {
                        let group = &mut groups[*which.get(&waiting)];
                        ledger.confirm(group.id, 1).unwrap();
                        group.unconfirmed -= 1;
                    }
                }
                Step::Keep { back } => {
                    let place = Lsn(clock - back).max(ledger.durable().lsn());
                    keeps.push(KnownKeep { id: ledger.keep(Lsn(clock - back)), place, until: None });
                }
                Step::Release { which } if !keeps.is_empty() && !open => {
                    let keep = which.index(keeps.len());
                    if keeps[keep].until.is_none() {
                        ledger.release(keeps[keep].id);
                        keeps[keep].until = Some(groups.len());
                    }
                }
                _ => {}
            }
            // What goes on in a group that was confirmed so far takes nothing back.
            settled_once = settled_once.max(settled(&groups));
            prop_assert_eq!(ledger.durable().lsn(), expected(start, &groups, settled_once, &keepalives, &keeps));
            let confirmed: Vec<Known> = groups.iter().map(|group| Known { unconfirmed: 0, ..*group }).collect();
            prop_assert_eq!(ledger.prospect(), expected(start, &groups, settled(&confirmed), &keepalives, &keeps));
            prop_assert_eq!(ledger.in_flight(), groups.iter().map(|group| group.unconfirmed).sum::<u64>());
        }
    }
}
