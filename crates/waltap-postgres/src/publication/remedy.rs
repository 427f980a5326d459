//! What to tell the owner of the tables, as statements that can be run as they stand.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::plan::{Current, Rights, plan};
use crate::catalog::{Table, quoted_identifier};
use crate::slot::PublicationNames;

/// The statements by which the owner of the tables gives the publications what they lack.
pub fn owner_statements(names: &PublicationNames, current: &Current, wanted: &[Table]) -> String {
    let plan = plan(names, current, wanted, Rights::Owner);
    let mut text = String::new();
    for transaction in &plan.transactions {
        let together = transaction.statements.len() > 1;
        if together {
            text.push_str("BEGIN;\n");
        }
        for statement in &transaction.statements {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{statement};");
        }
        if together {
            text.push_str("COMMIT;\n");
        }
    }
    text
}

/// The statements that let `role` read the tables for the snapshot; empty when it may.
pub fn grant_statements<'a>(role: &str, tables: impl IntoIterator<Item = &'a Table>) -> String {
    let role = quoted_identifier(role);
    let mut schemas = BTreeSet::new();
    let mut unreadable = Vec::new();
    for table in tables {
        if !table.may_use_schema {
            schemas.insert(quoted_identifier(&table.schema));
        }
        if !table.may_select {
            unreadable.push(table.quoted());
        }
    }
    let mut text = String::new();
    for schema in schemas {
        let _ = writeln!(text, "GRANT USAGE ON SCHEMA {schema} TO {role};");
    }
    if !unreadable.is_empty() {
        let _ = writeln!(text, "GRANT SELECT ON {} TO {role};", unreadable.join(", "));
    }
    text
}
