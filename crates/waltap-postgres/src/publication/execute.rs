//! Carries a plan out.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use waltap_error::{Code, Error, Result};

use super::membership::membership;
use super::plan::{Change, Current, Plan, Problem, Rights, Transaction, enumerated, plan};
use super::remedy::{grant_statements, owner_statements};
use crate::catalog::{Fingerprint, Table, fingerprint, is_standby, tables_by_oid};
use crate::refusal::{is_state, refused};
use crate::slot::PublicationNames;

/// How long a statement waits for the lock of a table. ALTER PUBLICATION takes SHARE UPDATE EXCLUSIVE, which lets reads and writes pass,
/// but an ALTER TABLE that queues behind us would stop them, so that we do not wait long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the plan is made anew because the tables changed under it or were locked.
const ATTEMPTS_MAX: u32 = 10;

/// The pause before the next attempt, so that whoever held the lock gets on.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(300);

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reconciled {
    /// What was changed, in order. Logged already.
    pub changes: Vec<Change>,
    /// What our role has no right to change. Empty: every wanted table is published as it can be.
    pub problems: Vec<Problem>,
    /// The statements for the owner; set when there are problems.
    pub remedy: Option<String>,
    /// What is odd and left as it is.
    pub warnings: Vec<String>,
    /// The wanted tables as they are now: some may have gone, been renamed or got another identity since they were chosen.
    pub tables: Vec<Table>,
}

impl Reconciled {
    /// The wanted tables, by OID, that are not published with what they could be, because our role may not do it.
    pub fn unpublished(&self) -> Vec<u32> {
        let oid = |problem: &Problem| match problem {
            Problem::Unpublished { oid, .. } => Some(*oid),
            Problem::Missing { .. } | Problem::Option { .. } | Problem::Harmful { .. } => None,
        };
        self.problems.iter().filter_map(oid).collect()
    }

    /// An error with the owner's statements when something could not be done.
    pub fn require_complete(&self) -> Result<()> {
        let Some(remedy) = &self.remedy else { return Ok(()) };
        let problems: Vec<String> = self.problems.iter().map(Problem::to_string).collect();
        let what = enumerated(problems.iter().map(String::as_str));
        Err(Error::configuration(Code::PUBLICATION, format!("our role may not change the publications: {what}")).remedy(remedy))
    }
}

/// What the publications of a capture are now.
pub async fn current(client: &Client, names: &PublicationNames) -> Result<Current> {
    Ok(Current { all: membership(client, &names.all).await?, inserts: membership(client, &names.inserts).await? })
}

/// The plan for the wanted tables with the rights that our role has. Changes nothing.
pub async fn plan_now(client: &Client, names: &PublicationNames, wanted: &[Table]) -> Result<(Current, Plan)> {
    const DOING: &str = "asking whether publications may be made";
    let current = current(client, names).await?;
    let row = client
        .query_one("SELECT NOT pg_is_in_recovery() AND has_database_privilege(current_database(), 'CREATE')", &[])
        .await
        .map_err(|error| refused(DOING, error))?;
    let may_create = row.try_get(0).map_err(|error| refused(DOING, error))?;
    let plan = plan(names, &current, wanted, Rights::Own { may_create });
    Ok((current, plan))
}

/// Makes the publications of a capture publish the wanted tables, as far as our role may, and says what is left to do for the owner.
///
/// The tables are looked at anew, so that a list that is a little old does no harm; unless the catalog's fingerprint is still the one that it
/// had before they were `read`. What no fingerprint tells, such as a membership of our role, may then be as old as the list. Safe against everything that happens meanwhile: a
/// table that gains all operations is checked again under the lock that ALTER PUBLICATION holds on it, and what was dropped or locked
/// makes the plan anew. Until this has returned without problems nothing may rely on what is published.
pub async fn reconcile(
    client: &mut Client,
    names: &PublicationNames,
    wanted: &[Table],
    read: Option<&Fingerprint>,
) -> Result<Reconciled> {
    let oids: Vec<u32> = wanted.iter().map(|table| table.oid).collect();
    let mut changes = Vec::new();
    let mut attempt = 1;
    loop {
        let is_as_read = match read.filter(|_| attempt == 1) {
            Some(read) => fingerprint(client).await? == *read,
            None => false,
        };
        let tables = if is_as_read { wanted.to_vec() } else { tables_by_oid(client, &oids).await? };
        let (current, plan) = plan_now(client, names, &tables).await?;
        match execute_all(client, &plan.transactions, &mut changes).await {
            Ok(()) => return finish(client, names, current, plan, tables, changes).await,
            Err(Interrupted::Failed(error)) => return Err(error),
            Err(Interrupted::Changed(error)) if attempt >= ATTEMPTS_MAX => return Err(error),
            Err(Interrupted::Changed(error)) => {
                tracing::debug!(attempt, error = %error.report(), "the tables changed or were locked while they were being published");
            }
        }
        attempt += 1;
        sleep(ATTEMPT_PAUSE).await;
    }
}

async fn finish(
    client: &Client,
    names: &PublicationNames,
    before: Current,
    plan: Plan,
    tables: Vec<Table>,
    changes: Vec<Change>,
) -> Result<Reconciled> {
    let remedy = match plan.problems.is_empty() {
        true => None,
        false => {
            let now = if plan.transactions.is_empty() { before } else { current(client, names).await? };
            Some(remedy(client, names, &now, &tables).await?)
        }
    };
    Ok(Reconciled { changes, problems: plan.problems, remedy, warnings: plan.warnings, tables })
}

/// The owner's statements, with the grants that reading needs and a word on who has to run them.
pub(crate) async fn remedy(client: &Client, names: &PublicationNames, current: &Current, tables: &[Table]) -> Result<String> {
    let doing = "asking for the name of our role";
    let row = client.query_one("SELECT current_user::text", &[]).await.map_err(|error| refused(doing, error))?;
    let role: String = row.try_get(0).map_err(|error| refused(doing, error))?;
    let mut owners: Vec<&str> = tables.iter().filter(|table| !table.may_publish).map(|table| table.owner.as_str()).collect();
    owners.extend(
        [&current.all, &current.inserts].into_iter().flatten().filter(|known| !known.may_alter).map(|known| known.owner.as_str()),
    );
    owners.sort_unstable();
    owners.dedup();
    let who = match owners.as_slice() {
        [] => "as a role with CREATE on this database".to_owned(),
        [owner] => format!("as {owner}, with CREATE on this database"),
        owners => format!("as a superuser, or a role that is a member of {}", owners.join(", ")),
    };
    let place = if is_standby(client).await? { "on the primary, " } else { "" };
    Ok(format!("-- {place}{who}:\n{}{}", owner_statements(names, current, tables), grant_statements(&role, tables)))
}

enum Interrupted {
    /// Planning anew will help.
    Changed(Error),
    /// It will not.
    Failed(Error),
}

async fn execute_all(client: &mut Client, transactions: &[Transaction], changes: &mut Vec<Change>) -> Result<(), Interrupted> {
    for transaction in transactions {
        execute(client, transaction).await?;
        for change in &transaction.changes {
            tracing::info!("{change}");
        }
        changes.extend_from_slice(&transaction.changes);
    }
    Ok(())
}

async fn execute(client: &mut Client, planned: &Transaction) -> Result<(), Interrupted> {
    const DOING: &str = "changing the publications";
    let failed = |error| interrupted(DOING, error);
    // Dropped on every way out but the last, it rolls back.
    let transaction = client.transaction().await.map_err(failed)?;
    let timeout = format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis());
    transaction.batch_execute(&timeout).await.map_err(failed)?;
    for statement in &planned.statements {
        transaction.batch_execute(statement).await.map_err(failed)?;
    }
    if !planned.gained.is_empty() {
        // From here on the lock of ALTER PUBLICATION keeps their identities as they are.
        let tables = tables_by_oid(transaction.client(), &planned.gained).await.map_err(Interrupted::Failed)?;
        let safe = tables.iter().filter(|table| table.has_usable_identity()).count();
        if safe < planned.gained.len() {
            let error = Error::transient(Code::PUBLICATION, "a table lost its replica identity while it was being published");
            return Err(Interrupted::Changed(error));
        }
    }
    transaction.commit().await.map_err(failed)
}

fn interrupted(doing: &str, error: tokio_postgres::Error) -> Interrupted {
    // Dropped or renamed meanwhile; made a partition, a view or unlogged; added by another; locked; rights lost; deadlock.
    let passing = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_OBJECT,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::INVALID_PARAMETER_VALUE,
        SqlState::WRONG_OBJECT_TYPE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    match passing.iter().any(|state| is_state(&error, state)) {
        true => Interrupted::Changed(Error::transient(Code::PUBLICATION, doing).source(error)),
        false => Interrupted::Failed(refused(doing, error)),
    }
}
