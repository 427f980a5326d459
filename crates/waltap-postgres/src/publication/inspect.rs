//! A publication that the user made: looked at, never changed.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::Client;
use waltap_error::{Code, Error, Result};

use super::membership::{Operations, Publication, membership};
use super::plan::enumerated;
use super::published::parts;
use crate::catalog::{Identity, IdentityProblem, Table, is_standby, quoted_identifier};

/// What a user's publication gives us of the chosen tables.
#[derive(Clone, Debug, PartialEq)]
pub struct UserPublication {
    /// The publication itself.
    pub publication: Publication,
    /// Each chosen table that it publishes.
    pub published: Vec<PublishedTable>,
    /// The OIDs of chosen tables that it does not publish.
    pub unpublished: Vec<u32>,
    /// What the user should know of it, in sentences.
    pub warnings: Vec<String>,
}

/// A table that a user's publication publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedTable {
    /// Its OID.
    pub oid: u32,
    /// What is published of it.
    pub operations: Operations,
    /// Whether some rows are held back.
    pub row_filter: bool,
    /// Whether some columns are held back.
    pub column_list: bool,
}

/// Looks at the publication that the user named, and at what it means for the chosen tables.
pub async fn inspect(client: &Client, name: &str, wanted: &[Table]) -> Result<UserPublication> {
    let Some(publication) = membership(client, name).await? else { return Err(missing(client, name).await?) };
    // Only versions that can publish generated columns have this problem.
    let lacks_generated = |table: &Table| matches!(table.identity, Identity::Missing(IdentityProblem::Generated(_)));
    let parts = match wanted.iter().any(lacks_generated) {
        true => parts(client, name).await?,
        false => HashMap::new(),
    };
    let has_identity = |table: &Table| {
        table.has_usable_identity() || parts.get(&table.oid).is_some_and(|part| table.is_usable_with(&part.columns))
    };
    Ok(judge(publication, wanted, has_identity))
}

/// The publication that the user named is not there.
pub(super) async fn missing(client: &Client, name: &str) -> Result<Error> {
    let place = if is_standby(client).await? { "-- on the primary:\n" } else { "" };
    let missing = Error::configuration(Code::PUBLICATION, format!("there is no publication {name} in this database"));
    Ok(missing.remedy(format!(
        "{place}CREATE PUBLICATION {} FOR ALL TABLES WITH (publish_via_partition_root = true); -- or FOR TABLE, of those that are to be read",
        quoted_identifier(name)
    )))
}

fn judge(publication: Publication, wanted: &[Table], has_identity: impl Fn(&Table) -> bool) -> UserPublication {
    // Leaves that are listed without their root do not count: their changes appear under their own names.
    let (covered, uncovered): (Vec<&Table>, Vec<&Table>) = wanted.iter().partition(|table| publication.covers(table.oid));
    let listed = |table: &Table| publication.tables.get(&table.oid);
    let published: Vec<PublishedTable> = covered
        .iter()
        .map(|table| PublishedTable {
            oid: table.oid,
            operations: publication.operations,
            row_filter: listed(table).is_some_and(|listed| listed.row_filter),
            column_list: listed(table).is_some_and(|listed| listed.column_list),
        })
        .collect();
    let mut warnings = Vec::new();
    let mut warn_of = |what: &str, tables: Vec<String>| {
        if !tables.is_empty() {
            let names = enumerated(tables.iter().map(String::as_str));
            warnings.push(format!("the publication {} {what}: {names}", publication.name));
        }
    };
    let names = |tables: &[&Table], which: &dyn Fn(&Table) -> bool| -> Vec<String> {
        tables.iter().filter(|table| which(table)).map(|table| table.display_name()).collect()
    };
    warn_of("does not publish some chosen tables", names(&uncovered, &|_| true));
    warn_of("holds back rows of", names(&covered, &|table| listed(table).is_some_and(|listed| listed.row_filter)));
    warn_of("holds back columns of", names(&covered, &|table| listed(table).is_some_and(|listed| listed.column_list)));
    if !publication.via_root {
        warn_of(
            "publishes changes of partitions under the partitions' names (publish_via_partition_root is off)",
            names(&covered, &|table| table.partitioned),
        );
    }
    if publication.operations.update || publication.operations.delete {
        warn_of(
            "makes UPDATE and DELETE fail on tables without a replica identity",
            names(&covered, &|table| !has_identity(table)),
        );
    }
    if publication.operations != Operations::ALL {
        let all: BTreeSet<&str> = Operations::ALL.words().into_iter().collect();
        let there: BTreeSet<&str> = publication.operations.words().into_iter().collect();
        let lacking: Vec<&str> = all.difference(&there).copied().collect();
        warnings.push(format!("the publication {} does not publish {}", publication.name, lacking.join(", ")));
    }
    let unpublished = uncovered.iter().map(|table| table.oid).collect();
    UserPublication { published, unpublished, warnings, publication }
}
