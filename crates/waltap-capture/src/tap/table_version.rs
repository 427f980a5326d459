//! What a table looks like from some place in the log on, as a record of the schema topic (`--schema-topic`).

use serde::Serialize;
use waltap_error::{Code, Error, Result};
use waltap_event::{RecordSink, Stamp, TableShape, Treatment};

use crate::source::Sql;

/// The columns that events of a table have from here on, with their types as PostgreSQL calls them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TableVersion {
    #[serde(skip)]
    database: String,
    #[serde(skip)]
    schema: String,
    #[serde(skip)]
    table: String,
    oid: u32,
    key: Vec<String>,
    columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Column {
    name: String,
    /// As `format_type` prints it.
    #[serde(rename = "type")]
    type_name: String,
    type_oid: u32,
    not_null: bool,
    identity: bool,
    /// Whether a mask is over its values, which are text then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    masked: bool,
}

#[derive(Serialize)]
struct Key<'a> {
    db: &'a str,
    schema: &'a str,
    table: &'a str,
}

#[derive(Serialize)]
struct Value<'a> {
    ts_ms: i64,
    source: Source<'a>,
    table: &'a TableVersion,
}

#[derive(Serialize)]
struct Source<'a> {
    db: &'a str,
    schema: &'a str,
    table: &'a str,
    txid: Option<u32>,
    commit_lsn: String,
    ts_ms: i64,
    snapshot: bool,
}

impl TableVersion {
    /// The version of a shape. `types` are the OID and the modifier of each of its columns' types.
    pub(crate) async fn of(sql: &Sql, oid: u32, shape: &TableShape, types: &[(u32, i32)]) -> Result<Self> {
        let names = sql.type_names(types).await?;
        let columns = shape
            .columns
            .iter()
            .zip(names.into_iter().zip(types))
            .filter(|(column, _)| column.treatment != Treatment::Omit)
            .map(|(column, (type_name, (type_oid, _)))| Column {
                name: column.name.clone(),
                type_name,
                type_oid: *type_oid,
                not_null: column.not_null,
                identity: column.identity,
                masked: matches!(column.treatment, Treatment::Mask(_)),
            })
            .collect();
        Ok(TableVersion {
            database: shape.database.clone(),
            schema: shape.schema.clone(),
            table: shape.table.clone(),
            oid,
            key: shape.key.clone(),
            columns,
        })
    }

    /// Gives the record to a sink. The stamp is that of the first event that looks so.
    pub(crate) fn send<S: RecordSink<Error = Error>>(&self, stamp: &Stamp, sink: &mut S) -> Result<()> {
        let (db, schema, table) = (&*self.database, &*self.schema, &*self.table);
        let millis = |time: waltap_pgoutput::PgTime| time.unix_micros().div_euclid(1000);
        let source = Source {
            db,
            schema,
            table,
            txid: stamp.txid,
            commit_lsn: stamp.commit_lsn.to_string(),
            ts_ms: millis(stamp.happened_at),
            snapshot: stamp.ordinal.is_none(),
        };
        let value = Value { ts_ms: millis(stamp.written_at), source, table: self };
        let broken = |error| Error::configuration(Code::INTERNAL, "writing the version of a table").source(error);
        let key = serde_json::to_vec(&Key { db, schema, table }).map_err(broken)?;
        sink.record(Some(&key), Some(&serde_json::to_vec(&value).map_err(broken)?))
    }
}
