//! Until when tables were read in chunks, by what progress says of them.
//!
//! The rows of a chunk are sent a few at a time, while the stream goes on. A row that is deleted before its turn is left out: its delete comes
//! alone, and where the table's last rows are concerned no row at a later position follows that would explain it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::{Failure, Result, Topics};

/// Where progress is kept unless another topic is named.
const PROGRESS: &str = "__waltap_progress";

/// By database, schema and table: the last moment of its reading, in milliseconds since 1970; the end of time where it goes on.
pub(super) async fn read_until(topics: &Topics, existing: &BTreeSet<String>) -> Result<HashMap<[String; 3], i64>> {
    let mut until = HashMap::new();
    if !existing.contains(PROGRESS) {
        return Ok(until);
    }
    for record in topics.read(PROGRESS).await? {
        // `waltap/<database>/table/<oid>`
        let key = record.key.unwrap_or_default();
        let Some(database) = key.rsplit_once("/table/").and_then(|(front, _)| front.split_once('/')).map(|(_, name)| name) else {
            continue;
        };
        let Some(value) = record.value else { continue };
        let value: Value = serde_json::from_str(&value)?;
        let text = |field: &str| {
            let text = value[field].as_str().map(str::to_owned);
            text.ok_or_else(|| Failure::new(format!("{key} says nothing of its {field}: {value}")))
        };
        let moment = if value["chunks"].is_null() { value["answer"]["answered_at"].as_i64() } else { Some(i64::MAX) };
        if let Some(moment) = moment {
            until.insert([database.to_owned(), text("schema")?, text("table")?], moment);
        }
    }
    Ok(until)
}
