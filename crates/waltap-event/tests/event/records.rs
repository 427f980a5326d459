//! A sink that keeps what it is given.

use std::convert::Infallible;

use serde_json::Value as Json;
use waltap_event::{Header, RecordSink};

/// A record as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// For one partition.
    One { key: Option<String>, value: Option<String> },
    /// For one partition, with headers.
    WithHeaders { key: Option<String>, value: Option<String>, headers: Vec<(String, String)> },
    /// For every partition.
    All { value: String },
}

impl Record {
    /// The value, checked to be one line of JSON.
    pub(crate) fn json(&self) -> Json {
        let value = self.value();
        assert!(!value.contains(['\n', '\r']), "{value}");
        serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {value}"))
    }

    pub(crate) fn is_tombstone(&self) -> bool {
        matches!(self, Record::One { value: None, .. } | Record::WithHeaders { value: None, .. })
    }

    fn value(&self) -> &str {
        match self {
            Record::One { value, .. } | Record::WithHeaders { value, .. } => {
                value.as_deref().unwrap_or_else(|| panic!("a tombstone"))
            }
            Record::All { value } => value,
        }
    }

    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Record::One { key, .. } | Record::WithHeaders { key, .. } => key.as_deref(),
            Record::All { .. } => None,
        }
    }

    /// The value's text from this field on, up to the end.
    pub(crate) fn tail_from(&self, field: &str) -> &str {
        let value = self.value();
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

    fn record_with_headers(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), Infallible> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
        self.0.push(Record::WithHeaders { key: key.map(text), value: value.map(text), headers });
        Ok(())
    }

    fn record_to_all(&mut self, value: &[u8], _: &[Header<'_>]) -> Result<(), Infallible> {
        self.0.push(Record::All { value: String::from_utf8(value.to_vec()).unwrap() });
        Ok(())
    }
}
