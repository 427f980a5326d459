//! Frames that a real PostgreSQL 15 wrote: `fuzz/corpus-from-postgres.sh` holds the SQL of each scenario and makes them anew.
//!
//! Oids, LSNs, transaction ids and times differ from run to run, so they are checked for sense, and the rest is compared as text.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use waltap_pgoutput::{Begin, Error, Lsn, Malformed, Message, OldRow, PgTime, ReplicaIdentity, ReplicationMessage, Tuple, Value};

/// What each scenario's frames say, one line a frame.
const EXPECTED: &str = include_str!("real_frames.txt");

fn frames() -> BTreeMap<String, Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/pgoutput");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the corpus is checked in")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".frame"))
        .collect();
    names.sort();
    let mut scenarios: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for name in names {
        let frame = std::fs::read(folder.join(&name)).unwrap();
        // SCENARIO-NUMBER-TAG.frame
        let mut parts = name.trim_end_matches(".frame").rsplitn(3, '-');
        let (tag, number, scenario) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        assert_eq!(tag.as_bytes(), &frame[..1], "{name}");
        let frames = scenarios.entry(scenario.to_owned()).or_default();
        assert_eq!(number.parse(), Ok(frames.len()), "{name}");
        frames.push(frame);
    }
    scenarios
}

#[test]
fn every_frame_says_what_was_done() {
    let mut said = String::new();
    for (scenario, frames) in frames() {
        let mut reading = Reading::default();
        said += &format!("{scenario}\n");
        for frame in frames {
            said += &format!("    {}\n", reading.outer(&frame));
        }
    }
    assert!(said == EXPECTED, "real_frames.txt does not expect what the frames say, which is:\n{said}");
}

#[test]
fn a_frame_cut_short_anywhere_is_an_error() {
    for (scenario, frames) in frames() {
        for frame in frames.iter().filter(|frame| frame[0] != b'w') {
            for length in 0..frame.len() {
                let error = decode(&frame[..length]).expect_err(&scenario);
                assert_eq!(error.offset, length, "{scenario}: {error}");
                assert!(
                    matches!(error.what, Malformed::Truncated { .. } | Malformed::Unterminated { .. }),
                    "{scenario}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_byte_too_many_is_an_error() {
    for (scenario, frames) in frames() {
        for mut frame in frames.into_iter().filter(|frame| frame[0] != b'w') {
            let length = frame.len();
            frame.push(0);
            let expected = Error { tag: Some(frame[0]), offset: length, what: Malformed::TrailingBytes { count: 1 } };
            assert_eq!(decode(&frame), Err(expected), "{scenario}");
        }
    }
}

fn decode(frame: &[u8]) -> Result<(), Error> {
    match frame.first() {
        Some(b'k') => ReplicationMessage::decode(frame).map(drop),
        _ => Message::decode(frame).map(drop),
    }
}

/// What a reader of a stream must remember.
#[derive(Default)]
struct Reading {
    relations: HashMap<u32, String>,
    types: HashMap<u32, String>,
    transaction: Option<Begin>,
}

impl Reading {
    fn outer(&mut self, frame: &[u8]) -> String {
        if !matches!(frame[0], b'w' | b'k') {
            return self.message(frame);
        }
        match ReplicationMessage::decode(frame).unwrap() {
            ReplicationMessage::XLogData { start, end, sent_at, data } => {
                check_time(sent_at);
                assert_eq!(start, end, "the server does not say where its log ends");
                let place = if start == Lsn::ZERO { "nowhere" } else { "in the log" };
                format!("data {place}: {}", self.message(data))
            }
            ReplicationMessage::Keepalive { end, sent_at, reply_requested } => {
                check_time(sent_at);
                assert!(end > Lsn::ZERO);
                format!("keepalive, reply requested: {reply_requested}")
            }
        }
    }

    fn message(&mut self, frame: &[u8]) -> String {
        match Message::decode(frame).unwrap() {
            Message::Begin(begin) => {
                check_time(begin.commit_time);
                assert!(begin.xid > 0);
                assert_eq!(self.transaction.replace(begin), None);
                "begin".to_owned()
            }
            Message::Commit(commit) => {
                let begin = self.transaction.take().unwrap();
                assert_eq!(commit.commit_lsn, begin.final_lsn);
                assert_eq!(commit.commit_time, begin.commit_time);
                assert!(commit.end_lsn > commit.commit_lsn);
                "commit".to_owned()
            }
            Message::Origin(origin) => format!("origin {} {}", origin.name, origin.commit_lsn),
            Message::Relation(relation) => {
                let name = format!("{}.{}", relation.schema, relation.name);
                let columns: Vec<String> = relation
                    .columns
                    .iter()
                    .map(|column| {
                        let key = if column.is_key { "*" } else { "" };
                        let type_name = self.types.get(&column.type_id).cloned().unwrap_or(column.type_id.to_string());
                        let modifier =
                            if column.type_modifier == -1 { String::new() } else { format!("({})", column.type_modifier) };
                        format!("{key}{} {type_name}{modifier}", column.name)
                    })
                    .collect();
                assert_eq!(relation.columns.len(), columns.len());
                let line = format!("relation {name} ({}), identity {:?}", columns.join(", "), relation.replica_identity);
                self.relations.insert(relation.id, name);
                line
            }
            Message::Type(named) => {
                let name = format!("{}.{}", named.schema, named.name);
                let line = format!("type {name}");
                self.types.insert(named.id, name);
                line
            }
            Message::Insert(insert) => format!("insert {} {}", self.relations[&insert.relation_id], row(insert.new)),
            Message::Update(update) => {
                let old = update.old.map_or(String::new(), |old| format!("from {} ", old_row(old)));
                format!("update {} {old}to {}", self.relations[&update.relation_id], row(update.new))
            }
            Message::Delete(delete) => format!("delete {} {}", self.relations[&delete.relation_id], old_row(delete.old)),
            Message::Truncate(truncate) => {
                let names: Vec<&str> = truncate.relation_ids.iter().map(|id| self.relations[&id].as_str()).collect();
                format!("truncate {} cascade: {}, restart: {}", names.join(", "), truncate.cascade, truncate.restart_identity)
            }
            Message::LogicalMessage(message) => {
                assert!(message.lsn > Lsn::ZERO);
                assert_eq!(message.transactional, self.transaction.is_some());
                format!("message {:?} '{}'", message.prefix, message.content.escape_ascii())
            }
        }
    }
}

fn old_row(old: OldRow<'_>) -> String {
    match old {
        OldRow::Key(key) => format!("key {}", row(key)),
        OldRow::Full(full) => format!("full {}", row(full)),
    }
}

fn row(tuple: Tuple<'_>) -> String {
    let values: Vec<String> = tuple.iter().map(value).collect();
    assert_eq!(values.len(), tuple.len());
    format!("({})", values.join(", "))
}

fn value(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Unchanged => "unchanged".to_owned(),
        Value::Text(text) if text.len() > 100 => format!("{} times {}", text.len(), text[..1].escape_ascii()),
        Value::Text(text) => format!("'{}'", str::from_utf8(text).unwrap()),
        Value::Binary(bytes) => format!("{bytes:02x?}"),
    }
}

/// The corpus was made after 2024 and before 2100.
fn check_time(time: PgTime) {
    assert!((1_704_067_200_000_000..4_102_444_800_000_000).contains(&time.unix_micros()), "{time:?}");
}

#[test]
fn every_identity_is_among_the_frames() {
    let mut seen = Vec::new();
    for frame in frames().into_values().flatten() {
        if let Ok(Message::Relation(relation)) = Message::decode(&frame) {
            seen.push(relation.replica_identity);
        }
    }
    for identity in [ReplicaIdentity::Default, ReplicaIdentity::Nothing, ReplicaIdentity::Full, ReplicaIdentity::Index] {
        assert!(seen.contains(&identity), "{identity:?}");
    }
}
