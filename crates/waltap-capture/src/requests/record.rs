//! Asks and wishes as they stand in the topic, and what they come to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waltap_error::Result;

use crate::progress::parse;

/// The start of the keys of asks, behind what all keys of a tap begin with.
pub(super) const ASK: &str = "ask/";

/// The start of the keys of wishes.
pub(super) const WISH: &str = "wish/";

/// The wish that a tap rests.
pub(super) const PAUSE: &str = "wish/pause";

/// What is asked of a tap, once. The same id twice is one ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// To read tables, by their quoted names (`"schema"."table"`), beside the stream.
    Snapshot {
        tables: Vec<String>,
        /// Which rows, as an SQL condition; `None` for all.
        #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
        condition: Option<String>,
        /// When it was asked, in milliseconds since 1970.
        at: u64,
    },
    /// To stop reading them.
    Cancel { tables: Vec<String>, at: u64 },
    /// To withhold their changes.
    Pause { tables: Vec<String>, at: u64 },
    /// To send what was withheld, and go on with them.
    Resume { tables: Vec<String>, at: u64 },
}

/// A wish. Only when it was made stands in it: what it is about is in its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wish {
    /// In milliseconds since 1970.
    pub(super) at: u64,
}

/// What is asked and wished of a tap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requested {
    /// What is asked, by its id. Ids are in the order of their time.
    pub(crate) asks: BTreeMap<String, Ask>,
    /// Whether the tap is to rest.
    pub(crate) paused: bool,
}

impl Requested {
    /// Takes in a record, or its deletion; `key` is without what all keys of the tap begin with.
    pub(super) fn note(&mut self, key: &str, value: Option<&[u8]>) -> Result<()> {
        if let Some(id) = key.strip_prefix(ASK) {
            match value {
                Some(value) => self.asks.insert(id.to_owned(), parse(key, value)?),
                None => self.asks.remove(id),
            };
        } else if key == PAUSE {
            // One that a later version writes is one all the same.
            self.paused = value.is_some();
        }
        Ok(())
    }
}

/// The key of an ask, behind what all keys of a tap begin with.
pub(super) fn ask_key(id: &str) -> String {
    format!("{ASK}{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_make_what_is_requested() {
        let mut requested = Requested::default();
        requested.note("wish/pause", Some(br#"{"at":5}"#)).unwrap();
        requested.note("ask/7", Some(br#"{"kind":"snapshot","tables":["\"public\".\"t\""],"where":"id > 5","at":6}"#)).unwrap();
        requested.note("ask/7", Some(br#"{"kind":"snapshot","tables":["\"public\".\"t\""],"where":"id > 5","at":6}"#)).unwrap();
        requested.note("ask/8", Some(br#"{"kind":"cancel","tables":["\"public\".\"t\""],"at":7}"#)).unwrap();
        requested.note("wish/of a later version", Some(b"?")).unwrap();
        let tables = vec![r#""public"."t""#.to_owned()];
        let snapshot = Ask::Snapshot { tables: tables.clone(), condition: Some("id > 5".to_owned()), at: 6 };
        let cancel = Ask::Cancel { tables, at: 7 };
        let asks = BTreeMap::from([("7".to_owned(), snapshot.clone()), ("8".to_owned(), cancel)]);
        assert_eq!(requested, Requested { asks, paused: true });
        assert_eq!(parse::<Ask>("k", &crate::progress::json(&snapshot).unwrap()).unwrap(), snapshot);
        requested.note("ask/8", None).unwrap();
        requested.note("wish/pause", None).unwrap();
        assert_eq!((requested.asks.len(), requested.paused), (1, false));
        assert!(requested.note("ask/9", Some(b"{}")).is_err());
    }
}
