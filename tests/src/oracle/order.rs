//! Order: each key's events come in commit order once repeats are dropped, and a repeat is one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::event::{Event, Operation, Position};
use crate::{Failure, Result};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is new.
    New,
    /// It came before, and is dropped.
    Repeat,
}

/// Checks the events of one topic, in the order of their arrival within each partition.
#[derive(Debug, Default)]
pub struct OrderChecker {
    keys: HashMap<(i32, Option<String>), Seen>,
    partitions: HashMap<i32, Partition>,
    repeats: u64,
}

#[derive(Debug, Default)]
struct Seen {
    last: Option<Position>,
    /// Positions that came, with a hash of what came there.
    contents: HashMap<Position, u64>,
}

/// A truncate concerns every key of its partition.
#[derive(Debug, Default)]
struct Partition {
    last: Option<Position>,
    last_truncate: Option<Position>,
}

impl OrderChecker {
    /// Takes the next event; fails when it breaks the order, or repeats a position with other content.
    pub fn take(&mut self, event: &Event) -> Result<Verdict> {
        let fault = |what: String| Failure::new(format!("key {:?} of partition {}: {what}", event.key, event.partition));
        let seen = self.keys.entry((event.partition, event.key.clone())).or_default();
        // Rows without a key that were read by one snapshot share one position: they are many, not repeats.
        let is_row_without_key = event.key.is_none() && event.operation == Operation::Read;
        let content = hash(&event.content());
        if !is_row_without_key && let Some(first) = seen.contents.get(&event.position) {
            if *first != content {
                return Err(fault(format!("{} came before with other content; now {}", event.position, event.content())));
            }
            self.repeats += 1;
            return Ok(Verdict::Repeat);
        }
        if seen.last.is_some_and(|last| event.position < last) {
            return Err(fault(format!("{} came after {:?}", event.position, seen.last.map(|last| last.to_string()))));
        }
        seen.last = Some(event.position);
        if !is_row_without_key {
            seen.contents.insert(event.position, content);
        }
        let partition = self.partitions.entry(event.partition).or_default();
        if event.operation == Operation::Truncate {
            if partition.last.is_some_and(|last| event.position < last) {
                return Err(fault(format!("the truncate {} came after a later change", event.position)));
            }
            partition.last_truncate = Some(event.position);
        } else if partition.last_truncate.is_some_and(|truncate| event.position < truncate) {
            return Err(fault(format!("{} came after a later truncate", event.position)));
        }
        partition.last = partition.last.max(Some(event.position));
        Ok(Verdict::New)
    }

    /// How many repeats there were.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }
}

fn hash(content: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::event::samples::event;
    use super::*;

    fn verdicts(events: &[Event]) -> Result<Vec<Verdict>> {
        let mut checker = OrderChecker::default();
        events.iter().map(|event| checker.take(event)).collect()
    }

    #[test]
    fn repeats_after_a_restart_are_dropped() {
        let run = [event("c", Some(1), 1, Some(0), "{}"), event("u", Some(1), 2, Some(0), r#"{"a":1}"#)];
        let events = [run.clone(), run, [event("u", Some(1), 3, Some(0), "{}"), event("c", Some(2), 1, Some(1), "{}")]].concat();
        use Verdict::{New, Repeat};
        assert_eq!(verdicts(&events).unwrap(), [New, New, Repeat, Repeat, New, New]);
    }

    #[test]
    fn a_key_that_goes_back_is_found() {
        assert!(verdicts(&[event("c", Some(1), 5, Some(0), "{}"), event("u", Some(1), 4, Some(0), "{}")]).is_err());
        assert!(verdicts(&[event("c", Some(1), 5, Some(1), "{}"), event("u", Some(1), 5, Some(0), "{}")]).is_err());
        assert!(verdicts(&[event("u", Some(1), 5, Some(1), "{}"), event("r", Some(1), 5, None, "{}")]).is_err());
    }

    #[test]
    fn a_repeat_with_other_content_is_found() {
        assert!(
            verdicts(&[event("c", Some(1), 5, Some(0), r#"{"a":1}"#), event("c", Some(1), 5, Some(0), r#"{"a":2}"#)]).is_err()
        );
    }

    #[test]
    fn a_truncate_holds_its_place_among_all_keys() {
        let truncate = || event("t", None, 5, Some(0), "null");
        assert!(verdicts(&[event("c", Some(1), 4, Some(0), "{}"), truncate(), event("c", Some(1), 6, Some(0), "{}")]).is_ok());
        assert!(verdicts(&[truncate(), event("c", Some(1), 4, Some(0), "{}")]).is_err());
        assert!(verdicts(&[event("c", Some(1), 6, Some(0), "{}"), truncate()]).is_err());
    }
}
