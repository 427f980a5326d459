//! The format `debezium`.

mod changes;
mod oracle;
mod schemas;
mod totality;
mod transactions;
mod values;

use waltap_event::debezium::Options;
use waltap_event::{BaseType, Column, DataType, Encoder, Format, Kind, Stamp, Table, TableShape};
use waltap_pgoutput::{Lsn, PgTime, Value};

use crate::records::Records;

pub(super) const STAMP: Stamp = Stamp {
    txid: Some(556),
    lsn: Lsn(24_023_128),
    commit_lsn: Lsn(24_023_200),
    ordinal: Some(0),
    happened_at: PgTime(785_495_200_120_123),
    written_at: PgTime(785_495_200_123_999),
};

pub(super) fn built_in(oid: u32) -> DataType {
    DataType::of(BaseType::BuiltIn(oid))
}

pub(super) fn array(element: BaseType) -> DataType {
    DataType::of(BaseType::Array { element: Box::new(element), delimiter: b',' })
}

pub(super) fn column(name: &str, data_type: DataType) -> Column {
    Column { data_type, ..Column::new(name, Kind::Text) }
}

pub(super) fn shape(columns: Vec<Column>, key: &[&str]) -> TableShape {
    let key = key.iter().map(|name| (*name).to_owned()).collect();
    TableShape {
        database: "postgres".into(),
        schema: "public".into(),
        table: "customers".into(),
        columns,
        key,
        key_tells_table: false,
    }
}

/// Options with these properties set.
pub(super) fn options(properties: &[(&str, &str)]) -> Options {
    let mut options = Options { topic_prefix: Some("PostgreSQL_server".to_owned()), ..Options::default() };
    for (name, value) in properties {
        options.set(name, value).unwrap();
    }
    options
}

pub(super) fn bench(shape: &TableShape, options: Options) -> (Table, Encoder, Records) {
    let format = Format::Debezium(Box::new(options));
    (Table::new(shape, &format).unwrap(), Encoder::new("postgres", &format), Records::default())
}

/// What becomes of one value: the text of the JSON; none where the column is left out.
pub(super) fn json_of(data_type: DataType, value: Value<'_>, options: Options) -> Option<String> {
    let (table, mut encoder, mut records) = bench(&shape(vec![column("v", data_type)], &[]), options);
    encoder.snapshot_row(&table, &STAMP, [value].into_iter(), &mut records).unwrap();
    let row = records.0[0].tail_from("after");
    records.0[0].json();
    let end = row.find(",\"source\":").unwrap();
    match &row["\"after\":".len()..end] {
        "{}" => None,
        row => Some(row.strip_prefix("{\"v\":").unwrap().strip_suffix('}').unwrap().to_owned()),
    }
}
