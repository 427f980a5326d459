//! A sink that keeps what it is given.

use std::convert::Infallible;

use serde_json::Value as Json;
use waltap_event::RecordSink;

/// A record as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// For one partition.
    One { key: Option<String>, value: Option<String> },
    /// For every partition.
    All { value: String },
}

impl Record {
    /// The value, checked to be one line of JSON.
    pub(crate) fn json(&self) -> Json {
        let (Record::One { value: Some(value), .. } | Record::All { value }) = self else { panic!("a tombstone") };
        assert!(!value.contains(['\n', '\r']), "{value}");
        serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {value}"))
    }

    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Record::One { key, .. } => key.as_deref(),
            Record::All { .. } => None,
        }
    }

    /// The value's text from this field on, up to the end.
    pub(crate) fn tail_from(&self, field: &str) -> &str {
        let (Record::One { value: Some(value), .. } | Record::All { value }) = self else { panic!("a tombstone") };
        let start = value.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("no {field} in {value}"));
        &value[start..]
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Records(pub(crate) Vec<Record>);

impl RecordSink for Records {
    type Error = Infallible;

    fn record(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Infallible> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.0.push(Record::One { key: key.map(text), value: value.map(text) });
        Ok(())
    }

    fn record_to_all(&mut self, value: &[u8]) -> Result<(), Infallible> {
        self.0.push(Record::All { value: String::from_utf8(value.to_vec()).unwrap() });
        Ok(())
    }
}
