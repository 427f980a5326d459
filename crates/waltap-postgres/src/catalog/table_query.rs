//! Reads all tables of a database with two statements: the tables with their columns, and the leaves of the partitioned ones.

use std::collections::{HashMap, HashSet};

use tokio_postgres::{Client, Row};
use waltap_error::Result;

use super::table::{Column, Generated, Identity, IdentityProblem, Leaf, ReplicaIdentity, Table};
use super::type_row::{FIRST_USER_OID, letter};
use crate::refusal::refused;

/// From this version on the server refuses UPDATE and DELETE when the replica identity holds a generated column that is not published.
const REFUSES_GENERATED_IDENTITY: i32 = 180_000;

/// Every user table of the database, by schema and name: plain and partitioned tables, no partitions, nothing temporary, unlogged or
/// of the system's own schemas. Children of plain inheritance are tables of their own.
pub async fn tables(client: &Client) -> Result<Vec<Table>> {
    read(client, None).await
}

/// Those of the tables that are still there.
pub async fn tables_by_oid(client: &Client, oids: &[u32]) -> Result<Vec<Table>> {
    read(client, Some(oids)).await
}

/// The columns of the index that is a table's identity, or under FULL of its primary key, in the index's order; generated ones too. Empty
/// where there is none, `None` where the table is gone. A small question, for when that is all that is wanted.
pub async fn identity_key(client: &Client, table: u32) -> Result<Option<Vec<String>>> {
    let row = client.query_opt(KEY, &[&table]).await.map_err(|error| refused("reading the key of a table", error))?;
    row.map(|row| row.try_get("key")).transpose().map_err(|error| refused("reading the key of a table", error))
}

async fn read(client: &Client, only: Option<&[u32]>) -> Result<Vec<Table>> {
    let table_rows =
        client.query(TABLES, &[&FIRST_USER_OID, &only]).await.map_err(|error| refused("listing the tables", error))?;
    // A table that appears or vanishes between the two statements is only missing or without leaves until the next look; what must
    // not go wrong by it, the publishing of updates, is checked again under the lock of ALTER PUBLICATION.
    let leaf_rows = match table_rows.iter().any(|row| row.get::<_, i8>("relkind") == b'p' as i8) {
        true => {
            client.query(LEAVES, &[&FIRST_USER_OID, &only]).await.map_err(|error| refused("listing the partitions", error))?
        }
        false => Vec::new(),
    };
    let mut tables = assemble(&table_rows, &leaf_rows).map_err(|error| refused("reading the list of tables", error))?;
    // Not by the server, to which whole rows of thousands of tables are more than fits its work_mem.
    tables.sort_unstable_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    Ok(tables)
}

fn assemble(table_rows: &[Row], leaf_rows: &[Row]) -> Result<Vec<Table>, tokio_postgres::Error> {
    let mut leaves_by_root: HashMap<u32, Vec<Facts>> = HashMap::new();
    for row in leaf_rows {
        leaves_by_root.entry(row.try_get("root")?).or_default().push(Facts::read(row, row.try_get("key")?)?);
    }
    table_rows
        .iter()
        .map(|row| {
            let columns = columns(row)?;
            let facts = Facts::read(row, named(row.try_get("key_numbers")?, &columns))?;
            let leaves = leaves_by_root.remove(&facts.oid).unwrap_or_default();
            let generated: HashSet<&str> =
                columns.iter().filter(|column| column.generated != Generated::No).map(|column| column.name.as_str()).collect();
            let refuses_generated = row.try_get::<_, i32>("version_num")? >= REFUSES_GENERATED_IDENTITY;
            let problem = std::iter::once((&facts, None))
                .chain(leaves.iter().filter(|leaf| leaf.replicated()).map(|leaf| (leaf, Some(leaf.display_name()))))
                .find_map(|(facts, leaf)| facts.identity_problem(leaf, &generated, refuses_generated));
            let has_primary_key = row.try_get("has_primary_key")?;
            let problem = problem.or_else(|| facts.is_not_inherited(has_primary_key).then_some(IdentityProblem::NotInherited));
            let key = facts.key.iter().filter(|column| !generated.contains(column.as_str())).cloned().collect();
            let partitioned = facts.kind == 'p';
            let leaf_rows_estimated: Option<u64> = leaves.iter().map(|leaf| leaf.rows_estimated).sum();
            Ok(Table {
                partitioned,
                identity: problem.map_or(Identity::Usable, Identity::Missing),
                key,
                index_key: facts.key,
                rows_estimated: if partitioned { leaf_rows_estimated } else { facts.rows_estimated },
                pages_estimated: facts.pages_estimated + leaves.iter().map(|leaf| leaf.pages_estimated).sum::<u64>(),
                leaves: leaves.into_iter().map(Facts::into_leaf).collect(),
                owner: row.try_get("owner")?,
                extension: row.try_get("extension")?,
                may_use_schema: row.try_get("may_use_schema")?,
                may_select: facts.may_select,
                row_security: facts.row_security,
                may_publish: row.try_get("may_publish")?,
                oid: facts.oid,
                replica_identity: facts.replica_identity,
                row_filter: None,
                schema: facts.schema,
                name: facts.name,
                columns,
            })
        })
        .collect()
}

/// What a table and a leaf have in common.
struct Facts {
    oid: u32,
    schema: String,
    name: String,
    kind: char,
    persistence: char,
    replica_identity: ReplicaIdentity,
    /// The columns of the usable index, generated ones included; empty when there is no usable one.
    key: Vec<String>,
    rows_estimated: Option<u64>,
    pages_estimated: u64,
    may_select: bool,
    row_security: bool,
}

impl Facts {
    fn read(row: &Row, key: Vec<String>) -> Result<Self, tokio_postgres::Error> {
        let rows: f32 = row.try_get("reltuples")?;
        let pages: i32 = row.try_get("relpages")?;
        // Before version 14 a table that was never analysed has 0 rows in 0 pages; since then it has -1 rows.
        let kind = letter(row.try_get("relkind")?);
        let analysed = rows > 0.0 || (rows == 0.0 && pages > 0);
        Ok(Facts {
            oid: row.try_get("oid")?,
            schema: row.try_get("nspname")?,
            name: row.try_get("relname")?,
            kind,
            persistence: letter(row.try_get("relpersistence")?),
            replica_identity: ReplicaIdentity::from_letter(letter(row.try_get("relreplident")?)),
            key,
            rows_estimated: analysed.then_some(rows as u64),
            // The server counts in 32 bits without a sign. A root has no pages, and -1 of them once it was analysed.
            pages_estimated: if kind == 'p' { 0 } else { u64::from(pages as u32) },
            may_select: row.try_get("may_select")?,
            row_security: row.try_get("row_security")?,
        })
    }

    /// Foreign and unlogged leaves write no log, so PostgreSQL asks no identity of them.
    fn replicated(&self) -> bool {
        self.kind != 'f' && self.persistence == 'p'
    }

    fn display_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn identity_problem(
        &self,
        leaf: Option<String>,
        generated: &HashSet<&str>,
        refuses_generated: bool,
    ) -> Option<IdentityProblem> {
        match self.replica_identity {
            ReplicaIdentity::Nothing => Some(IdentityProblem::Nothing(leaf)),
            ReplicaIdentity::Default if self.key.is_empty() => Some(IdentityProblem::NoPrimaryKey(leaf)),
            ReplicaIdentity::Index if self.key.is_empty() => Some(IdentityProblem::NoIndex(leaf)),
            ReplicaIdentity::Full => (refuses_generated && !generated.is_empty()).then_some(IdentityProblem::Generated(leaf)),
            ReplicaIdentity::Default | ReplicaIdentity::Index => {
                let holds_generated = self.key.iter().any(|column| generated.contains(column.as_str()));
                (refuses_generated && holds_generated).then_some(IdentityProblem::Generated(leaf))
            }
        }
    }

    /// Whether a partition that is made later would be without the identity. Of the root's, it gets the primary key alone.
    fn is_not_inherited(&self, has_primary_key: bool) -> bool {
        let by_setting = matches!(self.replica_identity, ReplicaIdentity::Full | ReplicaIdentity::Index);
        self.kind == 'p' && by_setting && !has_primary_key
    }

    fn into_leaf(self) -> Leaf {
        Leaf {
            oid: self.oid,
            schema: self.schema,
            name: self.name,
            replica_identity: self.replica_identity,
            key: self.key,
            rows_estimated: self.rows_estimated,
            pages_estimated: self.pages_estimated,
            foreign: self.kind == 'f',
            unlogged: self.persistence == 'u',
            may_select: self.may_select,
            row_security: self.row_security,
        }
    }
}

/// The names of the columns of an index, if there is one.
fn named(numbers: Option<Vec<i16>>, columns: &[Column]) -> Vec<String> {
    let name = |number: i16| columns.iter().find(|column| column.number == number).map(|column| column.name.clone());
    numbers.unwrap_or_default().into_iter().filter_map(name).collect()
}

fn columns(row: &Row) -> Result<Vec<Column>, tokio_postgres::Error> {
    let numbers: Vec<i16> = row.try_get("column_numbers")?;
    let names: Vec<String> = row.try_get("column_names")?;
    let types: Vec<u32> = row.try_get("column_types")?;
    let modifiers: Vec<i32> = row.try_get("column_modifiers")?;
    let not_nulls: Vec<bool> = row.try_get("column_not_nulls")?;
    let generated: Vec<i8> = row.try_get("column_generated")?;
    let columns = numbers.into_iter().zip(names).zip(types).zip(modifiers).zip(not_nulls).zip(generated);
    Ok(columns
        .map(|(((((number, name), type_oid), type_modifier), not_null), generated)| Column {
            number,
            name,
            type_oid,
            type_modifier,
            not_null,
            generated: Generated::from_letter(letter(generated)),
            published: Generated::from_letter(letter(generated)) == Generated::No,
        })
        .collect())
}

/// Columns of the SELECT that tables and leaves have in common. `c` is the row of pg_class, `n` its schema.
///
/// The index is the one that PostgreSQL itself takes for the replica identity (RelationGetIndexList): the primary key under DEFAULT, the
/// chosen one under USING INDEX, each only while it is valid and checked at once. Under FULL it only gives the key its columns.
macro_rules! facts {
    () => {
        "c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, c.reltuples, c.relpages,
         coalesce(has_table_privilege(c.oid, 'SELECT')
                  OR NOT EXISTS (SELECT FROM pg_attribute a
                                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                                   AND NOT coalesce(has_column_privilege(c.oid, a.attnum, 'SELECT'), false)),
                  false) AS may_select,
         CASE WHEN c.relrowsecurity THEN row_security_active(c.oid) ELSE false END AS row_security"
    };
}

macro_rules! key {
    () => {
        "array(SELECT a.attname
               FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
               WHERE k.place <= x.indnkeyatts
               ORDER BY k.place)::text[] AS key"
    };
}

macro_rules! identity_index {
    () => {
        "LEFT JOIN pg_index x
           ON x.indrelid = c.oid
          AND ((c.relreplident IN ('d', 'f') AND x.indisprimary) OR (c.relreplident = 'i' AND x.indisreplident))
          AND x.indisvalid AND x.indislive AND x.indisunique AND x.indimmediate AND x.indpred IS NULL"
    };
}

macro_rules! user_tables {
    () => {
        "c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' AND c.oid >= $1
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND ($2::oid[] IS NULL OR c.oid = ANY($2))"
    };
}

const KEY: &str = concat!("SELECT ", key!(), " FROM pg_class c ", identity_index!(), " WHERE c.oid = $1");

// What is asked of each table by itself is asked ten thousand times: the names of a key are put together on our side, extensions are joined,
// the columns come sorted from their index.
const TABLES: &str = concat!(
    "SELECT ",
    facts!(),
    ", (x.indkey::int2[])[0:x.indnkeyatts - 1] AS key_numbers,
       current_setting('server_version_num')::int4 AS version_num,
       pg_get_userbyid(c.relowner)::text AS owner,
       NOT pg_is_in_recovery() AND coalesce(pg_has_role(c.relowner, 'USAGE'), false) AS may_publish,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use_schema,
       e.extname::text AS extension,
       CASE WHEN c.relkind = 'p'
            THEN EXISTS (SELECT FROM pg_index i
                         WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate)
            ELSE false END AS has_primary_key,
       coalesce(columns.numbers, '{}') AS column_numbers,
       coalesce(columns.names, '{}') AS column_names,
       coalesce(columns.types, '{}') AS column_types,
       coalesce(columns.modifiers, '{}') AS column_modifiers,
       coalesce(columns.not_nulls, '{}') AS column_not_nulls,
       coalesce(columns.generated, '{}') AS column_generated
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace ",
    identity_index!(),
    " LEFT JOIN (pg_depend d JOIN pg_extension e ON e.oid = d.refobjid)
        ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
          AND d.refclassid = 'pg_extension'::regclass
     LEFT JOIN LATERAL (
        SELECT array_agg(a.attnum) AS numbers,
               array_agg(a.attname::text) AS names,
               array_agg(a.atttypid) AS types,
               array_agg(a.atttypmod) AS modifiers,
               array_agg(a.attnotnull) AS not_nulls,
               array_agg(a.attgenerated) AS generated
        FROM (SELECT * FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              ORDER BY a.attnum) a
     ) columns ON true
     WHERE ",
    user_tables!()
);

// A partition whose DETACH CONCURRENTLY is pending is no longer read or published through its root.
const LEAVES: &str = concat!(
    "WITH RECURSIVE tree AS (
       SELECT c.oid AS root, c.oid AS relid
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'p' AND ",
    user_tables!(),
    "  UNION ALL
       SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.relid
       WHERE NOT coalesce((to_jsonb(i) ->> 'inhdetachpending')::bool, false)
     )
     SELECT t.root, ",
    key!(),
    ", ",
    facts!(),
    " FROM tree t
     JOIN pg_class c ON c.oid = t.relid AND c.relkind <> 'p'
     JOIN pg_namespace n ON n.oid = c.relnamespace ",
    identity_index!(),
    " ORDER BY t.root, n.nspname, c.relname"
);
