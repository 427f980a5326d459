//! A table as a capture sees it, and whether its updates and deletes may be published.

use std::collections::BTreeSet;

use super::quoted::quoted_name;

/// A user's table: a plain one, or the root of a partitioned one with its leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its number, which survives a rename.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// Whether it is partitioned, and so holds its rows in its leaves.
    pub partitioned: bool,
    /// Its columns in the order of their numbers, dropped ones left out.
    pub columns: Vec<Column>,
    /// Its own REPLICA IDENTITY setting. Each leaf has one of its own.
    pub replica_identity: ReplicaIdentity,
    /// Whether UPDATE and DELETE may be published without making them fail.
    pub identity: Identity,
    /// The columns of the identity's index, or under FULL of the primary key, in the index's order. Empty when there is none.
    pub index_key: Vec<String>,
    /// Those of them that are published, which make the key of a row. Generated columns are left out, unless a publication of the user's that
    /// publishes them is read: see `Table::publish_generated`.
    pub key: Vec<String>,
    /// Which rows a publication publishes, as an SQL condition; `None` for all. Only ever set where a publication of the user's is read.
    pub row_filter: Option<String>,
    /// The planner's row count; `None` before the first ANALYZE.
    pub rows_estimated: Option<u64>,
    /// Pages as of the last VACUUM or ANALYZE; of a partitioned table, of all its leaves.
    pub pages_estimated: u64,
    /// The leaves of a partitioned table, at any depth.
    pub leaves: Vec<Leaf>,
    /// The extension that the table belongs to, such as PostGIS's `spatial_ref_sys`: rarely what "all tables" means.
    pub extension: Option<String>,
    /// Whether our role has USAGE on the schema.
    pub may_use_schema: bool,
    /// Whether our role may SELECT every column.
    pub may_select: bool,
    /// Whether row-level security would hide rows from our role.
    pub row_security: bool,
    /// Whether our role may add it to a publication: it owns the table, or is in the role that does, or is a superuser. Not on a standby.
    pub may_publish: bool,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// `attnum`.
    pub number: i16,
    /// Its name.
    pub name: String,
    /// Its type's OID.
    pub type_oid: u32,
    /// Its type's modifier, -1 for none.
    pub type_modifier: i32,
    /// Whether it is declared NOT NULL.
    pub not_null: bool,
    /// Whether its value is computed.
    pub generated: Generated,
    /// Whether the stream holds it: a computed one only where a publication says so, from PostgreSQL 18 on.
    pub published: bool,
}

/// Whether a column's value is computed from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generated {
    /// An ordinary column.
    No,
    /// Computed at writing and stored.
    Stored,
    /// Computed at reading.
    Virtual,
}

/// `pg_class.relreplident`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key, if there is one.
    Default,
    /// None.
    Nothing,
    /// The whole row.
    Full,
    /// A chosen unique index.
    Index,
}

/// A leaf of a partitioned table.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its number.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its own REPLICA IDENTITY setting.
    pub replica_identity: ReplicaIdentity,
    /// The columns of its own identity's index, or of its primary key under FULL.
    pub key: Vec<String>,
    /// The planner's row count; `None` before the first ANALYZE.
    pub rows_estimated: Option<u64>,
    /// Pages as of the last VACUUM or ANALYZE.
    pub pages_estimated: u64,
    /// Whether it is a foreign table, whose changes never reach this server's log.
    pub foreign: bool,
    /// Whether it is unlogged, so that its changes never reach the log.
    pub unlogged: bool,
    /// Whether our role may SELECT every column of it directly.
    pub may_select: bool,
    /// Whether row-level security of its own would hide rows from our role when it is read directly.
    pub row_security: bool,
}

/// Whether UPDATE and DELETE of a table may be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Yes.
    Usable,
    /// No: PostgreSQL would refuse the application's UPDATE and DELETE.
    Missing(IdentityProblem),
}

/// Why a table has no usable replica identity. The name is that of a leaf, `None` when the table itself lacks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityProblem {
    /// REPLICA IDENTITY DEFAULT, and no primary key that is valid and checked at once.
    NoPrimaryKey(Option<String>),
    /// REPLICA IDENTITY NOTHING.
    Nothing(Option<String>),
    /// REPLICA IDENTITY USING INDEX, and the index is gone or not valid.
    NoIndex(Option<String>),
    /// A partitioned table has REPLICA IDENTITY FULL or USING INDEX and no primary key: a partition that is made later inherits neither, so
    /// that its UPDATE and DELETE would fail.
    NotInherited,
    /// The identity holds a generated column, which the publication does not publish (an error from PostgreSQL 18 on).
    Generated(Option<String>),
}

impl Table {
    /// `"schema"."name"`.
    pub fn quoted(&self) -> String {
        quoted_name(&self.schema, &self.name)
    }

    /// `schema.name`, for people.
    pub fn display_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Whether UPDATE and DELETE may be published without making them fail.
    pub fn has_usable_identity(&self) -> bool {
        self.identity == Identity::Usable
    }

    /// The columns that pgoutput sends and a snapshot reads: all but the generated ones, unless they are published too.
    pub fn published_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.published)
    }

    /// Marks every column as published, generated ones too, once `columns` holds no others.
    pub(crate) fn publish_generated(&mut self) {
        self.columns.iter_mut().for_each(|column| column.published = true);
        self.key =
            self.index_key.iter().filter(|name| self.columns.iter().any(|column| column.name == **name)).cloned().collect();
    }

    /// Whether UPDATE and DELETE are only in the way of generated columns that are among these, which are published. `columns` holds all columns.
    pub(crate) fn is_usable_with(&self, published: &[String]) -> bool {
        let Identity::Missing(IdentityProblem::Generated(_)) = self.identity else { return false };
        let is_held_back = |column: &Column| column.generated != Generated::No && !published.contains(&column.name);
        let is_told = |setting: ReplicaIdentity, key: &[String]| match setting {
            ReplicaIdentity::Nothing => false,
            ReplicaIdentity::Full => !self.columns.iter().any(is_held_back),
            ReplicaIdentity::Default | ReplicaIdentity::Index => {
                !key.is_empty() && !self.columns.iter().any(|column| is_held_back(column) && key.contains(&column.name))
            }
        };
        // Of an index that was chosen for the root, it is not known here whether it is the primary key, which alone is inherited.
        let is_inherited = !self.partitioned
            || match self.replica_identity {
                ReplicaIdentity::Index => false,
                ReplicaIdentity::Full => !self.index_key.is_empty(),
                ReplicaIdentity::Default | ReplicaIdentity::Nothing => true,
            };
        let mut replicated_leaves = self.leaves.iter().filter(|leaf| !leaf.foreign && !leaf.unlogged);
        is_inherited
            && is_told(self.replica_identity, &self.index_key)
            && replicated_leaves.all(|leaf| is_told(leaf.replica_identity, &leaf.key))
    }

    /// Leaves whose identity does not hold the key of the root: an update or delete in them comes without some of the key's columns.
    /// PostgreSQL allows it, so such a table is published, and the user should know.
    pub fn uneven_leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| {
            let replicated = !leaf.foreign && !leaf.unlogged;
            let uneven = match (self.replica_identity, leaf.replica_identity) {
                (_, ReplicaIdentity::Full) => false,
                (ReplicaIdentity::Full, _) => true,
                _ => {
                    let held: BTreeSet<&String> = leaf.key.iter().collect();
                    !self.key.iter().all(|column| held.contains(column))
                }
            };
            replicated && uneven
        })
    }
}

impl Leaf {
    /// `"schema"."name"`.
    pub fn quoted(&self) -> String {
        quoted_name(&self.schema, &self.name)
    }
}

impl ReplicaIdentity {
    pub(super) fn from_letter(letter: char) -> Self {
        match letter {
            'n' => ReplicaIdentity::Nothing,
            'f' => ReplicaIdentity::Full,
            'i' => ReplicaIdentity::Index,
            _ => ReplicaIdentity::Default,
        }
    }
}

impl Generated {
    pub(super) fn from_letter(letter: char) -> Self {
        match letter {
            's' => Generated::Stored,
            'v' => Generated::Virtual,
            _ => Generated::No,
        }
    }
}
