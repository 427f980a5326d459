//! The records of either side, taken apart without losing a byte, and the parts that are not compared.

use std::collections::HashMap;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use waltap_tests::{Result, ensure};

/// Whose records they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Debezium,
    Waltap,
}

/// Whether a record tells of a row that was there or of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Phase {
    Snapshot,
    Stream,
}

/// What both sides call the same record: how often a record of this kind and key has come before is the number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id {
    pub(super) phase: Phase,
    pub(super) topic: String,
    pub(super) operation: String,
    pub(super) key: String,
    pub(super) number: usize,
}

/// A record as its parts, in their order: `key`, `headers.NAME`, `after.COLUMN`, `source.lsn`, `op` and so on, each with its bytes.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: Id,
    pub(super) parts: Vec<(String, String)>,
}

impl Record {
    fn is_outside_of_transactions(&self) -> bool {
        self.id.operation == "m" && self.parts.iter().any(|(part, text)| part == "source.txId" && text == "null")
    }
}

#[derive(Debug)]
pub(super) struct Records(pub(super) Vec<Record>);

impl Records {
    pub(super) fn count(&self, phase: Phase) -> usize {
        self.0.iter().filter(|record| record.id.phase == phase).count()
    }
}

/// The parts of a value whose own members are parts.
const TAKEN_APART: [&str; 4] = ["before", "after", "source", "message"];

/// Debezium's headers that name the connector and its task.
const CONTEXT_HEADERS: &str = "headers.__debezium.context.";

/// The table of which only Debezium has keys, so that they tell no records apart.
const KEYLESS_TABLE: &str = ".identity_nothing";

/// Why a part is not compared; None where it is.
pub(super) fn set_aside(record: &Record, part: &str) -> Option<&'static str> {
    match (record.id.phase, part) {
        (_, "ts_ms" | "ts_us" | "ts_ns") => Some("the clock of the connector"),
        (_, part) if part.starts_with(CONTEXT_HEADERS) => Some("the name of the connector and the number of its task"),
        (Phase::Snapshot, "source.ts_ms" | "source.ts_us" | "source.ts_ns") => Some("the clock of the connector when it read"),
        // waltap reads tables side by side: none is known to be the first or the last, and all rows are marked "true".
        (Phase::Snapshot, "source.snapshot") => Some("which rows of the snapshot are the first and the last"),
        (Phase::Snapshot, "source.lsn" | "source.sequence" | "source.txId") => Some("where the WAL was when it read"),
        (_, "source.ts_ms" | "source.ts_us" | "source.ts_ns") if record.is_outside_of_transactions() => {
            Some("the clock of the connector when it received a message that has no time of its own")
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    topic: String,
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(borrow, default)]
    headers: Members<'a>,
}

/// An object's members in their order.
#[derive(Debug, Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct InOrder<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for InOrder<'a> {
            type Value = Members<'a>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Members<'a>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

/// Reads the lines of one side.
pub(super) fn records(lines: &str, side: Side) -> Result<Records> {
    let mut records = Vec::new();
    let mut counts: HashMap<(Phase, String, String, String), usize> = HashMap::new();
    for line in lines.lines() {
        let line: Line<'_> = serde_json::from_str(line)?;
        let mut parts = vec![("key".to_owned(), line.key.get().to_owned())];
        parts.extend(line.headers.0.iter().map(|(name, value)| (format!("headers.{name}"), value.get().to_owned())));
        take_apart(line.value.get(), &mut parts).map_err(|failure| failure.while_doing(format!("{side:?}: {}", line.value)))?;
        let operation =
            parts.iter().find(|(part, _)| part == "op").map_or("tombstone", |(_, operation)| operation.trim_matches('"'));
        let operation = operation.to_owned();
        let phase = if operation == "r" { Phase::Snapshot } else { Phase::Stream };
        // Its members sorted: their order is a part to compare, not what a record is told by.
        let key = match line.topic.ends_with(KEYLESS_TABLE) {
            true => String::new(),
            false => serde_json::from_str::<serde_json::Value>(line.key.get())?.to_string(),
        };
        let kind = (phase, line.topic.clone(), operation.clone(), key.clone());
        let count = counts.entry(kind).or_default();
        let id = Id { phase, topic: line.topic, operation, key, number: *count };
        *count += 1;
        records.push(Record { id, parts });
    }
    Ok(Records(records))
}

/// Fails where bytes would be lost: spaces between tokens, or names in another spelling.
fn take_apart(value: &str, parts: &mut Vec<(String, String)>) -> Result {
    if value == "null" {
        parts.push(("value".to_owned(), value.to_owned()));
        return Ok(());
    }
    let mut written = Vec::new();
    let members: Members<'_> = serde_json::from_str(value)?;
    for (name, member) in members.0 {
        let text = member.get();
        if TAKEN_APART.contains(&name.as_str()) && text != "null" {
            let inner: Members<'_> = serde_json::from_str(text)?;
            // An object without members must not look like one that is not there.
            if inner.0.is_empty() {
                parts.push((name.clone(), text.to_owned()));
            }
            let mut inner_written = Vec::new();
            for (column, value) in inner.0 {
                let column = spelled(&column, text);
                inner_written.push(format!("{column}:{value}"));
                parts.push((format!("{name}.{}", column.trim_matches('"')), value.get().to_owned()));
            }
            written.push(format!("\"{name}\":{{{}}}", inner_written.join(",")));
        } else {
            written.push(format!("\"{name}\":{text}"));
            parts.push((name, text.to_owned()));
        }
    }
    ensure!(format!("{{{}}}", written.join(",")) == value, "there is more between the tokens than there has to be");
    Ok(())
}

/// A name as it is spelled in `object`, with its quotes: characters beyond the basic plane may be escaped as two halves.
fn spelled(name: &str, object: &str) -> String {
    let mut escaped = String::from("\"");
    for character in name.chars() {
        match character {
            '\u{10000}'.. => {
                character.encode_utf16(&mut [0; 2]).iter().for_each(|half| escaped.push_str(&format!("\\u{half:04X}")))
            }
            _ => escaped.push(character),
        }
    }
    escaped.push('"');
    if object.contains(&escaped) { escaped } else { format!("\"{name}\"") }
}
