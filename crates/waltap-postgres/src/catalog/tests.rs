//! Tables made up for tests.

use super::{Column, Generated, Identity, Leaf, ReplicaIdentity, Table};

/// A number for a name: the same in every run.
fn oid(name: &str) -> u32 {
    name.bytes().fold(16_384, |oid, byte| oid * 31 % 1_000_003 + u32::from(byte))
}

/// `public.<name>` with a primary key, owned by us.
pub(crate) fn table(name: &str) -> Table {
    let column = |number, name: &str| Column {
        number,
        name: name.to_owned(),
        type_oid: 25,
        type_modifier: -1,
        not_null: false,
        generated: Generated::No,
        published: true,
    };
    Table {
        oid: oid(name),
        schema: "public".to_owned(),
        name: name.to_owned(),
        owner: "app".to_owned(),
        partitioned: false,
        columns: vec![column(1, "id"), column(2, "body")],
        replica_identity: ReplicaIdentity::Default,
        identity: Identity::Usable,
        index_key: vec!["id".to_owned()],
        key: vec!["id".to_owned()],
        row_filter: None,
        rows_estimated: None,
        pages_estimated: 0,
        leaves: Vec::new(),
        extension: None,
        may_use_schema: true,
        may_select: true,
        row_security: false,
        may_publish: true,
    }
}

/// A leaf of the same kind.
pub(crate) fn leaf(name: &str) -> Leaf {
    Leaf {
        oid: oid(name),
        schema: "public".to_owned(),
        name: name.to_owned(),
        replica_identity: ReplicaIdentity::Default,
        key: vec!["id".to_owned()],
        rows_estimated: None,
        pages_estimated: 0,
        foreign: false,
        unlogged: false,
        may_select: true,
        row_security: false,
    }
}
