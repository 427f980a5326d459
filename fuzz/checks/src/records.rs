//! A sink that keeps what it is given, and what holds of every record.

use std::convert::Infallible;

use serde_json::Value as Json;
use waltap_event::{Header, RecordSink};

/// A record as its reader gets it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Records(pub(crate) Vec<Record>);

impl Records {
    fn keep(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, header: Option<&[u8]>) {
        for json in [key, value, header].into_iter().flatten() {
            assert_json(json);
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        self.0.push(Record { key: key.map(text), value: value.map(text) });
    }
}

/// One line of JSON, which a reader with the usual bound on depth takes.
fn assert_json(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    assert!(!text.contains(['\n', '\r']), "more than a line: {text}");
    let parsed = serde_json::from_str::<Json>(text);
    assert!(parsed.is_ok_and(|json| json.is_object()), "no object of JSON: {text}");
}

impl RecordSink for Records {
    type Error = Infallible;

    fn record(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Infallible> {
        self.keep(key, value, None);
        Ok(())
    }

    fn record_with_headers(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), Infallible> {
        self.keep(key, value, headers.first().map(|header| header.value));
        Ok(())
    }

    fn record_to_all(&mut self, value: &[u8], _: &[Header<'_>]) -> Result<(), Infallible> {
        self.keep(None, Some(value), None);
        Ok(())
    }
}
