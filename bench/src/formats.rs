//! The formats, each ready to write rows of a table.

// A benchmark that cannot go on says so by stopping.
#![allow(clippy::expect_used, clippy::panic)]

use waltap_event::debezium::Options;
use waltap_event::{
    Column, Encoder, Format, Header, RecordSink, Stamp, Table, TableShape, TypeCatalog, TypeDescription, flat, native,
};
use waltap_pgoutput::{Lsn, Message, PgTime, ReplicationMessage, StreamingMessage, Value};

use crate::measure::keep;

/// hstore, which has an oid of its own in every database.
pub const HSTORE: u32 = 20_000;

const STAMP: Stamp = Stamp {
    txid: Some(742),
    lsn: Lsn(0x16B_3748),
    commit_lsn: Lsn(0x16B_3790),
    ordinal: Some(3),
    happened_at: PgTime(785_495_200_120_000),
    written_at: PgTime(785_495_200_123_999),
};

/// A format, in one of its forms.
#[derive(Clone, Copy)]
pub enum Form {
    /// `native`.
    Native,
    /// The row alone.
    Flat,
    /// Debezium's, with its defaults.
    Debezium,
    /// Decimals, times, intervals and bytes as strings, where Debezium's defaults are numbers and base64.
    DebeziumStrings,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 4] = [Form::Native, Form::Flat, Form::Debezium, Form::DebeziumStrings];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Form::Native => "native",
            Form::Flat => "flat",
            Form::Debezium => "debezium",
            Form::DebeziumStrings => "debezium as strings",
        }
    }

    fn format(self) -> Format {
        match self {
            Form::Native => Format::Native(native::Options::default()),
            Form::Flat => Format::Flat(flat::Options::default()),
            Form::Debezium => Format::Debezium(Box::default()),
            Form::DebeziumStrings => {
                let mut options = Options::default();
                for (name, mode) in [("decimal", "string"), ("time", "isostring"), ("interval", "string"), ("binary", "hex")] {
                    options.set(name, mode).expect("there is such a mode");
                }
                Format::Debezium(Box::new(options))
            }
        }
    }
}

/// An encoder with a table whose first column is its key.
pub struct Bench {
    table: Table,
    encoder: Encoder,
}

impl Bench {
    /// A table with columns of these types and modifiers.
    pub fn new(form: Form, types: &[(u32, i32)]) -> Self {
        let mut catalog = TypeCatalog::new();
        catalog.insert(TypeDescription {
            oid: HSTORE,
            name: "hstore",
            typtype: 'b',
            element: 0,
            base: 0,
            modifier: -1,
            delimiter: ',',
            category: 'U',
        });
        let column = |(number, (oid, modifier)): (usize, &(u32, i32))| Column {
            identity: number == 0,
            data_type: catalog.data_type(*oid, *modifier),
            ..Column::new(format!("c{number}"), catalog.kind(*oid))
        };
        let shape = TableShape {
            database: "shop".into(),
            schema: "public".into(),
            table: "orders".into(),
            columns: types.iter().enumerate().map(column).collect(),
            key: types.iter().take(1).map(|_| "c0".into()).collect(),
            key_tells_table: false,
        };
        let format = form.format();
        Bench { table: Table::new(&shape, &format).expect("the key is a column"), encoder: Encoder::new("shop", &format) }
    }

    /// Writes a row.
    pub fn row(&mut self, values: &[Value<'_>]) {
        self.write(values, &mut Discard);
    }

    /// Decodes a frame of the stream that holds a change, and writes its record.
    pub fn frame(&mut self, frame: &[u8]) {
        let Ok(ReplicationMessage::XLogData { data, .. }) = ReplicationMessage::decode(frame) else {
            panic!("no frame with data")
        };
        let written = match StreamingMessage::decode(data, false) {
            Ok(StreamingMessage::Plain(Message::Insert(insert))) => {
                self.encoder.insert(&self.table, &STAMP, insert.new, &mut Discard)
            }
            Ok(StreamingMessage::Plain(Message::Update(update))) => {
                self.encoder.update(&self.table, &STAMP, update.old, update.new, &mut Discard)
            }
            other => panic!("no change of a row: {other:?}"),
        };
        written.expect("the values are UTF-8");
    }

    /// The value of a row's record.
    pub fn record(&mut self, values: &[Value<'_>]) -> String {
        let mut kept = Kept::default();
        self.write(values, &mut kept);
        String::from_utf8(kept.0).expect("JSON is UTF-8")
    }

    fn write<S: RecordSink<Error = std::convert::Infallible>>(&mut self, values: &[Value<'_>], sink: &mut S) {
        self.encoder.snapshot_row(&self.table, &STAMP, values.iter().copied(), sink).expect("the values are UTF-8");
    }
}

/// Looks at records, and no more.
struct Discard;

impl RecordSink for Discard {
    type Error = std::convert::Infallible;

    fn record(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Self::Error> {
        keep((key, value));
        Ok(())
    }

    fn record_with_headers(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, _: &[Header<'_>]) -> Result<(), Self::Error> {
        self.record(key, value)
    }

    fn record_to_all(&mut self, value: &[u8], _: &[Header<'_>]) -> Result<(), Self::Error> {
        self.record(None, Some(value))
    }
}

/// Keeps the last value.
#[derive(Default)]
struct Kept(Vec<u8>);

impl RecordSink for Kept {
    type Error = std::convert::Infallible;

    fn record(&mut self, _: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Self::Error> {
        self.0 = value.unwrap_or_default().to_vec();
        Ok(())
    }

    fn record_with_headers(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, _: &[Header<'_>]) -> Result<(), Self::Error> {
        self.record(key, value)
    }

    fn record_to_all(&mut self, value: &[u8], _: &[Header<'_>]) -> Result<(), Self::Error> {
        self.record(None, Some(value))
    }
}
