//! When tables were read in chunks, by what progress says of them.
//!
//! The rows of a chunk are sent a few at a time, while the stream goes on. A row that is deleted before its turn is left out: its delete comes
//! alone, and where the table's last rows are concerned no row at a later position follows that would explain it.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::{Failure, PROGRESS, Record, Result, Topics};

/// Database, schema and name of a table.
pub(super) type Name = [String; 3];

/// The times at which a table was being read, in milliseconds since 1970.
pub(super) type Times = Vec<RangeInclusive<i64>>;

/// Every table that was read in chunks, and when.
pub(super) async fn times_of_reading(topics: &Topics, existing: &BTreeSet<String>) -> Result<HashMap<Name, Times>> {
    match existing.contains(PROGRESS) {
        true => times(topics.read(PROGRESS).await?),
        false => Ok(HashMap::new()),
    }
}

/// By the records of the progress topic. A reading begins with the first record that tells of chunks, and ends with the next that does not: the
/// answer to the request, or the end of the table.
fn times(records: Vec<Record>) -> Result<HashMap<Name, Times>> {
    let mut times: HashMap<Name, Times> = HashMap::new();
    // By key, so that neither another capture's reading nor that of an earlier table of the name is mistaken for this one.
    let mut going_on: HashMap<String, (Name, i64)> = HashMap::new();
    for record in records {
        let key = record.key.unwrap_or_default();
        let Some(database) = key.rsplit_once("/table/").and_then(|(front, _)| front.split_once('/')).map(|(_, name)| name) else {
            continue;
        };
        let value: Value = record.value.as_deref().map_or(Ok(Value::Null), serde_json::from_str)?;
        if !value["chunks"].is_null() {
            let text = |field: &str| {
                let text = value[field].as_str().map(str::to_owned);
                text.ok_or_else(|| Failure::new(format!("{key} says nothing of its {field}: {value}")))
            };
            let begun_at = value["chunks"]["begun_at"].as_i64();
            let begun_at = begun_at.ok_or_else(|| Failure::new(format!("{key} does not say when its reading began: {value}")))?;
            let name = [database.replace("%2F", "/").replace("%25", "%"), text("schema")?, text("table")?];
            going_on.entry(key).or_insert((name, begun_at));
        } else if let Some((name, begun_at)) = going_on.remove(&key) {
            let ended_at = value["answer"]["answered_at"].as_i64().unwrap_or(record.timestamp);
            times.entry(name).or_default().push(begun_at..=ended_at);
        }
    }
    for (name, begun_at) in going_on.into_values() {
        times.entry(name).or_default().push(begun_at..=i64::MAX);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, timestamp: i64, value: Option<&str>) -> Record {
        let (key, value) = (Some(key.to_owned()), value.map(str::to_owned));
        Record { topic: PROGRESS.to_owned(), partition: 0, offset: 0, timestamp, key, value }
    }

    fn name(database: &str) -> Name {
        [database.to_owned(), "public".to_owned(), "t".to_owned()]
    }

    const READING: &str = r#"{"schema":"public","table":"t","chunks":{"begun_at":10}}"#;
    const LATER: &str = r#"{"schema":"public","table":"t","chunks":{"begun_at":30}}"#;
    const ANSWERED: &str = r#"{"schema":"public","table":"t","answer":{"answered_at":20}}"#;

    #[test]
    fn a_reading_lasts_from_its_beginning_to_its_answer() {
        let records = vec![
            record("w/shop/table/5", 11, Some(READING)),
            record("w/shop/table/5", 12, Some(READING)),
            record("w/shop/table/5", 21, Some(ANSWERED)),
            record("w/shop/table/5", 31, Some(LATER)),
            record("w/a%2Fb/table/5", 11, Some(READING)),
            record("w/a%2Fb/table/5", 15, None),
            record("w/shop/slot", 40, Some(READING)),
        ];
        let times = times(records).unwrap();
        assert_eq!(times[&name("shop")], [10..=20, 30..=i64::MAX]);
        assert_eq!(times[&name("a/b")], [10..=15], "the table is gone");
        assert_eq!(times.len(), 2);
    }

    #[test]
    fn a_request_that_was_refused_at_once_reads_nothing() {
        assert!(times(vec![record("w/shop/table/5", 21, Some(ANSWERED))]).unwrap().is_empty());
    }
}
