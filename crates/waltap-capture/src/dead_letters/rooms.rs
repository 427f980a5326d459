//! How large a record each topic takes: by Kafka's client at first, and by what brokers have refused since.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use waltap_error::{Code, Error};

/// What a record has in a batch beside its key, its value and its headers, and the batch before it: at most 97 bytes.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// How often a topic's room is guessed smaller, where its settings do not explain why the broker refuses. More, and something else is wrong.
const GUESSES_MAX: u32 = 3;

/// The least room that a topic may have for anything to be sent to it.
const ROOM_MIN: usize = 1024;

/// The rooms that are known. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rooms(Arc<Mutex<HashMap<String, Room>>>);

#[derive(Clone, Copy, Debug)]
struct Room {
    /// The topic's own bound, or what stands for it.
    bytes_max: usize,
    guesses: u32,
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes the key, the value and the headers of a record may have together.
    pub(crate) fn of(&self, topic: &str, client_bytes_max: usize) -> usize {
        let known = self.lock().get(topic).map_or(usize::MAX, |room| room.bytes_max);
        known.min(client_bytes_max).saturating_sub(RECORD_OVERHEAD_BYTES)
    }

    /// The topic's own bound, as far as it is known.
    pub(crate) fn bytes_max(&self, topic: &str) -> Option<usize> {
        self.lock().get(topic).map(|room| room.bytes_max)
    }

    /// Notes a bound that the topic's settings name.
    pub(crate) fn set(&self, topic: &str, told: usize) {
        self.lock().insert(topic.to_owned(), Room { bytes_max: told, guesses: 0 });
    }

    /// The smallest of them: no batch may be larger.
    pub(crate) fn smallest(&self) -> Option<usize> {
        self.lock().values().map(|room| room.bytes_max).min()
    }

    /// Learns from a broker that has refused a record. `told` is the topic's bound by its settings. Says whether that is news: the same again
    /// would be refused again.
    pub(crate) fn learn(&self, topic: &str, told: usize, refused_bytes: u64) -> Option<usize> {
        let mut rooms = self.lock();
        let known = rooms.get(topic).copied();
        let room = match known {
            None => Room { bytes_max: told, guesses: 0 },
            Some(known) if told < known.bytes_max => Room { bytes_max: told, ..known },
            Some(known) => {
                let below = usize::try_from(refused_bytes).unwrap_or(usize::MAX).saturating_add(RECORD_OVERHEAD_BYTES - 1);
                if known.guesses == GUESSES_MAX {
                    return None;
                }
                Room { bytes_max: below.min(known.bytes_max.saturating_sub(1)), guesses: known.guesses + 1 }
            }
        };
        if room.bytes_max < ROOM_MIN {
            return None;
        }
        rooms.insert(topic.to_owned(), room);
        Some(room.bytes_max)
    }
}

/// What a broker has refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) topic: String,
    /// Of the largest record that was refused with it.
    pub(crate) bytes: u64,
    pub(crate) code: Code,
}

/// The first verdict of a session: those behind it follow from it. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdicts(Arc<Mutex<Option<Verdict>>>);

impl Verdicts {
    fn lock(&self) -> MutexGuard<'_, Option<Verdict>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what became of a record.
    pub(crate) fn note(&self, topic: &str, bytes: u64, error: &Error) {
        if error.kind() == waltap_error::Kind::Transient {
            return;
        }
        let mut first = self.lock();
        match &mut *first {
            None => *first = Some(Verdict { topic: topic.to_owned(), bytes, code: error.code() }),
            // A batch is refused as a whole: the largest of its records is the one.
            Some(first) if first.topic == topic && first.code == error.code() => first.bytes = first.bytes.max(bytes),
            Some(_) => {}
        }
    }

    /// Takes it, so that the next session begins without one.
    pub(crate) fn take(&self) -> Option<Verdict> {
        self.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_bound_holds() {
        let rooms = Rooms::default();
        assert_eq!(rooms.of("t", 1_000_000), 1_000_000 - RECORD_OVERHEAD_BYTES);
        assert_eq!(rooms.smallest(), None);
        assert_eq!(rooms.learn("t", 100_000, 200_000), Some(100_000));
        assert_eq!(rooms.of("t", 1_000_000), 100_000 - RECORD_OVERHEAD_BYTES);
        assert_eq!(rooms.of("t", 50_000), 50_000 - RECORD_OVERHEAD_BYTES);
        assert_eq!(rooms.of("u", 1_000_000), 1_000_000 - RECORD_OVERHEAD_BYTES);
        assert_eq!(rooms.smallest(), Some(100_000));
    }

    #[test]
    fn a_bound_that_is_lowered_again_is_news_and_the_same_is_not_for_ever() {
        let rooms = Rooms::default();
        assert_eq!(rooms.learn("t", 100_000, 200_000), Some(100_000));
        assert_eq!(rooms.learn("t", 50_000, 80_000), Some(50_000));
        // Records that should have fitted: each time less, and in the end it is given up.
        assert_eq!(rooms.learn("t", 50_000, 40_000), Some(40_000 + RECORD_OVERHEAD_BYTES - 1));
        assert_eq!(rooms.of("t", 1_000_000), 39_999);
        assert_eq!(rooms.learn("t", 50_000, 30_000), Some(30_000 + RECORD_OVERHEAD_BYTES - 1));
        assert!(rooms.learn("t", 50_000, 20_000).is_some());
        assert_eq!(rooms.learn("t", 50_000, 10_000), None);
    }

    #[test]
    fn a_topic_that_takes_next_to_nothing_is_given_up() {
        assert_eq!(Rooms::default().learn("t", 500, 200_000), None);
    }

    #[test]
    fn the_largest_record_of_the_first_refusal_counts() {
        let verdicts = Verdicts::default();
        let large = || Error::data(Code::RECORD_TOO_LARGE, "too large");
        verdicts.note("t", 5, &Error::transient(Code::BROKERS, "away"));
        verdicts.note("t", 10, &large());
        verdicts.note("u", 90, &large());
        verdicts.note("t", 70, &large());
        verdicts.note("t", 99, &Error::configuration(Code::DELIVERY_REFUSED, "refused"));
        let verdict = verdicts.take();
        assert_eq!(verdict, Some(Verdict { topic: "t".to_owned(), bytes: 70, code: Code::RECORD_TOO_LARGE }));
        assert_eq!(verdicts.take(), None);
    }
}
