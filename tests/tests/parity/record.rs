//! The records of either side, taken apart without losing a byte, and the parts that are not compared.

use std::collections::HashMap;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use waltap_tests::{Failure, Result, ensure};

use crate::modes::Mode;

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
    /// The number of its transaction.
    pub(super) fn transaction(&self) -> Option<&str> {
        let part = |name: &str| self.parts.iter().find(|(part, _)| part == name).map(|(_, text)| text.as_str());
        match self.is_of_transaction() {
            true => part("id")?.trim_matches('"').split(':').next(),
            false => part("source.txId"),
        }
    }

    /// Whether it tells of the beginning or the end of a transaction: its time is that of the commit.
    fn is_of_transaction(&self) -> bool {
        matches!(self.id.operation.as_str(), "BEGIN" | "END")
    }

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

/// The operation of a sign of life, which has none.
pub(crate) const HEARTBEAT: &str = "heartbeat";

/// Why a part is not compared; None where it is.
pub(super) fn set_aside(record: &Record, part: &str) -> Option<&'static str> {
    match (record.id.phase, part) {
        (_, "ts_ms" | "ts_us" | "ts_ns") if !record.is_of_transaction() => Some("the clock of the connector"),
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
pub(super) fn records(lines: &str, side: Side, mode: &Mode) -> Result<Records> {
    let mut records = Vec::new();
    let mut counts: HashMap<(Phase, String, String, String), usize> = HashMap::new();
    for line in lines.lines() {
        let line: Line<'_> = serde_json::from_str(line)?;
        let Parted { schema, payload: key_payload } = part(line.key.get(), mode)?;
        let mut parts = vec![("key".to_owned(), key_payload.to_owned())];
        parts.extend(schema.map(|schema| ("key.schema".to_owned(), schema.to_owned())));
        parts.extend(line.headers.0.iter().map(|(name, value)| (format!("headers.{name}"), value.get().to_owned())));
        let doing = || format!("{side:?}: {}", line.value);
        let Parted { schema, payload } = part(line.value.get(), mode).map_err(|failure| failure.while_doing(doing()))?;
        take_apart(payload, &mut parts).map_err(|failure| failure.while_doing(doing()))?;
        if let Some(schema) = schema {
            take_schema_apart(schema, &mut parts).map_err(|failure| failure.while_doing(doing()))?;
        }
        let operation = parts.iter().find(|(part, _)| matches!(part.as_str(), "op" | "status"));
        let operation = operation.map_or("tombstone", |(_, operation)| operation.trim_matches('"'));
        let is_heartbeat = line.topic == mode.heartbeat_topic();
        let operation = if is_heartbeat { HEARTBEAT } else { operation }.to_owned();
        let phase = if operation == "r" { Phase::Snapshot } else { Phase::Stream };
        // Its members sorted: their order is a part to compare, not what a record is told by.
        let key = match line.topic.ends_with(KEYLESS_TABLE) {
            true => String::new(),
            false => serde_json::from_str::<serde_json::Value>(key_payload)?.to_string(),
        };
        let kind = (phase, line.topic.clone(), operation.clone(), key.clone());
        let count = counts.entry(kind).or_default();
        let id = Id { phase, topic: line.topic, operation, key, number: *count };
        *count += 1;
        // How many there are is a matter of time.
        if is_heartbeat && id.number > 0 {
            continue;
        }
        records.push(Record { id, parts });
    }
    Ok(Records(records))
}

/// A record's schema and its payload.
struct Parted<'a> {
    schema: Option<&'a str>,
    payload: &'a str,
}

fn part<'a>(text: &'a str, mode: &Mode) -> Result<Parted<'a>> {
    if !mode.has_schemas() || text == "null" {
        return Ok(Parted { schema: None, payload: text });
    }
    let members: Members<'a> = serde_json::from_str(text)?;
    let [(_, schema), (_, payload)] = &members.0[..] else { return Err(Failure::new("it is not a schema and a payload")) };
    ensure!(format!(r#"{{"schema":{schema},"payload":{payload}}}"#) == text, "it is not a schema and a payload");
    Ok(Parted { schema: Some(schema.get()), payload: payload.get() })
}

/// The schema of an event: those of the columns are parts of their own, and so is the rest.
fn take_schema_apart(schema: &str, parts: &mut Vec<(String, String)>) -> Result {
    let mut rest = schema.to_owned();
    for row in ["before", "after"] {
        let Some(fields) = fields(schema)?.into_iter().find(|field| field.ends_with(&format!(",\"field\":\"{row}\"}}"))) else {
            continue;
        };
        for column in self::fields(fields)? {
            let name = column.rsplit_once(",\"field\":").map_or(column, |(_, name)| name);
            parts.push((format!("schema.{row}.{}", name.trim_end_matches('}').trim_matches('"')), column.to_owned()));
        }
        rest = rest.replacen(fields, &fields.replacen(&self::fields(fields)?.join(","), "", 1), 1);
    }
    parts.push(("schema".to_owned(), rest));
    Ok(())
}

/// The members of `fields`.
fn fields(schema: &str) -> Result<Vec<&str>> {
    let members: Members<'_> = serde_json::from_str(schema)?;
    let Some((_, fields)) = members.0.into_iter().find(|(name, _)| name == "fields") else { return Ok(Vec::new()) };
    let fields: Vec<&RawValue> = serde_json::from_str(fields.get())?;
    Ok(fields.into_iter().map(RawValue::get).collect())
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
