//! The spill against a model: for each transaction a list of what was written and is not undone.

use proptest::collection::vec;
use proptest::prelude::*;
use waltap_pgoutput::{Begin, Commit, Lsn, PgTime};

use super::{Ending, Spill, Undone};

/// What happens to one of the transactions.
#[derive(Clone, Debug)]
enum Step {
    /// A block of messages, of these lengths, written by the innermost subtransaction.
    Write(Vec<usize>),
    Savepoint,
    Release,
    /// Rolls back a subtransaction that is open, counted from the outermost. A bit for each that is undone with it, itself the last: whether
    /// the server says so.
    RollbackTo(usize, u64),
    Abort,
    Commit,
}

/// A transaction of the model.
#[derive(Debug, Default)]
struct Model {
    /// The subtransactions that are open, outermost first.
    open: Vec<u32>,
    /// Every subtransaction that is not undone, with those that it stands within.
    begun: Vec<(u32, Vec<u32>)>,
    /// Those that are undone.
    undone: Undone,
    /// Place, message, and the subtransactions that it was written in.
    written: Vec<(Lsn, Vec<u8>, Vec<u32>)>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(prop_oneof![9 => 0_usize..60, 1 => 500_usize..3_000], 1..12).prop_map(Step::Write),
        3 => Just(Step::Savepoint),
        2 => Just(Step::Release),
        2 => (0_usize..6, any::<u64>()).prop_map(|(index, said)| Step::RollbackTo(index, said)),
        1 => Just(Step::Abort),
        1 => Just(Step::Commit),
    ]
}

fn ending(xid: u32) -> Ending {
    let (lsn, time) = (Lsn(9), PgTime(9));
    let begin = Begin { final_lsn: lsn, commit_time: time, xid };
    Ending { begin, commit: Commit { commit_lsn: lsn, end_lsn: lsn, commit_time: time }, held: None }
}

fn write_out(spill: &mut Spill) {
    if let Some(write) = spill.begin_write() {
        spill.end_write(write.run().unwrap());
    }
}

/// All of a transaction, read back.
async fn read_back(spill: &mut Spill, xid: u32, undone: Undone) -> Vec<(Lsn, Vec<u8>)> {
    let mut replay = spill.replay(xid, ending(xid), undone);
    let mut read = Vec::new();
    while let Some(piece) = replay.next().await.unwrap() {
        read.extend(piece.records().map(|(lsn, message)| (lsn, message.to_vec())));
    }
    assert_eq!(replay.disk_bytes(), 0, "the disk was not given back");
    read
}

/// Reads a transaction as after its commit, when the server is asked of which subtransactions it did not say that they are undone.
async fn check_read_back(spill: &mut Spill, xid: u32, model: Model) {
    let undone = spill.subtransactions(xid).into_iter().filter(|subxid| model.undone.contains(subxid)).collect();
    let expected: Vec<(Lsn, Vec<u8>)> = model.written.into_iter().map(|(lsn, message, _)| (lsn, message)).collect();
    assert_eq!(read_back(spill, xid, undone).await, expected);
}

async fn check(memory_bytes_max: usize, steps: Vec<(u32, Step)>) {
    let mut spill = Spill::new(std::env::temp_dir(), memory_bytes_max);
    let mut models: std::collections::BTreeMap<u32, Model> = Default::default();
    let (mut next_subxid, mut next_lsn) = (1_000, 1);
    for (xid, step) in steps {
        let model = models.entry(xid).or_default();
        match step {
            Step::Write(lengths) => {
                spill.begin(xid, true);
                let subxid = model.open.last().copied().unwrap_or(xid);
                for length in lengths {
                    if spill.is_full() {
                        write_out(&mut spill);
                        assert!(!spill.is_full(), "nothing became free");
                    }
                    // No tag of a relation or a type.
                    let message = vec![next_lsn as u8 & 0x0f; length];
                    spill.push(subxid, Lsn(next_lsn), |log| log.extend_from_slice(&message)).unwrap();
                    model.written.push((Lsn(next_lsn), message, model.open.clone()));
                    next_lsn += 1;
                }
                spill.end();
            }
            Step::Savepoint => {
                model.begun.push((next_subxid, model.open.clone()));
                model.open.push(next_subxid);
                next_subxid += 1;
            }
            Step::Release => drop(model.open.pop()),
            Step::RollbackTo(index, said) => {
                let Some(&subxid) = model.open.get(index) else { continue };
                model.open.truncate(index);
                // The server names the subtransactions within it first, whether they were released or are open.
                let within: Vec<u32> =
                    model.begun.iter().filter(|(_, around)| around.contains(&subxid)).map(|(subxid, _)| *subxid).collect();
                for (place, undone) in within.into_iter().chain([subxid]).enumerate() {
                    if said >> (place % 64) & 1 == 1 {
                        assert_eq!(spill.abort(xid, undone).unwrap(), None);
                    }
                    model.undone.insert(undone);
                }
                model.begun.retain(|(begun, around)| *begun != subxid && !around.contains(&subxid));
                model.written.retain(|(_, _, writers)| !writers.contains(&subxid));
            }
            Step::Abort => {
                spill.abort(xid, xid).unwrap();
                models.remove(&xid);
            }
            Step::Commit => {
                let model = models.remove(&xid).unwrap_or_default();
                check_read_back(&mut spill, xid, model).await;
            }
        }
    }
    for (xid, model) in models {
        check_read_back(&mut spill, xid, model).await;
    }
    let waiting = spill.waiting();
    assert_eq!((waiting.transactions, waiting.memory_bytes, waiting.disk_bytes), (0, 0, 0));
}

proptest! {
    #[test]
    fn what_is_not_undone_comes_back_in_order(bound in prop_oneof![1_usize..200, 200_usize..20_000], steps in vec((1_u32..5, step()), 0..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(bound, steps));
    }
}

#[tokio::test]
async fn an_abort_gives_memory_and_disk_back() {
    let mut spill = Spill::new(std::env::temp_dir(), 1_000);
    spill.begin(7, true);
    for index in 0..100 {
        if spill.is_full() {
            write_out(&mut spill);
        }
        // The second half is of a subtransaction.
        spill.push(if index < 50 { 7 } else { 8 }, Lsn(index), |log| log.extend_from_slice(&[1; 100])).unwrap();
    }
    spill.end();
    let before = spill.waiting().disk_bytes;
    spill.abort(7, 8).unwrap();
    let after = spill.waiting().disk_bytes;
    assert!(before > 9_000 && after <= 50 * 116, "{before} bytes, and then {after}");
    spill.abort(7, 7).unwrap();
    assert_eq!(spill.waiting(), super::Waiting::default());
}

#[tokio::test]
async fn a_message_larger_than_a_piece_comes_back_whole() {
    for bound in [1, 100 << 20] {
        let mut spill = Spill::new(std::env::temp_dir(), bound);
        let large = vec![5; 3 << 20];
        spill.begin(7, true);
        for (lsn, message) in [(1, &[1][..]), (2, &large), (3, &[3])] {
            spill.push(7, Lsn(lsn), |log| log.extend_from_slice(message)).unwrap();
            if spill.is_full() {
                write_out(&mut spill);
            }
        }
        spill.end();
        let read = read_back(&mut spill, 7, Undone::new()).await;
        assert_eq!(read, [(Lsn(1), vec![1]), (Lsn(2), large), (Lsn(3), vec![3])]);
    }
}

#[tokio::test]
async fn a_transaction_of_which_nothing_came_is_empty() {
    let mut spill = Spill::new(std::env::temp_dir(), 1_000);
    assert_eq!(spill.abort(7, 8).unwrap(), None);
    assert_eq!(spill.abort(7, 7).unwrap(), None);
    assert!(read_back(&mut spill, 7, Undone::new()).await.is_empty());
}

#[tokio::test]
async fn what_was_undone_unsaid_is_left_out_but_for_relations_and_types() {
    for bound in [1, 100 << 20] {
        let mut spill = Spill::new(std::env::temp_dir(), bound);
        spill.begin(7, true);
        let written: [(u32, &[u8]); 7] = [(7, b"I1"), (8, b"R"), (8, b"Y"), (8, b"I2"), (9, b"I3"), (7, b"I4"), (8, b"T")];
        for (lsn, (subxid, message)) in (1..).zip(written) {
            spill.push(subxid, Lsn(lsn), |log| log.extend_from_slice(message)).unwrap();
            if spill.is_full() {
                write_out(&mut spill);
            }
        }
        spill.end();
        assert_eq!(spill.subtransactions(7), [8, 9]);
        let read = read_back(&mut spill, 7, Undone::from([8])).await;
        let kept: Vec<(u64, &[u8])> = read.iter().map(|(lsn, message)| (lsn.0, message.as_slice())).collect();
        assert_eq!(kept, [(1, &b"I1"[..]), (2, b"R"), (3, b"Y"), (5, b"I3"), (6, b"I4")]);
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let mut spill = Spill::new("/nowhere/at/all".into(), 1);
    spill.begin(7, true);
    spill.push(7, Lsn(1), |log| log.push(1)).unwrap();
    let error = spill.begin_write().unwrap().run().unwrap_err();
    assert_eq!(error.code(), waltap_error::Code::SPILL);
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}
