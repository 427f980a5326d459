//! The window against a database that is simulated: however the reading and the stream meet, who applies what is sent has the database's rows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use waltap_postgres::catalog::VisibleTransactions;

use super::super::ring::Ring;
use super::*;

const NOTED_BYTES_MAX: usize = 1 << 20;

/// A row: a small value, and a large one that an update may leave out.
type Values = (u64, u64);

#[derive(Clone, Debug)]
enum Step {
    Insert(u8),
    Update(u8),
    /// An update that leaves the large value as it is, which the log does not tell then.
    UpdateSmall(u8),
    Delete(u8),
    Move(u8, u8),
    Truncate,
}

#[derive(Clone, Debug)]
enum Change {
    Whole(u8, Values),
    Small(u8, u64),
    Gone(u8),
    Truncate,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..8u8;
    prop_oneof![
        4 => key.clone().prop_map(Step::Insert),
        4 => key.clone().prop_map(Step::Update),
        4 => key.clone().prop_map(Step::UpdateSmall),
        2 => key.clone().prop_map(Step::Delete),
        2 => (key.clone(), key).prop_map(|(from, to)| Step::Move(from, to)),
        1 => Just(Step::Truncate),
    ]
}

/// What a step does to the rows, and what the log tells of it.
fn apply(rows: &mut BTreeMap<u8, Values>, step: &Step, value: u64) -> Vec<Change> {
    match *step {
        Step::Insert(key) | Step::Update(key) => {
            rows.insert(key, (value, value));
            vec![Change::Whole(key, (value, value))]
        }
        Step::UpdateSmall(key) => match rows.get_mut(&key) {
            Some(row) => {
                row.0 = value;
                vec![Change::Small(key, value)]
            }
            None => Vec::new(),
        },
        Step::Delete(key) => rows.remove(&key).map(|_| Change::Gone(key)).into_iter().collect(),
        Step::Move(from, to) if from != to && !rows.contains_key(&to) => match rows.remove(&from) {
            Some(row) => {
                rows.insert(to, row);
                vec![Change::Gone(from), Change::Whole(to, row)]
            }
            None => Vec::new(),
        },
        Step::Move(..) => Vec::new(),
        Step::Truncate => {
            rows.clear();
            vec![Change::Truncate]
        }
    }
}

/// What a reader of the topic has: a value that was never told is not there.
type Built = BTreeMap<u8, (u64, Option<u64>)>;

fn key(key: u8) -> KeyText {
    KeyText::new([&[key][..]])
}

fn text(value: u64) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn number(value: Value<'_>) -> u64 {
    match value {
        Value::Text(text) => std::str::from_utf8(text).unwrap().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn stream(built: &mut Built, window: &mut Option<Window>, changes: &[Change], commit: Lsn) {
    for change in changes {
        match *change {
            Change::Whole(row, (small, large)) => {
                built.insert(row, (small, Some(large)));
                window.iter_mut().for_each(|window| window.told(key(row)));
            }
            Change::Small(row, small) => {
                built.entry(row).or_insert((small, None)).0 = small;
                let value = text(small);
                let partly = Partly::new([Value::Text(&value), Value::Unchanged], commit);
                window.iter_mut().for_each(|window| window.partly_told(key(row), partly.clone()));
            }
            Change::Gone(row) => {
                built.remove(&row);
                window.iter_mut().for_each(|window| window.told(key(row)));
            }
            Change::Truncate => {
                built.clear();
                *window = None;
            }
        }
    }
}

/// Builds a row as a reader does who gets it. Says whether it is the first time that it comes.
fn build(row: &Row, built: &mut Built, sent: &mut BTreeSet<u8>) -> bool {
    let key = row.key.values().unwrap()[0].as_bytes()[0];
    let (small, large) = std::str::from_utf8(&row.line).unwrap().split_once('\t').unwrap();
    let read = [small, large].map(|value| value.parse::<u64>().unwrap());
    let value = |column: usize| row.told.as_ref().and_then(|told| told.value(column)).map_or(read[column], number);
    built.insert(key, (value(0), Some(value(1))));
    sent.insert(key)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Transactions of one step each commit in the log one after the other, and become visible in another order, and later. The stream is at some
    /// place when the chunk is handed out, at a later one when its rows arrive, and sends them in slices.
    #[test]
    fn what_is_sent_makes_the_rows_of_the_database(
        before in prop::collection::vec(step(), 0..8),
        steps in prop::collection::vec(step(), 1..24),
        places in prop::collection::vec(any::<prop::sample::Index>(), 4),
        late in prop::collection::btree_set(0..24usize, 0..4),
        slice in 1..4usize,
    ) {
        let mut places: Vec<usize> = places.iter().map(|place| place.index(steps.len() + 1)).collect();
        places.sort_unstable();
        let [handed_out, read, arrived, high] = places[..] else { unreachable!() };
        let high = high.max(read);
        // The history, and what each transaction tells.
        let mut rows = BTreeMap::new();
        before.iter().enumerate().for_each(|(number, step)| drop(apply(&mut rows, step, number as u64)));
        let mut states = vec![rows.clone()];
        let mut log = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            log.push(apply(&mut rows, step, 1_000 + number as u64));
            states.push(rows.clone());
        }
        // What the snapshot sees: everything that was logged, but for the last few that are late, which changed nothing that another depends on.
        let late: BTreeSet<usize> = late.into_iter().filter(|number| *number < read && *number + 3 >= read).collect();
        let first_late = late.iter().min().copied();
        // Simplest: those that are visible are a beginning of the log.
        let seen = first_late.unwrap_or(read);
        let in_progress: Vec<u64> = (seen..read).map(|number| number as u64).collect();
        let visible = VisibleTransactions { xmin: seen as u64, xmax: read as u64, in_progress };

        // Of what was there before nothing was told: it is there when the chunk is.
        let mut built = Built::new();
        let (mut ring, mut window) = (Ring::default(), None);
        let pass = |number: usize, built: &mut Built, window: &mut Option<Window>, ring: &mut Ring| {
            ring.note(number as u32);
            stream(built, window, &log[number], Lsn(number as u64));
        };
        for number in 0..handed_out {
            pass(number, &mut built, &mut window, &mut ring);
        }
        window = Some(Window::new(NOTED_BYTES_MAX));
        let mark = ring.mark();
        for number in handed_out..arrived.max(handed_out) {
            pass(number, &mut built, &mut window, &mut ring);
        }
        let mut next = arrived.max(handed_out);
        if ring.unseen(mark, &visible).is_some() {
            // It would be read again.
            return Ok(());
        }
        let chunk = &states[seen];
        if let Some(window) = &mut window {
            window.fill(chunk.iter().map(|(row, (small, large))| (key(*row), format!("{small}\t{large}").into())));
        }
        // Up to the high watermark, then in slices.
        while next < high {
            pass(next, &mut built, &mut window, &mut ring);
            next += 1;
        }
        let mut sent = BTreeSet::new();
        loop {
            for _ in 0..slice {
                let Some(row) = window.as_mut().and_then(Window::next_row) else { break };
                prop_assert!(build(&row, &mut built, &mut sent), "twice");
            }
            if next == log.len() {
                break;
            }
            pass(next, &mut built, &mut window, &mut ring);
            next += 1;
        }
        while let Some(row) = window.as_mut().and_then(Window::next_row) {
            prop_assert!(build(&row, &mut built, &mut sent), "twice");
        }
        let expected: Built = rows.iter().map(|(key, (small, large))| (*key, (*small, Some(*large)))).collect();
        prop_assert_eq!(built, expected);
    }
}

#[test]
fn what_was_noted_is_bounded() {
    let mut window = Window::new(NOTED_BYTES_MAX);
    for number in 0..100_000u64 {
        window.told(KeyText::new([&number.to_le_bytes()[..]]));
        if window.is_full() {
            assert!(number > 10_000);
            assert_eq!(window.told.len(), 0, "it is of no use any more");
            window.told(key(1));
            window.partly_told(key(2), small(1));
            assert_eq!(window.told.len(), 0, "and there is no more to come");
            return;
        }
    }
    panic!("it never is");
}

fn small(number: u64) -> Partly {
    Partly::new([Value::Text(&[b'x'; 100_000]), Value::Unchanged], Lsn(number))
}

/// A stream that is far behind tells of the same rows again and again, before the rows of the chunk are there and afterwards.
#[test]
fn a_row_that_is_told_again_and_again_counts_once() {
    let mut window = Window::new(NOTED_BYTES_MAX);
    for number in 0..100_000 {
        window.told(key(1));
        window.partly_told(key(2), small(number));
        window.partly_told(key(3), small(number));
    }
    assert!(!window.is_full(), "{} bytes", window.noted_bytes);
    let rows = || (0..=4u8).map(|row| (key(row), Bytes::from_static(b"x\ty")));
    window.fill(rows());
    for number in 0..1_000 {
        (0..=9u8).for_each(|row| window.partly_told(key(row), small(number)));
    }
    assert!(!window.is_full(), "{} bytes: four rows, and others that are not in it", window.noted_bytes);
    window.told(key(3));
    assert!(window.leave_out(&key(4)));
    assert_eq!(window.noted_keys, 2);
    while window.next_row().is_some() {}
    assert_eq!((window.noted_bytes, window.noted_keys), (0, 0), "what is sent is not held");
}

#[test]
fn one_row_is_never_too_much_and_several_are() {
    let mut window = Window::new(1_000);
    window.partly_told(key(1), small(1));
    assert!(!window.is_full());
    window.fill([1, 2].map(|row| (key(row), Bytes::from_static(b"x\ty"))));
    window.partly_told(key(1), small(2));
    assert!(!window.is_full());
    window.partly_told(key(2), small(3));
    assert!(window.is_full());
}
