//! Shapes of tables for the encoder, from the two places where they are learned. Both must give the same JSON for the same row.

use waltap_error::{Code, Error, Result};
use waltap_event::{Column, Declared, Encoder, TableShape, Treatment};
use waltap_pgoutput::{Relation, ReplicaIdentity};
use waltap_postgres::catalog::{ColumnDefaults, ReplicaIdentity as CatalogIdentity, Table};

use super::{Context, TypeCache};
use crate::event_error::event_error;

/// The encoder for the format that was asked for.
pub(crate) fn encoder(context: &Context) -> Encoder {
    let options = context.options();
    Encoder::new(&context.database, &options.format).with_headers(options.headers, &context.database)
}

/// A table made ready for it.
pub(crate) fn prepare(context: &Context, shape: &TableShape) -> Result<waltap_event::Table> {
    waltap_event::Table::new(shape, &context.options().format).map_err(|error| event_error(shape, error))
}

/// The shape of a table's rows in a snapshot.
pub(crate) fn snapshot_shape(
    context: &Context,
    table: &Table,
    defaults: Option<&ColumnDefaults>,
    types: &TypeCache,
) -> Result<TableShape> {
    let full = table.replica_identity == CatalogIdentity::Full;
    let published: Vec<_> = table.published_columns().collect();
    let columns = published
        .iter()
        .map(|column| Column {
            name: column.name.clone(),
            kind: types.catalog().kind(column.type_oid),
            identity: full || table.key.contains(&column.name),
            data_type: types.catalog().data_type(column.type_oid, column.type_modifier),
            not_null: column.not_null,
            treatment: Treatment::Keep,
            declared: declared(&column.name, column.type_oid, defaults, types),
        })
        .collect();
    shape(context, &table.schema, &table.name, columns, &table.key)
}

/// What the catalog tells of a table of the stream, and a relation message does not. It is that of now, not of when a change was made; its
/// columns are found by their names.
pub(crate) struct FromCatalog<'a> {
    /// The table, as the catalog last held it: which columns are NOT NULL.
    pub(crate) table: Option<&'a Table>,
    /// The columns of its key, in the key's order. Under REPLICA IDENTITY FULL a relation message tells no key at all.
    pub(crate) key: &'a [String],
    /// The defaults of its columns, where they are wanted.
    pub(crate) defaults: Option<&'a ColumnDefaults>,
}

/// The shape of a table's rows in the stream.
pub(crate) fn stream_shape(
    context: &Context,
    relation: &Relation<'_>,
    known: &FromCatalog<'_>,
    types: &TypeCache,
) -> Result<TableShape> {
    let known_columns = known.table.map_or(&[][..], |table| &table.columns);
    let columns: Vec<Column> = relation
        .columns
        .iter()
        .map(|column| Column {
            name: column.name.to_owned(),
            kind: types.catalog().kind(column.type_id),
            identity: column.is_key,
            data_type: types.catalog().data_type(column.type_id, column.type_modifier),
            treatment: Treatment::Keep,
            // Those of an index that is an identity are.
            not_null: (column.is_key && relation.replica_identity != ReplicaIdentity::Full)
                || known_columns.iter().any(|known| known.not_null && known.name == column.name),
            declared: declared(column.name, column.type_id, known.defaults, types),
        })
        .collect();
    let key = match relation.replica_identity {
        ReplicaIdentity::Full => known.table.map(|table| key_at_the_time(context, relation, table)).unwrap_or_default(),
        _ => in_order_of(known.key, columns.iter().filter(|column| column.identity).map(|column| column.name.clone()).collect()),
    };
    shape(context, relation.schema, relation.name, columns, &key)
}

/// The key of a table under REPLICA IDENTITY FULL, which the catalog alone tells, by the names that its columns had when the changes were made
/// that follow the message. A column that was renamed since is found by its place and type; where that fails too, there is no key.
fn key_at_the_time(context: &Context, relation: &Relation<'_>, table: &Table) -> Vec<String> {
    let now: Vec<_> = table.published_columns().collect();
    let name_then = |name: &String| {
        if let Some(column) = relation.columns.iter().find(|column| column.name == *name) {
            return Some(column.name.to_owned());
        }
        // Nothing else may have changed, or the places would not be the same.
        let pairs = || now.iter().zip(relation.columns.iter());
        let renamed =
            (now.len() == relation.columns.len()).then(|| pairs().find(|(now, then)| now.name != then.name)).flatten()?;
        let is_alone = pairs().filter(|(now, then)| now.name != then.name || now.type_oid != then.type_id).count() == 1;
        (is_alone && renamed.0.name == *name && renamed.0.type_oid == renamed.1.type_id).then(|| renamed.1.name.to_owned())
    };
    // A publication may leave some of them out.
    let is_published = |name: &&String| now.iter().any(|column| column.name == **name);
    let key: Option<Vec<String>> = table.key.iter().filter(is_published).map(name_then).collect();
    key.unwrap_or_else(|| {
        tracing::warn!(
            database = context.database,
            table = table.display_name(),
            "changes that were made before the table's primary key was altered come without a key: REPLICA IDENTITY FULL does not tell it"
        );
        Vec::new()
    })
}

/// What else is declared of a column. A domain's default is not looked at, as Debezium does not.
fn declared(name: &str, type_oid: u32, defaults: Option<&ColumnDefaults>, types: &TypeCache) -> Declared {
    let default = defaults.and_then(|defaults| defaults.get(name)).filter(|_| !types.catalog().is_domain(type_oid));
    Declared { default: default.cloned(), labels: types.catalog().labels(type_oid).to_vec() }
}

/// The columns of the identity in the order of its index. A relation message tells which they are, in the order of the table; the catalog
/// tells the order. Where the two know of the same columns, the index is that of the message, or another one over the same columns, made
/// since. Otherwise the index has changed, or is gone, since the change was made: then the order of the table is all that is left.
///
/// What cannot be told apart is an index that was replaced by one over the same columns in another order: changes from before the
/// replacement that are only taken after it, by a capture that is behind, have the new order already.
fn in_order_of(indexed: &[String], marked: Vec<String>) -> Vec<String> {
    let is_same = indexed.len() == marked.len() && marked.iter().all(|name| indexed.contains(name));
    if is_same { indexed.to_vec() } else { marked }
}

/// `identity` is in the key's order.
fn shape(context: &Context, schema: &str, table: &str, columns: Vec<Column>, identity: &[String]) -> Result<TableShape> {
    let selection = &context.options().columns;
    let columns: Vec<Column> = columns
        .into_iter()
        .map(|column| match selection.treatment(schema, table, &column.name) {
            Treatment::Mask(mask) => column.masked(mask),
            treatment => Column { treatment, ..column },
        })
        .collect();
    let chosen = context.options().keys.iter().find_map(|key| key.columns_of(schema, table));
    if let Some(chosen) = chosen {
        check_key(chosen, &columns, &format!("the key chosen for {schema}.{table} of database {}", context.database))?;
    }
    let key = match chosen {
        Some(chosen) => chosen.to_vec(),
        None => identity.iter().filter(|name| columns.iter().any(|column| column.name == **name)).cloned().collect(),
    };
    let in_key = columns.iter().filter(|column| key.contains(&column.name));
    check_treatment(
        in_key.map(|column| (&*column.name, column.treatment.clone())),
        &format!("the key of {schema}.{table} of database {}", context.database),
    )?;
    Ok(TableShape {
        database: context.database.clone(),
        schema: schema.to_owned(),
        table: table.to_owned(),
        columns,
        key,
        key_tells_table: context.options().topic.is_shared(),
    })
}

/// A key must be in every change: in what comes of the old row too, or a delete could not be keyed, and a change of the key would go unseen.
fn check_key(chosen: &[String], columns: &[Column], what: &str) -> Result<()> {
    let find = |name: &String| columns.iter().find(|column| column.name == *name);
    if let Some(missing) = chosen.iter().find(|name| find(name).is_none()) {
        let message = format!("{what} names the column {missing}, which it does not have");
        return Err(Error::configuration(Code::KEY_COLUMNS, message).remedy("correct --key"));
    }
    // Of a table without an identity only inserts come, and these hold every column.
    let has_identity = columns.iter().any(|column| column.identity);
    if let Some(outside) = chosen.iter().find(|name| has_identity && find(name).is_some_and(|column| !column.identity)) {
        let message = format!("{what} names the column {outside}, which an update or a delete does not tell of the old row");
        return Err(Error::configuration(Code::KEY_COLUMNS, message).remedy(
            "choose columns of the replica identity; or let the table's owner make all of them known: ALTER TABLE … REPLICA IDENTITY FULL",
        ));
    }
    Ok(())
}

/// A key tells its row from all others: what would make two of them one is no key.
pub(crate) fn check_treatment<'a>(key: impl IntoIterator<Item = (&'a str, Treatment)>, what: &str) -> Result<()> {
    for (column, treatment) in key {
        let lost = match &treatment {
            Treatment::Keep => continue,
            Treatment::Mask(mask) if mask.is_distinct() => continue,
            Treatment::Mask(_) => "masked",
            Treatment::Omit => "left out",
        };
        let message = format!("{what} needs the column {column}, which is {lost}");
        return Err(Error::configuration(Code::KEY_COLUMNS, message)
            .remedy("keep the column, mask it by its hash, or choose other columns for the key with --key"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use waltap_event::{Kind, Mask, Salt};

    fn refused(chosen: &str, identity: &[bool]) -> bool {
        let column = |(index, identity): (usize, &bool)| Column {
            identity: *identity,
            ..Column::new(["id", "customer"][index], Kind::Text)
        };
        let columns: Vec<Column> = identity.iter().enumerate().map(column).collect();
        let result = check_key(&[chosen.to_owned()], &columns, "the key");
        result.as_ref().err().is_some_and(|error| error.code() == Code::KEY_COLUMNS)
    }

    #[test]
    fn a_key_keeps_its_columns_apart() {
        let refused = |treatment| check_treatment([("id", treatment)], "the key").is_err();
        assert!(!refused(Treatment::Keep));
        assert!(!refused(Treatment::Mask(Mask::Hash(Salt::new(b"salt").unwrap()))));
        assert!(refused(Treatment::Mask(Mask::Truncate(100))));
        assert!(refused(Treatment::Mask(Mask::Constant("x".to_owned()))));
        assert!(refused(Treatment::Omit));
    }

    #[test]
    fn a_key_has_the_order_of_its_index() {
        let names = |text: &str| -> Vec<String> { text.chars().map(String::from).collect() };
        assert_eq!(in_order_of(&names("cab"), names("abc")), names("cab"));
        assert_eq!(in_order_of(&[], names("abc")), names("abc"), "dropped since");
        assert_eq!(in_order_of(&names("ba"), names("abc")), names("abc"), "another index since");
        assert_eq!(in_order_of(&names("dcba"), names("abc")), names("abc"), "another index since");
        assert_eq!(in_order_of(&names("cbd"), names("abc")), names("abc"), "another index since");
    }

    #[test]
    fn a_key_is_within_what_every_change_tells() {
        assert!(refused("nothing", &[true, true]));
        assert!(refused("customer", &[true, false]));
        assert!(!refused("id", &[true, false]));
        assert!(!refused("customer", &[true, true]), "REPLICA IDENTITY FULL");
        assert!(!refused("customer", &[false, false]), "only inserts come");
    }
}
