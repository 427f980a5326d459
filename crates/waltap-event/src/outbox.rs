//! Tables whose rows are messages themselves: the outbox pattern. A service writes, in the transaction that changes its own tables, a row
//! that says what to tell others; the row's columns are the message's topic, key and payload.

use waltap_pgoutput::Value;

use crate::text::bytea;
use crate::{Header, Kind, RecordSink, TableShape, Treatment};

/// What the columns of an outbox table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxColumns {
    /// What the topic's name is made of.
    pub topic: Vec<TopicPart>,
    /// The column of the record's key. None: records have no key.
    pub key: Option<String>,
    /// The column of the record's value.
    pub payload: String,
    /// Columns that become headers of their names.
    pub headers: Vec<String>,
}

impl OutboxColumns {
    /// The names of all columns that an outbox must have.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let of_topic = self.topic.iter().filter_map(|part| match part {
            TopicPart::Column(name) => Some(name),
            TopicPart::Literal(_) => None,
        });
        of_topic.chain(&self.key).chain([&self.payload]).chain(&self.headers).map(String::as_str)
    }
}

/// A part of a topic's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicPart {
    /// As it stands.
    Literal(String),
    /// What this column holds.
    Column(String),
}

/// An outbox names a column that its table does not have, or of which not all is to be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outbox has no column {column:?}, or it is left out or masked")]
pub struct NoOutboxColumn {
    /// The column's name.
    pub column: String,
}

/// An outbox table made ready: each column by its number.
#[derive(Clone, Debug)]
pub struct Outbox {
    topic: Vec<Part>,
    key: Option<usize>,
    payload: usize,
    payload_is_bytea: bool,
    headers: Vec<(Box<str>, usize)>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(Box<str>),
    Column(usize),
}

impl Outbox {
    /// Finds the columns in the shape of the table.
    pub fn new(shape: &TableShape, columns: &OutboxColumns) -> Result<Self, NoOutboxColumn> {
        let place = |name: &String| {
            let found = shape.columns.iter().position(|column| column.name == *name && column.treatment == Treatment::Keep);
            found.ok_or_else(|| NoOutboxColumn { column: name.clone() })
        };
        let part = |part: &TopicPart| match part {
            TopicPart::Literal(text) => Ok(Part::Literal(text.as_str().into())),
            TopicPart::Column(name) => place(name).map(Part::Column),
        };
        let payload = place(&columns.payload)?;
        Ok(Outbox {
            topic: columns.topic.iter().map(part).collect::<Result<_, _>>()?,
            key: columns.key.as_ref().map(place).transpose()?,
            payload,
            payload_is_bytea: shape.columns.get(payload).is_some_and(|column| column.kind == Kind::Bytea),
            headers: columns.headers.iter().map(|name| Ok((name.as_str().into(), place(name)?))).collect::<Result<_, _>>()?,
        })
    }

    /// Writes the name of a row's topic, whose former content is dropped. It may hold characters that Kafka does not allow; a null in it is
    /// nothing.
    pub fn write_topic<'a>(&self, row: impl Iterator<Item = Value<'a>> + Clone, topic: &mut String) {
        topic.clear();
        for part in &self.topic {
            match part {
                Part::Literal(text) => topic.push_str(text),
                Part::Column(number) => {
                    let text = bytes(row.clone().nth(*number)).unwrap_or_default();
                    topic.push_str(&String::from_utf8_lossy(text));
                }
            }
        }
    }

    /// Gives a row's record to a sink. Key, payload and headers are PostgreSQL's text of the columns as it stands, a payload of type bytea its
    /// bytes. A payload that is null is a tombstone; a header that is null is left out.
    pub fn send<'a, S: RecordSink>(&self, row: impl Iterator<Item = Value<'a>> + Clone, sink: &mut S) -> Result<(), S::Error> {
        let column = |number: usize| bytes(row.clone().nth(number));
        let mut decoded = Vec::new();
        let payload = column(self.payload).map(|text| match self.payload_is_bytea {
            true => bytea_or_text(text, &mut decoded),
            false => text,
        });
        let headers: Vec<Header<'_>> = self
            .headers
            .iter()
            .filter_map(|(name, number)| Some(Header { name, value: column(*number)?, is_json: false }))
            .collect();
        sink.record_with_headers(self.key.and_then(column), payload, &headers)
    }
}

fn bytes(value: Option<Value<'_>>) -> Option<&[u8]> {
    match value {
        Some(Value::Text(bytes) | Value::Binary(bytes)) => Some(bytes),
        // An insert leaves nothing unchanged.
        Some(Value::Null | Value::Unchanged) | None => None,
    }
}

fn bytea_or_text<'a>(text: &'a [u8], decoded: &'a mut Vec<u8>) -> &'a [u8] {
    let Some(digits) = bytea::digits(text) else { return text };
    decoded.resize(digits.len(), 0);
    if bytea::decode(digits, decoded) { decoded } else { text }
}
