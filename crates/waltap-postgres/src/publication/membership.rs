//! What a publication holds.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;
use waltap_error::Result;

use crate::refusal::refused;

/// A publication as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// Whether our role may change it. Not on a standby.
    pub may_alter: bool,
    /// Whether it was made FOR ALL TABLES.
    pub all_tables: bool,
    /// The tables of the schemas that it publishes whole (from PostgreSQL 15 on).
    pub schema_tables: BTreeSet<u32>,
    /// What it publishes of its tables.
    pub operations: Operations,
    /// Whether changes of partitions appear as changes of their root.
    pub via_root: bool,
    /// The tables that it lists, by OID.
    pub tables: BTreeMap<u32, Listed>,
}

impl Publication {
    /// Whether it publishes the table, for whatever reason.
    pub fn covers(&self, oid: u32) -> bool {
        self.all_tables || self.tables.contains_key(&oid) || self.schema_tables.contains(&oid)
    }
}

/// A table as a publication lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its quoted name.
    pub quoted: String,
    /// Whether a WHERE clause holds back some of its rows.
    pub row_filter: bool,
    /// Whether a list holds back some of its columns.
    pub column_list: bool,
}

/// The operations that a publication publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    /// INSERT.
    pub insert: bool,
    /// UPDATE.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
    /// TRUNCATE.
    pub truncate: bool,
}

impl Operations {
    /// All four.
    pub const ALL: Operations = Operations { insert: true, update: true, delete: true, truncate: true };
    /// Those that need no replica identity.
    pub const INSERTS: Operations = Operations { insert: true, update: false, delete: false, truncate: true };

    /// As the `publish` option of CREATE PUBLICATION takes them.
    pub fn option(self) -> String {
        self.words().join(", ")
    }

    /// Their names.
    pub fn words(self) -> Vec<&'static str> {
        let words = [(self.insert, "insert"), (self.update, "update"), (self.delete, "delete"), (self.truncate, "truncate")];
        words.into_iter().filter(|(published, _)| *published).map(|(_, word)| word).collect()
    }
}

/// The publication of that name in this database, if there is one.
pub async fn membership(client: &Client, name: &str) -> Result<Option<Publication>> {
    let doing = || format!("asking what the publication {name} publishes");
    // Row filters, column lists and schemas came with version 15; jsonb gives null for columns that are not there, and the catalog of
    // schemas is only named where it exists, which is asked once and not for each row.
    let rows = client
        .query(
            "SELECT p.pubname::text AS name, pg_get_userbyid(p.pubowner)::text AS owner,
                    NOT pg_is_in_recovery() AND pg_has_role(p.pubowner, 'USAGE') AS may_alter,
                    p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
                    c.oid, n.nspname, c.relname,
                    to_jsonb(r) ->> 'prqual' IS NOT NULL AS row_filter,
                    to_jsonb(r) ->> 'prattrs' IS NOT NULL AS column_list,
                    (SELECT to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL) AS may_have_schemas
             FROM pg_publication p
             LEFT JOIN (pg_publication_rel r
                        JOIN pg_class c ON c.oid = r.prrelid
                        JOIN pg_namespace n ON n.oid = c.relnamespace) ON r.prpubid = p.oid
             WHERE p.pubname = $1",
            &[&name],
        )
        .await
        .map_err(|error| refused(doing(), error))?;
    let Some(first) = rows.first() else { return Ok(None) };
    let may_have_schemas: bool = first.try_get("may_have_schemas").map_err(|error| refused(doing(), error))?;
    let schema_tables = if may_have_schemas { schema_tables(client, name).await? } else { BTreeSet::new() };
    let read = || -> Result<Publication, tokio_postgres::Error> {
        let mut tables = BTreeMap::new();
        for row in &rows {
            if let Some(oid) = row.try_get::<_, Option<u32>>("oid")? {
                let listed = Listed {
                    quoted: crate::catalog::quoted_name(row.try_get("nspname")?, row.try_get("relname")?),
                    row_filter: row.try_get("row_filter")?,
                    column_list: row.try_get("column_list")?,
                };
                tables.insert(oid, listed);
            }
        }
        Ok(Publication {
            name: first.try_get("name")?,
            owner: first.try_get("owner")?,
            may_alter: first.try_get("may_alter")?,
            all_tables: first.try_get("puballtables")?,
            schema_tables,
            operations: Operations {
                insert: first.try_get("pubinsert")?,
                update: first.try_get("pubupdate")?,
                delete: first.try_get("pubdelete")?,
                truncate: first.try_get("pubtruncate")?,
            },
            via_root: first.try_get("pubviaroot")?,
            tables,
        })
    };
    read().map(Some).map_err(|error| refused(doing(), error))
}

async fn schema_tables(client: &Client, name: &str) -> Result<BTreeSet<u32>> {
    let doing = || format!("asking which schemas the publication {name} publishes");
    let rows = client
        .query(
            "SELECT c.oid FROM pg_publication p
             JOIN pg_publication_namespace s ON s.pnpubid = p.oid
             JOIN pg_class c ON c.relnamespace = s.pnnspid AND c.relkind IN ('r', 'p')
             WHERE p.pubname = $1",
            &[&name],
        )
        .await
        .map_err(|error| refused(doing(), error))?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| refused(doing(), error))
}
