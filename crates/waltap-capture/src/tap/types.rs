//! The types that the tap's tables use, asked for when a column needs them.

use std::collections::HashSet;

use waltap_error::Result;
use waltap_event::{TypeCatalog, TypeDescription};

use crate::source::Sql;

/// What is known of types. Only those that columns use are asked for: a database has two row types for every table.
#[derive(Debug, Default)]
pub(crate) struct TypeCache {
    catalog: TypeCatalog,
    /// Asked for and not there: dropped since. Not asked for again.
    gone: HashSet<u32>,
}

impl TypeCache {
    pub(crate) fn catalog(&self) -> &TypeCatalog {
        &self.catalog
    }

    /// Whether every type is known, or known to be gone.
    pub(crate) fn knows(&self, oids: impl IntoIterator<Item = u32>) -> bool {
        oids.into_iter().all(|oid| self.is_settled(oid))
    }

    /// Learns types, and those that they are made of: a domain's base, an array's element.
    pub(crate) async fn learn(&mut self, sql: &Sql, oids: &[u32]) -> Result<()> {
        let mut wanted: Vec<u32> = oids.iter().copied().filter(|oid| !self.is_settled(*oid)).collect();
        while !wanted.is_empty() {
            wanted.sort_unstable();
            wanted.dedup();
            let rows = sql.types(&wanted).await?;
            self.gone.extend(wanted.iter().copied().filter(|oid| !rows.iter().any(|row| row.oid == *oid)));
            wanted.clear();
            for row in rows {
                self.catalog.insert(TypeDescription {
                    oid: row.oid,
                    name: &row.name,
                    typtype: row.kind,
                    element: row.element,
                    base: row.base,
                    modifier: row.modifier,
                    delimiter: row.delimiter,
                    category: row.category,
                });
                if !row.labels.is_empty() {
                    self.catalog.insert_labels(row.oid, row.labels);
                }
                wanted.extend([row.element, row.base].into_iter().filter(|oid| *oid != 0));
            }
            wanted.retain(|oid| !self.is_settled(*oid));
        }
        Ok(())
    }

    fn is_settled(&self, oid: u32) -> bool {
        self.catalog.knows(oid) || self.gone.contains(&oid)
    }
}
