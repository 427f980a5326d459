//! What was hidden must not come out by another name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use waltap_error::{Code, Error, Result};
use waltap_event::{Column, Kind, TableShape, Treatment};
use waltap_postgres::catalog::Table;

use crate::selection::ColumnSelection;

/// What each table that hides columns was when it was last announced, by OID, for as long as the tap lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Covered(Arc<Mutex<HashMap<u32, Arc<TableShape>>>>);

impl Covered {
    /// Compares a table with what it was. The choice of columns goes by names: a renamed column, or a column of a renamed table, may escape its
    /// mask. A relation message does not tell a column that was renamed from one that was dropped beside one that was added, so either stops
    /// the tap; a column that is dropped alone does not.
    pub(crate) fn check(&self, oid: u32, now: &Arc<TableShape>) -> Result<()> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = tables.get(&oid) {
            compare(before, now)?;
        }
        // Of a table that hides nothing, nothing can come out.
        match now.columns.iter().any(|column| column.treatment != Treatment::Keep) {
            true => tables.insert(oid, Arc::clone(now)),
            false => tables.remove(&oid),
        };
        Ok(())
    }
}

/// Compares a table of the stream with what the catalog says of it now, in which a column may bear a name that it got since.
pub(crate) fn compare_with_catalog(table: &Table, columns: &ColumnSelection, then: &TableShape) -> Result<()> {
    if columns.is_everything() {
        return Ok(());
    }
    let column = |column: &waltap_postgres::catalog::Column| Column {
        treatment: columns.treatment(&table.schema, &table.name, &column.name),
        ..Column::new(column.name.clone(), Kind::Text)
    };
    let now = TableShape {
        schema: table.schema.clone(),
        table: table.name.clone(),
        columns: table.published_columns().map(column).collect(),
        ..then.clone()
    };
    compare(&now, then)
}

fn compare(one: &TableShape, other: &TableShape) -> Result<()> {
    match uncovered(one, other) {
        Some((hidden, shown)) => Err(error(one, other, hidden, shown)),
        None => Ok(()),
    }
}

fn error(before: &TableShape, now: &TableShape, hidden: &str, shown: &str) -> Error {
    let (schema, table) = (&now.schema, &now.table);
    let message = match hidden == shown {
        true => {
            let former = format!("{}.{}", before.schema, before.table);
            format!("the column {shown} of {former} is left out or masked, and is not where the table is called {schema}.{table}")
        }
        false => format!(
            "the column {hidden} of {schema}.{table} is left out or masked, and may be called {shown} in other changes, where it is not"
        ),
    };
    Error::configuration(Code::NO_COLUMN, message).remedy(
        "name the column by both names in --exclude-columns or --mask-columns; a name that is not there any more, or not yet, stands as a \
         pattern, such as `public.customers=emai[l]:hash`",
    )
}

/// A column that was hidden, and one that may show what it held.
fn uncovered<'a>(before: &'a TableShape, now: &'a TableShape) -> Option<(&'a str, &'a str)> {
    let find = |shape: &'a TableShape, name: &str| shape.columns.iter().find(|column| column.name == *name);
    let is_hidden = |column: &&Column| column.treatment != Treatment::Keep;
    let shown = || now.columns.iter().filter(|column| column.treatment == Treatment::Keep);
    if let Some(column) = shown().find(|column| find(before, &column.name).as_ref().is_some_and(is_hidden)) {
        return Some((&column.name, &column.name));
    }
    let gone = before.columns.iter().filter(is_hidden).find(|column| find(now, &column.name).is_none())?;
    let new = shown().find(|column| find(before, &column.name).is_none())?;
    Some((&gone.name, &new.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(table: &str, columns: &[(&str, Treatment)]) -> Arc<TableShape> {
        let column =
            |(name, treatment): &(&str, Treatment)| Column { treatment: treatment.clone(), ..Column::new(*name, Kind::Text) };
        Arc::new(TableShape {
            database: "shop".to_owned(),
            schema: "public".to_owned(),
            table: table.to_owned(),
            columns: columns.iter().map(column).collect(),
            key: Vec::new(),
            key_tells_table: false,
        })
    }

    #[test]
    fn what_was_hidden_does_not_come_out_by_another_name() {
        use Treatment::{Keep, Omit};
        let is_refused = |now: &Arc<TableShape>| {
            let covered = Covered::default();
            covered.check(1, &shape("c", &[("id", Keep), ("email", Omit)])).unwrap();
            covered.check(1, now).is_err()
        };
        assert!(is_refused(&shape("c", &[("id", Keep), ("mail", Keep)])), "renamed");
        assert!(is_refused(&shape("d", &[("id", Keep), ("email", Keep)])), "the table renamed");
        assert!(!is_refused(&shape("c", &[("id", Keep), ("mail", Omit)])), "renamed and hidden");
        assert!(!is_refused(&shape("c", &[("id", Keep)])), "dropped");
        assert!(!is_refused(&shape("c", &[("id", Keep), ("email", Omit), ("n", Keep)])), "another one added");
        assert!(!is_refused(&shape("c", &[("number", Keep), ("email", Omit)])), "another one renamed");
    }
}
