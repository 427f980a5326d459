//! What the publications that are read publish of the captured tables, in a form that can be remembered and compared, and a digest that
//! says cheaply whether it is worth while to look.
//!
//! The server decodes a change with the publications as they were when it was written. What they leave out is left out of the stream
//! without a word, and from PostgreSQL 18 on so is everything while one of them is not there (`LoadPublications`).

use tokio_postgres::Row;
use tokio_postgres::types::PgLsn;
use waltap_error::Result;
use waltap_pgoutput::Lsn;

use super::membership::Operations;
use crate::connect::Sql;
use crate::refusal::refused;

/// The first version with column lists, row filters and whole schemas.
const PARTS_VERSION: u32 = 150_000;

/// A publication, without what it lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its number: another one means that it was made anew.
    pub oid: u32,
    /// The role that owns it.
    pub owner: String,
    /// The transaction that altered its options, owner or name last.
    pub altered_by: String,
    /// Whether it was made FOR ALL TABLES.
    pub all_tables: bool,
    /// What it publishes of its tables.
    pub operations: Operations,
    /// Whether changes of partitions appear as changes of their root.
    pub via_root: bool,
    /// Whether it publishes stored generated columns that no list names.
    pub generated: bool,
}

/// An entry by which a publication publishes a table, other than FOR ALL TABLES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The publication's name.
    pub publication: String,
    /// The table's OID.
    pub table: u32,
    /// What the entry is of.
    pub of: EntryOf,
    /// The entry's own number: another one means that it was taken out and put in again.
    pub oid: u32,
    /// The numbers of the columns that it lists, if it lists some.
    pub columns: Option<Vec<i16>>,
    /// A digest of its row filter, if it has one.
    pub row_filter: Option<String>,
}

/// What an entry is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryOf {
    /// The table itself.
    Table,
    /// All tables of its schema.
    Schema,
}

/// Publications and what they list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Those that are there.
    pub headers: Vec<Header>,
    /// Their entries for the tables that were asked for.
    pub entries: Vec<Entry>,
}

/// Whether publications have changed: two that differ mean that they may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Where the server's log ended when this was asked.
    pub lsn: Lsn,
    /// The digest.
    pub text: String,
}

/// The digest of the publications of these names. A millisecond for a thousand tables.
pub async fn digest(sql: &Sql, names: &[String]) -> Result<Digest> {
    const DOING: &str = "asking whether the publications have changed";
    // Whole rows as text: every version has its own columns.
    let schemas = match sql.version().number() < PARTS_VERSION {
        true => "",
        false => {
            ", (SELECT sum(hashtextextended(s::text, s.oid::int8)) FROM pg_publication_namespace s JOIN read ON read.oid = s.pnpubid)"
        }
    };
    let query = format!(
        "WITH read AS MATERIALIZED (SELECT p.*, p.xmin AS altered_by FROM pg_publication p WHERE p.pubname = ANY($1::text[]))
         SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn,
                concat_ws('/',
                  (SELECT sum(hashtextextended(read::text, read.oid::int8)) FROM read),
                  (SELECT sum(hashtextextended(r::text, r.oid::int8)) FROM pg_publication_rel r JOIN read ON read.oid = r.prpubid)
                  {schemas}) AS digest"
    );
    let row = sql.query_one(&query, &[&names]).await.map_err(|error| refused(DOING, error))?;
    let read = || -> Result<Digest, tokio_postgres::Error> {
        let lsn = row.try_get::<_, Option<PgLsn>>("lsn")?.map_or(Lsn(0), |lsn| Lsn(lsn.into()));
        Ok(Digest { lsn, text: row.try_get("digest")? })
    };
    read().map_err(|error| refused(DOING, error))
}

/// What the publications of these names publish of these tables.
pub async fn contents(sql: &Sql, names: &[String], tables: &[u32]) -> Result<Contents> {
    const DOING: &str = "asking what the publications publish";
    let rows = sql.query(HEADERS, &[&names]).await.map_err(|error| refused(DOING, error))?;
    let headers = rows.iter().map(header).collect::<Result<_, _>>().map_err(|error| refused(DOING, error))?;
    let query = if sql.version().number() < PARTS_VERSION { ENTRIES_OF_OLD } else { ENTRIES };
    let rows = sql.query(query, &[&names, &tables]).await.map_err(|error| refused(DOING, error))?;
    let entries = rows.iter().map(entry).collect::<Result<_, _>>().map_err(|error| refused(DOING, error))?;
    Ok(Contents { headers, entries })
}

// Columns that only newer servers have are fetched through jsonb, which gives null for what is not there.
const HEADERS: &str = "
SELECT p.pubname::text AS name, p.oid, pg_get_userbyid(p.pubowner)::text AS owner, p.xmin::text AS altered_by,
       p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
       coalesce(to_jsonb(p) ->> 'pubgencols' = 's', false) AS generated
FROM pg_publication p WHERE p.pubname = ANY($1::text[])";

const ENTRIES_OF_OLD: &str = "
SELECT p.pubname::text AS publication, r.prrelid AS \"table\", false AS of_schema, r.oid,
       NULL::text AS columns, NULL::text AS row_filter
FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
WHERE p.pubname = ANY($1::text[]) AND r.prrelid = ANY($2::oid[])";

// A filter is kept as the server keeps it, without the places that its parts have in the statement's text.
const ENTRIES: &str = "
SELECT p.pubname::text AS publication, r.prrelid AS \"table\", false AS of_schema, r.oid,
       r.prattrs::text AS columns,
       md5(regexp_replace(r.prqual::text, ':location -?[0-9]+', '', 'g')) AS row_filter
FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
WHERE p.pubname = ANY($1::text[]) AND r.prrelid = ANY($2::oid[])
UNION ALL
SELECT p.pubname::text, c.oid, true, s.oid, NULL, NULL
FROM pg_publication p
JOIN pg_publication_namespace s ON s.pnpubid = p.oid
JOIN pg_class c ON c.relnamespace = s.pnnspid
WHERE p.pubname = ANY($1::text[]) AND c.oid = ANY($2::oid[])";

fn header(row: &Row) -> Result<Header, tokio_postgres::Error> {
    Ok(Header {
        name: row.try_get("name")?,
        oid: row.try_get("oid")?,
        owner: row.try_get("owner")?,
        altered_by: row.try_get("altered_by")?,
        all_tables: row.try_get("puballtables")?,
        operations: Operations {
            insert: row.try_get("pubinsert")?,
            update: row.try_get("pubupdate")?,
            delete: row.try_get("pubdelete")?,
            truncate: row.try_get("pubtruncate")?,
        },
        via_root: row.try_get("pubviaroot")?,
        generated: row.try_get("generated")?,
    })
}

fn entry(row: &Row) -> Result<Entry, tokio_postgres::Error> {
    let of = if row.try_get("of_schema")? { EntryOf::Schema } else { EntryOf::Table };
    Ok(Entry {
        publication: row.try_get("publication")?,
        table: row.try_get("table")?,
        of,
        oid: row.try_get("oid")?,
        columns: row.try_get::<_, Option<&str>>("columns")?.map(numbers),
        row_filter: row.try_get("row_filter")?,
    })
}

/// The numbers in a text such as `1 3`.
fn numbers(text: &str) -> Vec<i16> {
    text.split(|character: char| !character.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_numbers_are_read_as_the_server_writes_them() {
        assert_eq!(numbers("1 13"), [1, 13]);
        assert_eq!(numbers(""), [0_i16; 0]);
    }
}
