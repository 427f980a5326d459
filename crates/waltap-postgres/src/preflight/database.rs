//! The checks of one database.

use tokio_postgres::Client;
use waltap_error::{Code, Result};

use super::finding::{Finding, Level};
use super::standby::{ON_THE_PRIMARY, SAYS_WHERE};
use crate::catalog::{IdentityProblem, Table, is_standby, quoted_identifier};
use crate::publication::{enumerated, grant_statements, inspect, plan_now, remedy};
use crate::slot::PublicationNames;

/// Which publication a capture uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicationNeeds {
    /// Its own two.
    Own(PublicationNames),
    /// One that the user made.
    User(String),
}

/// What a capture wants of a database.
#[derive(Clone, Debug)]
pub struct DatabaseNeeds<'a> {
    /// The database that the session is in.
    pub database: &'a str,
    /// The role that the session runs as.
    pub role: &'a str,
    /// The chosen tables.
    pub tables: &'a [Table],
    /// The publication.
    pub publication: PublicationNeeds,
    /// Whether rows are read, for which SELECT is needed.
    pub snapshot: bool,
}

/// Everything that can be told of one database, over a session in it.
pub async fn check_database(client: &Client, needs: &DatabaseNeeds<'_>) -> Result<Vec<Finding>> {
    let mut findings = judge_tables(needs);
    match &needs.publication {
        // None is made before there is a table.
        PublicationNeeds::Own(_) if needs.tables.is_empty() => {}
        PublicationNeeds::Own(names) => findings.extend(own_publications(client, names, needs).await?),
        PublicationNeeds::User(name) => findings.extend(user_publication(client, name, needs).await?),
    }
    if is_standby(client).await? {
        for remedy in findings.iter_mut().filter_map(|finding| finding.remedy.as_mut()) {
            if !remedy.starts_with(SAYS_WHERE) {
                remedy.insert_str(0, ON_THE_PRIMARY);
            }
        }
    }
    Ok(findings.into_iter().map(|finding| finding.database(needs.database)).collect())
}

/// What the tables themselves tell.
pub fn judge_tables(needs: &DatabaseNeeds<'_>) -> Vec<Finding> {
    let mut findings = vec![match needs.tables.len() {
        0 => Finding::ok("no table is chosen here, so there is nothing to capture yet"),
        1 => Finding::ok("1 table is chosen"),
        count => Finding::ok(format!("{count} tables are chosen")),
    }];
    if needs.snapshot {
        findings.extend(select_right(needs));
        findings.extend(row_security(needs));
    }
    findings.extend(without_identity(needs));
    findings.extend(uneven_leaves(needs));
    findings.extend(unlogged_leaves(needs));
    findings
}

fn select_right(needs: &DatabaseNeeds<'_>) -> Option<Finding> {
    if needs.tables.is_empty() {
        return None;
    }
    let statements = grant_statements(needs.role, needs.tables);
    if statements.is_empty() {
        return Some(Finding::ok(format!("the role {} may read all chosen tables", needs.role)));
    }
    let unreadable = names(needs.tables.iter().filter(|table| !table.may_select || !table.may_use_schema));
    Some(
        Finding::problem(Code::SELECT_RIGHT, format!("the role {} may not read {}", needs.role, enumerate(&unreadable)))
            .remedy(statements),
    )
}

fn row_security(needs: &DatabaseNeeds<'_>) -> Option<Finding> {
    let hidden = names(needs.tables.iter().filter(|table| table.row_security));
    let what = format!("row-level security would hide rows of {} from the snapshot", enumerate(&hidden));
    let remedy = format!("ALTER ROLE {} BYPASSRLS;", quoted_identifier(needs.role));
    (!hidden.is_empty()).then(|| Finding::problem(Code::ROW_SECURITY, what).remedy(remedy))
}

/// Tables of which only INSERT and TRUNCATE can be published.
fn without_identity(needs: &DatabaseNeeds<'_>) -> Option<Finding> {
    let without: Vec<&Table> = needs.tables.iter().filter(|table| !table.has_usable_identity()).collect();
    if without.is_empty() {
        return None;
    }
    let names = names(without.iter().copied());
    let what =
        format!("only INSERT and TRUNCATE are captured of tables without a usable replica identity: {}", enumerate(&names));
    let statements: Vec<String> = without.iter().flat_map(|table| identity_statements(table)).collect();
    Some(Finding::warning(what).remedy(statements.join("\n")))
}

/// The statements that give a table, or the leaves of it that need one, a replica identity.
pub fn identity_statements(table: &Table) -> Vec<String> {
    use crate::catalog::{Identity, ReplicaIdentity};
    let usable = |setting: ReplicaIdentity, key: &[String]| match setting {
        ReplicaIdentity::Full => true,
        ReplicaIdentity::Nothing => false,
        ReplicaIdentity::Default | ReplicaIdentity::Index => !key.is_empty(),
    };
    let alter = |name: String| format!("ALTER TABLE {name} REPLICA IDENTITY FULL; -- or give it a primary key");
    if let Identity::Missing(IdentityProblem::Generated(_)) = table.identity {
        return vec![format!(
            "-- {}: choose a unique index without generated columns: ALTER TABLE {} REPLICA IDENTITY USING INDEX ...;",
            table.display_name(),
            table.quoted()
        )];
    }
    if table.identity == Identity::Missing(IdentityProblem::NotInherited) {
        return vec![format!(
            "ALTER TABLE {} ADD PRIMARY KEY (...); -- a partition that is made later inherits nothing else",
            table.quoted()
        )];
    }
    let own = (!usable(table.replica_identity, &table.key)).then(|| alter(table.quoted()));
    let leaves = table
        .leaves
        .iter()
        .filter(|leaf| !leaf.foreign && !leaf.unlogged && !usable(leaf.replica_identity, &leaf.key))
        .map(|leaf| alter(leaf.quoted()));
    own.into_iter().chain(leaves).collect()
}

fn uneven_leaves(needs: &DatabaseNeeds<'_>) -> Option<Finding> {
    let leaves: Vec<String> = needs
        .tables
        .iter()
        .filter(|table| table.has_usable_identity())
        .flat_map(|table| table.uneven_leaves())
        .map(|leaf| leaf.quoted())
        .collect();
    let statements: Vec<String> = leaves.iter().map(|leaf| format!("ALTER TABLE {leaf} REPLICA IDENTITY FULL;")).collect();
    (!leaves.is_empty()).then(|| {
        Finding::warning(format!(
            "the replica identity of these partitions lacks columns of their root's, which are null in their updates and deletes: {}",
            enumerate(&leaves)
        ))
        .remedy(statements.join("\n"))
    })
}

fn unlogged_leaves(needs: &DatabaseNeeds<'_>) -> Option<Finding> {
    let silent = |leaf: &&crate::catalog::Leaf| leaf.foreign || leaf.unlogged;
    let leaves: Vec<String> =
        needs.tables.iter().flat_map(|table| &table.leaves).filter(silent).map(|leaf| leaf.quoted()).collect();
    (!leaves.is_empty()).then(|| {
        Finding::warning(format!("changes of foreign and unlogged partitions never reach the log: {}", enumerate(&leaves)))
    })
}

async fn own_publications(client: &Client, names: &PublicationNames, needs: &DatabaseNeeds<'_>) -> Result<Vec<Finding>> {
    let (current, plan) = plan_now(client, names, needs.tables).await?;
    let mut findings: Vec<Finding> = plan.warnings.iter().map(Finding::warning).collect();
    let changes = plan.transactions.iter().map(|transaction| transaction.changes.len()).sum::<usize>();
    findings.push(match (plan.problems.is_empty(), changes) {
        (true, 0) => Finding::ok(format!("the publications {} and {} are as they should be", names.all, names.inserts)),
        (true, _) => {
            Finding::ok(format!("the publications {} and {} will be made or brought up to date", names.all, names.inserts))
        }
        (false, _) => {
            let problems: Vec<String> = plan.problems.iter().map(ToString::to_string).collect();
            Finding::problem(Code::PUBLICATION, enumerate(&problems)).remedy(remedy(client, names, &current, needs.tables).await?)
        }
    });
    Ok(findings)
}

async fn user_publication(client: &Client, name: &str, needs: &DatabaseNeeds<'_>) -> Result<Vec<Finding>> {
    let publication = match inspect(client, name, needs.tables).await {
        Ok(publication) => publication,
        // Nothing would come of it, but the tap of this database cannot run.
        Err(error) if error.code() == Code::PUBLICATION && needs.tables.is_empty() => {
            let finding = Finding::warning(error.message()).code(Code::PUBLICATION);
            return Ok(vec![finding.remedy("leave the database out with --database; or make the publication here too")]);
        }
        Err(error) if error.code() == Code::PUBLICATION => {
            let finding = Finding::problem(Code::PUBLICATION, error.message());
            return Ok(vec![finding.remedy(publication_statement(name, needs.tables))]);
        }
        Err(error) => return Err(error),
    };
    let mut findings: Vec<Finding> = publication.warnings.iter().map(Finding::warning).collect();
    if findings.iter().all(|finding| finding.level == Level::Ok) {
        findings.push(Finding::ok(format!("the publication {name} publishes all chosen tables")));
    }
    Ok(findings)
}

/// The statement that makes a publication of the chosen tables, but for those whose UPDATE and DELETE would fail by it.
fn publication_statement(name: &str, tables: &[Table]) -> String {
    let (usable, bare): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|table| table.has_usable_identity());
    let listed: Vec<String> = usable.iter().map(|table| table.quoted()).collect();
    let of = if listed.is_empty() { String::new() } else { format!(" FOR TABLE {}", listed.join(", ")) };
    let mut text = format!("CREATE PUBLICATION {}{of} WITH (publish_via_partition_root = true);", quoted_identifier(name));
    if !bare.is_empty() {
        let bare = names(bare.into_iter());
        text.push_str(&format!(
            "\n-- left out, since their UPDATE and DELETE would fail without a replica identity: {}",
            enumerate(&bare)
        ));
    }
    text
}

fn names<'a>(tables: impl Iterator<Item = &'a Table>) -> Vec<String> {
    tables.map(Table::display_name).collect()
}

fn enumerate(names: &[String]) -> String {
    enumerated(names.iter().map(String::as_str))
}
