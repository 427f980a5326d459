//! Looks at the catalog: which tables are there, which are wanted, and what is published of them. Once at the start, then all the time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use waltap_error::{Code, Error, Kind, Result};
use waltap_postgres::catalog::{Fingerprint, Identity, Table};
use waltap_postgres::preflight::identity_statements;
use waltap_postgres::publication::Reconciled;
use waltap_postgres::slot::publication_names;

use super::Context;
use crate::source::Sql;

/// How often the slot's retained log is asked for.
const SLOT_INTERVAL: Duration = Duration::from_secs(5);

/// How long to wait before a connection that was lost is made again.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// What a look found.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The tables that are captured.
    pub(crate) tables: Arc<[Table]>,
    /// The publications to stream.
    pub(crate) publications: Vec<String>,
    /// Wanted tables that the role may not publish: they are not captured.
    unpublished: Vec<u32>,
    fingerprint: Fingerprint,
}

/// What a look is for.
#[derive(Clone, Copy)]
pub(crate) enum Expectation<'a> {
    /// A capture that begins: it must have all that was asked for.
    First,
    /// One that goes on. It is not stopped by a table that somebody made and it may not publish: it says so, and captures the others. The
    /// last look, if any: nothing is warned of twice.
    Known(Option<&'a Look>),
}

/// Looks once, and makes the publications fit.
pub(crate) async fn look(context: &Context, sql: &mut Sql, expectation: Expectation<'_>) -> Result<Look> {
    // Before the tables, so that what changes in between is noticed at the next comparison.
    let fingerprint = sql.fingerprint().await?;
    let wanted: Vec<Table> = sql.tables().await?.into_iter().filter(|table| context.wants(table)).collect();
    if let Some(name) = context.options().publication.as_ref().filter(|_| !wanted.is_empty()) {
        let found = sql.inspect_publication(name, &wanted).await?;
        for warning in &found.warnings {
            tracing::warn!(database = context.database, publication = name, "{warning}");
        }
        let published = wanted.into_iter().filter(|table| found.published.iter().any(|published| published.oid == table.oid));
        let publications = vec![name.clone()];
        return Ok(Look { tables: published.collect(), publications, unpublished: Vec::new(), fingerprint });
    }
    let names = publication_names(&context.name);
    let publications = match &context.options().publication {
        Some(name) => vec![name.clone()],
        None => names.both().map(str::to_owned).to_vec(),
    };
    if wanted.is_empty() {
        // Publications that are there stay as they are: what they publish is filtered on our side too.
        return Ok(Look { tables: Arc::from(wanted), publications, unpublished: Vec::new(), fingerprint });
    }
    let mut reconciled = sql.reconcile(&names, &wanted).await?;
    let unpublished = reconciled.unpublished();
    let last = match expectation {
        Expectation::First => {
            check_rights(context, &reconciled)?;
            None
        }
        Expectation::Known(last) => {
            reconciled.tables.retain(|table| !unpublished.contains(&table.oid));
            context.board.facts().not_captured = match unpublished.len() {
                0 => None,
                count => Some(format!("{count} tables are not captured, since the role may not publish them: see the log")),
            };
            if last.is_none_or(|last| last.unpublished != unpublished)
                && let Err(error) = check_rights(context, &reconciled)
            {
                tracing::error!(
                    database = context.database,
                    code = %error.code(),
                    error = error.report(),
                    remedy = error.remedy_text(),
                    "some tables are not captured"
                );
                context.board.count(&error);
            }
            last
        }
    };
    for warning in &reconciled.warnings {
        tracing::warn!(database = context.database, "{warning}");
    }
    warn_of_missing_identities(context, &reconciled.tables, last.map(|last| &*last.tables).unwrap_or_default());
    Ok(Look { tables: reconciled.tables.into(), publications, unpublished, fingerprint })
}

fn check_rights(context: &Context, reconciled: &Reconciled) -> Result<()> {
    let Some(remedy) = &reconciled.remedy else { return Ok(()) };
    Err(Error::configuration(
        Code::PUBLICATION,
        format!("the role may not publish all of the chosen tables of database {}", context.database),
    )
    .remedy(match context.is_temporary() {
        // Its own publications are named after the process: nobody can make them beforehand.
        true => "a look at standard output makes publications for the moment: be a role that may; or read one that is there: --publication"
            .to_owned(),
        false => format!("let the owner of the tables run in database {}:\n{remedy}", context.database),
    }))
}

fn warn_of_missing_identities(context: &Context, tables: &[Table], known: &[Table]) {
    let is_known = |table: &Table| known.iter().any(|known| known.oid == table.oid && known.identity == table.identity);
    let is_missing = |table: &&Table| table.identity != Identity::Usable && !is_known(table);
    let missing: Vec<&Table> = tables.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<String> = missing.iter().map(|table| table.display_name()).collect();
    let statements: Vec<String> = missing.iter().flat_map(|table| identity_statements(table)).collect();
    tracing::warn!(
        database = context.database,
        tables = names.join(", "),
        remedy = statements.join(" "),
        "only INSERT and TRUNCATE are captured of tables without a replica identity, since publishing more would make their UPDATE and \
         DELETE fail; a primary key, or the remedy, gives them one"
    );
}

/// Looks again and again, in a task of its own with a connection of its own.
pub(crate) struct Discovery {
    looks: mpsc::Receiver<Look>,
    task: JoinHandle<()>,
}

impl Discovery {
    pub(crate) fn start(context: Context, last: &Look) -> Self {
        let (sender, looks) = mpsc::channel(1);
        let work = Work { context, last: last.clone(), looks: sender, slot_asked: None };
        Discovery { looks, task: tokio::spawn(work.run()) }
    }

    /// Waits until the tables have changed. Cancel safe.
    pub(crate) async fn next(&mut self) -> Look {
        match self.looks.recv().await {
            Some(look) => look,
            // The task only ends with the tap; should it break, the tap goes on with the tables that it has.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Work {
    context: Context,
    last: Look,
    looks: mpsc::Sender<Look>,
    slot_asked: Option<Instant>,
}

impl Work {
    async fn run(mut self) {
        loop {
            let Err(error) = self.watch().await;
            tracing::warn!(
                database = self.context.database,
                error = error.report(),
                "looking for new tables failed; trying again"
            );
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    async fn watch(&mut self) -> Result<std::convert::Infallible> {
        let mut sql = self.context.sql().await?;
        loop {
            tokio::time::sleep(self.context.options().discovery_interval).await;
            self.ask_slot(&sql).await?;
            let now = sql.fingerprint().await?;
            // What the owner mends, such as a publication, need not be in the tables.
            if now == self.last.fingerprint && self.last.unpublished.is_empty() {
                continue;
            }
            match look(&self.context, &mut sql, Expectation::Known(Some(&self.last))).await {
                Ok(look) => {
                    self.last = look.clone();
                    // Nobody waits any more: the session is over, and this task with it.
                    let _ = self.looks.send(look).await;
                }
                Err(error) if error.kind() == Kind::Transient => return Err(error),
                Err(error) => {
                    // Said once for each change, not once a second.
                    self.last.fingerprint = now;
                    tracing::error!(
                        database = self.context.database,
                        error = error.report(),
                        remedy = error.remedy_text(),
                        "tables have changed, and the publication cannot follow: new tables are not captured"
                    );
                }
            }
        }
    }

    /// Puts on the board how much log the server keeps for the slot.
    async fn ask_slot(&mut self, sql: &Sql) -> Result<()> {
        if self.slot_asked.is_some_and(|asked| asked.elapsed() < SLOT_INTERVAL) {
            return Ok(());
        }
        self.slot_asked = Some(Instant::now());
        let Some(state) = sql.slot(&self.context.slot).await? else { return Ok(()) };
        let mut facts = self.context.board.facts();
        facts.retained_wal_bytes = state.retained_bytes;
        facts.wal_status = state.wal_status.map(|status| status.as_str().to_owned());
        facts.server = facts.server.max(state.server_lsn);
        Ok(())
    }
}
