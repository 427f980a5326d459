//! What the publications of a tap publish of its tables, as it is remembered in progress: a record for each publication and each table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waltap_error::Result;
use waltap_postgres::catalog::{Column, Generated, Table};
use waltap_postgres::publication::{Contents, EntryOf, Operations};

use crate::progress::{json, parse};

/// The first parts of the records' keys.
const PUBLICATION: &str = "publication/";
const PUBLISHED: &str = "published/";

/// Keys and values to be written; without a value, to be deleted.
pub(super) type Entries = Vec<(String, Option<Vec<u8>>)>;

/// What is published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// The publications by their names.
    pub(super) publications: BTreeMap<String, PublicationRecord>,
    /// The ways in which tables are published, by OID. One that is not published has none.
    pub(super) tables: BTreeMap<u32, Vec<Way>>,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PublicationRecord {
    /// Another one means that it was made anew.
    pub(super) oid: u32,
    pub(super) owner: String,
    /// The transaction that altered its options, its owner or its name last.
    pub(super) altered_by: String,
    pub(super) all_tables: bool,
    pub(super) insert: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
    pub(super) truncate: bool,
    pub(super) via_root: bool,
    /// Whether stored generated columns are published that no list names.
    pub(super) generated: bool,
}

/// A way in which a table is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    pub(super) publication: String,
    pub(super) by: By,
    /// The number of the entry: another one means that it was taken out and put in again.
    pub(super) oid: u32,
    /// The numbers of the columns that are listed; `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) columns: Option<Vec<i16>>,
    /// A digest of the row filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) row_filter: Option<String>,
}

/// What publishes a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    /// An entry of its own.
    Table,
    /// An entry of its schema.
    Schema,
    /// FOR ALL TABLES.
    AllTables,
}

impl PublicationRecord {
    pub(super) fn operations(&self) -> Operations {
        Operations { insert: self.insert, update: self.update, delete: self.delete, truncate: self.truncate }
    }
}

impl Published {
    /// As the server has it, for these tables.
    pub(crate) fn new(contents: Contents, tables: &[Table]) -> Self {
        let mut published = Published::default();
        for header in contents.headers {
            if header.all_tables {
                for table in tables {
                    let publication = header.name.clone();
                    let way = Way { publication, by: By::AllTables, oid: header.oid, columns: None, row_filter: None };
                    published.tables.entry(table.oid).or_default().push(way);
                }
            }
            let Operations { insert, update, delete, truncate } = header.operations;
            let record = PublicationRecord {
                oid: header.oid,
                owner: header.owner,
                altered_by: header.altered_by,
                all_tables: header.all_tables,
                insert,
                update,
                delete,
                truncate,
                via_root: header.via_root,
                generated: header.generated,
            };
            published.publications.insert(header.name, record);
        }
        for entry in contents.entries {
            let by = match entry.of {
                EntryOf::Table => By::Table,
                EntryOf::Schema => By::Schema,
            };
            let way =
                Way { publication: entry.publication, by, oid: entry.oid, columns: entry.columns, row_filter: entry.row_filter };
            published.tables.entry(entry.table).or_default().push(way);
        }
        published
    }

    pub(super) fn ways(&self, table: u32) -> &[Way] {
        self.tables.get(&table).map(Vec::as_slice).unwrap_or_default()
    }

    /// What is published of a table by these ways.
    pub(super) fn operations(&self, ways: &[Way]) -> Operations {
        let none = Operations { insert: false, update: false, delete: false, truncate: false };
        let publications = ways.iter().filter_map(|way| self.publications.get(&way.publication));
        publications.map(PublicationRecord::operations).fold(none, |sum, more| Operations {
            insert: sum.insert || more.insert,
            update: sum.update || more.update,
            delete: sum.delete || more.delete,
            truncate: sum.truncate || more.truncate,
        })
    }

    /// Whether a column is published by one of these ways.
    pub(super) fn publishes(&self, ways: &[Way], column: &Column) -> bool {
        ways.iter().any(|way| match &way.columns {
            Some(listed) => listed.contains(&column.number),
            None => match column.generated {
                Generated::No => true,
                Generated::Stored => self.publications.get(&way.publication).is_some_and(|publication| publication.generated),
                Generated::Virtual => false,
            },
        })
    }

    /// Without publications other than these, and without tables that are not kept.
    pub(super) fn restricted(&self, names: &[String], keeps: impl Fn(u32, &[Way]) -> bool) -> Self {
        let publications = self.publications.iter().filter(|(name, _)| names.contains(name));
        let ways = |ways: &[Way]| -> Vec<Way> { ways.iter().filter(|way| names.contains(&way.publication)).cloned().collect() };
        let tables = self.tables.iter().map(|(oid, all)| (*oid, ways(all)));
        Published {
            publications: publications.map(|(name, publication)| (name.clone(), publication.clone())).collect(),
            tables: tables.filter(|(oid, ways)| !ways.is_empty() && keeps(*oid, ways)).collect(),
        }
    }

    /// Takes in a record of progress, if it is one of these.
    pub(super) fn read(remembered: &mut Option<Self>, key: &str, value: &[u8]) -> Result<()> {
        if let Some(name) = key.strip_prefix(PUBLICATION) {
            remembered.get_or_insert_default().publications.insert(name.to_owned(), parse(key, value)?);
        } else if let Some(oid) = key.strip_prefix(PUBLISHED).and_then(|oid| oid.parse().ok()) {
            remembered.get_or_insert_default().tables.insert(oid, parse(key, value)?);
        }
        Ok(())
    }

    /// What has to be written, when progress holds this, for it to hold `next`.
    pub(super) fn changes(&self, next: &Published) -> Result<Entries> {
        let mut entries = Entries::new();
        differences(PUBLICATION, &self.publications, &next.publications, &mut entries)?;
        differences(PUBLISHED, &self.tables, &next.tables, &mut entries)?;
        Ok(entries)
    }
}

fn differences<K: Ord + ToString, V: PartialEq + Serialize>(
    prefix: &str,
    before: &BTreeMap<K, V>,
    next: &BTreeMap<K, V>,
    entries: &mut Entries,
) -> Result<()> {
    for (key, value) in next.iter().filter(|(key, value)| before.get(key) != Some(value)) {
        entries.push((format!("{prefix}{}", key.to_string()), Some(json(value)?)));
    }
    let gone = before.keys().filter(|key| !next.contains_key(key));
    entries.extend(gone.map(|key| (format!("{prefix}{}", key.to_string()), None)));
    Ok(())
}
