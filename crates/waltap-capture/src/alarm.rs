//! Alarms: what somebody should look at while the capture works.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What is alarming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The slot keeps nearly as much log as it may, or more.
    RetainedWal,
    /// The server is about to remove log that the slot needs.
    SlotInDanger,
    /// The log grows, and for a long time nothing of it was confirmed.
    Stalled,
    /// A slot of the capture's keeps log, and no capture would look for it where it is.
    AbandonedSlot,
    /// Events were written to the topic of dead letters, and not to where they belong.
    DeadLetters,
}

impl Alarm {
    /// Every alarm, for metrics that show one series an alarm.
    pub const ALL: [Alarm; 5] =
        [Alarm::RetainedWal, Alarm::SlotInDanger, Alarm::Stalled, Alarm::AbandonedSlot, Alarm::DeadLetters];

    /// The word used in logs, metrics and the status page.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::RetainedWal => "retained_wal",
            Alarm::SlotInDanger => "slot_in_danger",
            Alarm::Stalled => "stalled",
            Alarm::AbandonedSlot => "abandoned_slot",
            Alarm::DeadLetters => "dead_letters",
        }
    }

    /// Whether a capture with this alarm is not ready: its work does not go on.
    pub fn is_grave(self) -> bool {
        self == Alarm::Stalled
    }
}

/// An alarm that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// The database whose tap it is about.
    pub database: String,
    /// What is alarming.
    pub alarm: Alarm,
    /// In words, with the figures.
    pub text: String,
}

/// The alarms of a capture. They are there before its taps are, since a slot may fill a disk before Kafka answers.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<BTreeMap<(String, Alarm), String>>);

impl Alarms {
    /// Raises an alarm, with what is to be said of it now, or clears it. Says whether that is news.
    pub(crate) fn set(&self, database: &str, alarm: Alarm, text: Option<String>) -> bool {
        let mut alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (database.to_owned(), alarm);
        match text {
            Some(text) => alarms.insert(key, text).is_none(),
            None => alarms.remove(&key).is_some(),
        }
    }

    /// Those that are on, by database.
    pub(crate) fn all(&self) -> Vec<AlarmStatus> {
        let alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |((database, alarm), text): (&(String, Alarm), &String)| AlarmStatus {
            database: database.clone(),
            alarm: *alarm,
            text: text.clone(),
        };
        alarms.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_news_once() {
        let alarms = Alarms::default();
        assert!(alarms.set("shop", Alarm::Stalled, Some("5 minutes".to_owned())));
        assert!(!alarms.set("shop", Alarm::Stalled, Some("6 minutes".to_owned())));
        assert_eq!(alarms.all()[0].text, "6 minutes");
        assert!(alarms.set("shop", Alarm::Stalled, None));
        assert!(!alarms.set("shop", Alarm::Stalled, None));
        assert!(alarms.all().is_empty());
    }
}
