//! Looks at the catalog: which tables are there, which are wanted, and what is published of them. Once at the start, then all the time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use waltap_error::{Code, Error, Kind, Result};
use waltap_postgres::catalog::{Fingerprint, Identity, Table};
use waltap_postgres::preflight::identity_statements;
use waltap_postgres::publication::{Digest, Reconciled};
use waltap_postgres::slot::publication_names;

use super::Context;
use crate::publications::{Memory, Published};
use crate::source::Sql;

/// How often the end of the server's log is asked for.
const SLOT_INTERVAL: Duration = Duration::from_secs(5);

/// How long to wait before a connection that was lost is made again.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// How long the reason for a missing publication is waited for before the server's own word must do.
const EXPLANATION_PATIENCE: Duration = Duration::from_secs(10);

/// For how long a look makes do with a catalog that was read before it: it may have been waited for Kafka meanwhile.
const CATALOG_AGE_MAX: Duration = Duration::from_secs(2);

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
    /// The digest of the publications.
    published: String,
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

/// The publications that a tap reads, and whether waltap makes them itself.
pub(crate) fn publications(context: &Context) -> (Vec<String>, bool) {
    match &context.options().publication {
        Some(name) => (vec![name.clone()], false),
        None => (publication_names(&context.name).both().map(str::to_owned).to_vec(), true),
    }
}

/// The tables that are wanted, as they were read.
pub(crate) struct Catalog {
    fingerprint: Fingerprint,
    wanted: Vec<Table>,
    read: Instant,
}

impl Catalog {
    pub(crate) async fn read(context: &Context, sql: &Sql) -> Result<Self> {
        let read = Instant::now();
        // Before the tables, so that what changes in between is noticed at the next comparison.
        let fingerprint = sql.fingerprint().await?;
        let wanted = sql.tables().await?.into_iter().filter(|table| context.wants(table)).collect();
        Ok(Catalog { fingerprint, wanted, read })
    }

    /// How many bytes a change of these tables takes on average, if that is known.
    pub(crate) async fn change_bytes(&self, sql: &Sql) -> Option<u64> {
        // Changes of the others are in no log.
        let leaves = self.wanted.iter().flat_map(|table| &table.leaves).filter(|leaf| !leaf.foreign && !leaf.unlogged);
        let relations: Vec<u32> = self.wanted.iter().map(|table| table.oid).chain(leaves.map(|leaf| leaf.oid)).collect();
        sql.change_bytes(&relations).await
    }

    fn is_fresh(&self) -> bool {
        self.read.elapsed() < CATALOG_AGE_MAX
    }
}

/// Looks once, and makes the publications fit. What somebody else has taken away from them is an error, before anything is mended. `catalog`: as
/// it was read just before, if it was; what has changed since is noticed by the fingerprint.
pub(crate) async fn look(
    context: &Context,
    sql: &mut Sql,
    memory: &mut Memory,
    expectation: Expectation<'_>,
    catalog: Option<Catalog>,
) -> Result<Look> {
    let catalog = match catalog.filter(Catalog::is_fresh) {
        Some(catalog) => catalog,
        None => Catalog::read(context, sql).await?,
    };
    let Catalog { fingerprint, wanted, .. } = catalog;
    let before = compare(sql, memory, &wanted).await?;
    if context.options().publication.is_none() && !wanted.is_empty() {
        memory.before_reconciling(&before.1, &wanted).await?;
    }
    let look = look_at(context, sql, &wanted, fingerprint, expectation).await?;
    // Again, since somebody may have been quicker, and waltap would have mended it.
    let (digest, published) = compare_again(sql, memory, before, &wanted, &look.tables).await?;
    memory.keep(published, digest.lsn).await?;
    Ok(Look { published: digest.text, ..look })
}

/// Holds what is published against what is remembered. The digest is older than what was compared: what changes later shows in the next one.
async fn compare(sql: &Sql, memory: &mut Memory, captured: &[Table]) -> Result<(Digest, Published)> {
    let digest = sql.publications_digest(memory.names()).await?;
    let oids: Vec<u32> = captured.iter().map(|table| table.oid).collect();
    let published = Published::new(sql.publications(memory.names(), &oids).await?, captured);
    memory.check(&published, captured, digest.lsn).await?;
    Ok((digest, published))
}

/// The same once more, after a comparison `before` for tables that were `wanted`. By the digest, nothing has been changed since in between: then
/// what was read of the publications then is what they are now.
async fn compare_again(
    sql: &Sql,
    memory: &mut Memory,
    before: (Digest, Published),
    wanted: &[Table],
    captured: &[Table],
) -> Result<(Digest, Published)> {
    let digest = sql.publications_digest(memory.names()).await?;
    let is_as_before =
        digest.text == before.0.text && captured.iter().map(|table| table.oid).eq(wanted.iter().map(|table| table.oid));
    if !is_as_before {
        return compare(sql, memory, captured).await;
    }
    memory.check(&before.1, captured, digest.lsn).await?;
    Ok((digest, before.1))
}

async fn look_at(
    context: &Context,
    sql: &mut Sql,
    wanted: &[Table],
    fingerprint: Fingerprint,
    expectation: Expectation<'_>,
) -> Result<Look> {
    let published = String::new();
    if let Some(name) = context.options().publication.as_ref().filter(|_| !wanted.is_empty()) {
        let found = sql.inspect_publication(name, wanted).await?;
        for warning in &found.warnings {
            tracing::warn!(database = context.database, publication = name, "{warning}");
        }
        let is_published = |table: &&Table| found.published.iter().any(|published| published.oid == table.oid);
        let tables = wanted.iter().filter(is_published).cloned().collect();
        let publications = vec![name.clone()];
        return Ok(Look { tables, publications, unpublished: Vec::new(), fingerprint, published });
    }
    let names = publication_names(&context.name);
    let (publications, _) = publications(context);
    if wanted.is_empty() {
        // Publications that are there stay as they are: what they publish is filtered on our side too.
        return Ok(Look { tables: Arc::from([]), publications, unpublished: Vec::new(), fingerprint, published });
    }
    let mut reconciled = sql.reconcile(&names, wanted, &fingerprint).await?;
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
    Ok(Look { tables: reconciled.tables.into(), publications, unpublished, fingerprint, published })
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
        false => {
            let place = if context.recovery.is_standby() { "on the primary, " } else { "" };
            format!("let the owner of the tables run, {place}in database {}:\n{remedy}", context.database)
        }
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
    looks: mpsc::Receiver<Result<Look>>,
    /// Asks for the next look at once.
    hurry: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Discovery {
    pub(crate) fn start(context: Context, last: &Look, memory: Memory) -> Self {
        let (sender, looks) = mpsc::channel(1);
        let hurry = Arc::new(Notify::new());
        let work = Work { context, last: last.clone(), memory, looks: sender, hurry: Arc::clone(&hurry), slot_asked: None };
        Discovery { looks, hurry, task: tokio::spawn(work.run()) }
    }

    /// Waits until the tables have changed. An error is one that the tap must not go on with. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Look> {
        match self.looks.recv().await {
            Some(look) => look,
            // The task only ends with the tap; should it break, the tap goes on with the tables that it has.
            None => std::future::pending().await,
        }
    }

    /// The server has no such publication, it says: what has become of it is known after the next look.
    pub(crate) async fn explained(&mut self, error: Error) -> Error {
        self.hurry.notify_one();
        let explanation = async {
            loop {
                if let Err(error) = self.next().await {
                    return error;
                }
            }
        };
        tokio::time::timeout(EXPLANATION_PATIENCE, explanation).await.unwrap_or(error)
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
    memory: Memory,
    looks: mpsc::Sender<Result<Look>>,
    hurry: Arc<Notify>,
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
            tokio::select! {
                biased;
                () = self.hurry.notified() => {}
                () = tokio::time::sleep(self.context.options().discovery_interval) => {}
            }
            self.context.recovery.look(&sql).await?;
            self.ask_slot(&sql).await?;
            let published = sql.publications_digest(self.memory.names()).await?;
            let now = sql.fingerprint().await?;
            // What the owner mends, such as a publication, need not be in the tables.
            if now == self.last.fingerprint && published.text == self.last.published && self.last.unpublished.is_empty() {
                self.memory.note(published.lsn).await?;
                continue;
            }
            match look(&self.context, &mut sql, &mut self.memory, Expectation::Known(Some(&self.last)), None).await {
                Ok(look) => {
                    self.last = look.clone();
                    // Nobody waits any more: the session is over, and this task with it.
                    let _ = self.looks.send(Ok(look)).await;
                }
                Err(error) if error.kind() == Kind::Transient => return Err(error),
                Err(error) if error.code() == Code::PUBLICATION_CHANGED => {
                    // The session may be waiting for Kafka, and take it later.
                    tracing::warn!(database = self.context.database, error = error.report(), "the tap is about to stop");
                    let _ = self.looks.send(Err(error)).await;
                    return std::future::pending().await;
                }
                Err(error) => {
                    // Said once for each change, not once a second.
                    (self.last.fingerprint, self.last.published) = (now, published.text);
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

    /// Puts on the board where the server's log ends. What it keeps for the slot the guard shows.
    async fn ask_slot(&mut self, sql: &Sql) -> Result<()> {
        if self.slot_asked.is_some_and(|asked| asked.elapsed() < SLOT_INTERVAL) {
            return Ok(());
        }
        self.slot_asked = Some(Instant::now());
        let Some(state) = sql.slot(&self.context.slot).await? else { return Ok(()) };
        let mut facts = self.context.board.facts();
        facts.server = facts.server.max(state.server_lsn);
        Ok(())
    }
}
