//! Which records belong together, and where they differ.

use std::collections::{HashMap, HashSet};
use std::fmt;

use waltap_tests::{Result, ensure};

use crate::modes::Mode;
use crate::record::{HEARTBEAT, Id, Phase, Record, Records, set_aside};
use crate::{defaults, types};

/// How much of a value is shown.
const SHOWN_CHARACTERS: usize = 600;

/// A place at which the two are not the same.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub(super) mode: &'static str,
    pub(super) id: Id,
    /// The part of the record; `record` where one of them has no such record.
    pub(super) part: String,
    /// What Debezium has there; None: nothing.
    pub(super) debezium: Option<String>,
    /// What waltap has there; None: nothing.
    pub(super) waltap: Option<String>,
    /// Whether Debezium has not all events of the transaction that waltap has.
    pub(super) after_loss: bool,
}

impl Mismatch {
    /// The table's name.
    pub(super) fn table(&self) -> &str {
        self.id.topic.rsplit('.').next().unwrap_or_default()
    }

    /// The type whose values the table holds, or the column, where each has another.
    pub(super) fn type_name(&self) -> Option<&'static str> {
        let of_column = || self.default().map(|(type_name, _)| type_name);
        types::of_table(self.table()).map(|sample| sample.type_name).or_else(of_column)
    }

    /// Type and default of the column, in the table of defaults.
    pub(super) fn default(&self) -> Option<(&'static str, &'static str)> {
        let (_, column) = self.part.rsplit_once('.').filter(|_| self.table() == defaults::TABLE)?;
        defaults::of_column(column)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Id { phase, topic, operation, key, number } = &self.id;
        writeln!(f, "{} {phase:?} {topic} {operation} {key} #{number} {}", self.mode, self.part)?;
        if let Some(sample) = types::of_table(self.table()) {
            let value: Option<String> = types::value_of(sample, key).map(|value| value.chars().take(SHOWN_CHARACTERS).collect());
            writeln!(f, "    type     {}, {value:?}", sample.type_name)?;
        }
        if let Some((type_name, default)) = self.default() {
            writeln!(f, "    default  {type_name} {default}")?;
        }
        let text = |text: &Option<String>| -> String {
            text.as_ref().map_or_else(|| "(nothing)".to_owned(), |text| text.chars().take(SHOWN_CHARACTERS).collect())
        };
        writeln!(f, "    Debezium {}", text(&self.debezium))?;
        write!(f, "    waltap   {}", text(&self.waltap))
    }
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How many records are the same.
    pub(super) equal: usize,
    pub(super) mismatches: Vec<Mismatch>,
}

impl Outcome {
    /// How many records differ, with all their mismatches such.
    pub(super) fn records_with(&self, such: impl Fn(&Mismatch) -> bool) -> usize {
        let mut records: HashMap<&Id, bool> = HashMap::new();
        for mismatch in &self.mismatches {
            *records.entry(&mismatch.id).or_insert(true) &= such(mismatch);
        }
        records.values().filter(|all| **all).count()
    }
}

/// Compares all records of a mode. The order of the stream must be the same too, of what both have.
pub(super) fn compare(mode: &Mode, debezium: &Records, waltap: &Records) -> Result<Outcome> {
    let by_id = |records: &'_ Records| -> HashMap<Id, usize> {
        records.0.iter().enumerate().map(|(place, record)| (record.id.clone(), place)).collect()
    };
    let (in_debezium, in_waltap) = (by_id(debezium), by_id(waltap));
    let mut outcome = Outcome::default();
    let alone = || waltap.0.iter().filter(|record| !in_debezium.contains_key(&record.id));
    let lossy: HashSet<&str> = alone().filter_map(Record::transaction).collect();
    for record in &debezium.0 {
        let after_loss = record.transaction().is_some_and(|transaction| lossy.contains(transaction));
        match in_waltap.get(&record.id) {
            Some(place) => compare_record(mode, record, &waltap.0[*place], after_loss, &mut outcome),
            None => outcome.mismatches.push(missing(mode, record, true)),
        }
    }
    outcome.mismatches.extend(alone().map(|record| missing(mode, record, false)));

    let stream = |records: &'_ Records, other: &HashMap<Id, usize>| -> Vec<Id> {
        // A sign of life comes by the clock, between whatever records.
        let ids = records.0.iter().map(|record| &record.id);
        let ids = ids.filter(|id| id.phase == Phase::Stream && id.operation != HEARTBEAT);
        ids.filter(|id| other.contains_key(id)).cloned().collect()
    };
    let (theirs, ours) = (stream(debezium, &in_waltap), stream(waltap, &in_debezium));
    let place = theirs.iter().zip(&ours).position(|(theirs, ours)| theirs != ours);
    ensure!(
        place.is_none(),
        "{}: another order, from {:?} in Debezium",
        mode.name,
        place.map(|place| (&theirs[place], &ours[place]))
    );
    Ok(outcome)
}

fn missing(mode: &Mode, record: &Record, in_debezium: bool) -> Mismatch {
    let text = record.parts.iter().map(|(part, text)| format!("{part}={text}")).collect::<Vec<_>>().join(" ");
    let (debezium, waltap) = if in_debezium { (Some(text), None) } else { (None, Some(text)) };
    Mismatch { mode: mode.name, id: record.id.clone(), part: "record".to_owned(), debezium, waltap, after_loss: false }
}

fn compare_record(mode: &Mode, debezium: &Record, waltap: &Record, after_loss: bool, outcome: &mut Outcome) {
    let compared = |record: &'_ Record| -> Vec<(String, String)> {
        record.parts.iter().filter(|(part, _)| set_aside(record, part).is_none()).cloned().collect()
    };
    let (theirs, ours) = (compared(debezium), compared(waltap));
    let id = &waltap.id;
    if theirs == ours {
        outcome.equal += 1;
        return;
    }
    let value =
        |parts: &[(String, String)], part: &str| parts.iter().find(|(name, _)| name == part).map(|(_, text)| text.clone());
    let names = theirs.iter().map(|(part, _)| part);
    let names = names.chain(ours.iter().map(|(part, _)| part).filter(|part| value(&theirs, part).is_none()));
    let before = outcome.mismatches.len();
    for part in names {
        let (debezium, waltap) = (value(&theirs, part), value(&ours, part));
        if debezium != waltap {
            outcome.mismatches.push(Mismatch {
                mode: mode.name,
                id: id.clone(),
                part: part.clone(),
                debezium,
                waltap,
                after_loss,
            });
        }
    }
    if outcome.mismatches.len() == before {
        let order = |parts: &[(String, String)]| Some(parts.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>().join(" "));
        let (debezium, waltap) = (order(&theirs), order(&ours));
        outcome.mismatches.push(Mismatch {
            mode: mode.name,
            id: id.clone(),
            part: "order".to_owned(),
            debezium,
            waltap,
            after_loss,
        });
    }
}
