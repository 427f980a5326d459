//! The opening of a session: everything from the first connection to a stream that is about to start.

use std::sync::Arc;

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;
use waltap_postgres::replication::SlotOptions;

use super::Context;
use super::anew::begin_anew;
use super::behind::{behind, end_of_pauses};
use super::chunks::{begin_joined, joined_in_chunks};
use super::claim::{Claim, claim};
use super::discovery::{Catalog, Expectation, Look, look, publications};
use super::examination::{Examination, examine};
use super::export::{HeldSnapshot, export, exported, patiently};
use super::leaves::note_leaves;
use super::side_topics::SideTopics;
use crate::options::SnapshotMode;
use crate::position::Position;
use crate::progress::{Progress, SlotRecord};
use crate::publications::Memory;
use crate::sink::{Reports, Sink};
use crate::slot_plan::{Kinship, SlotPlan, check_standby, check_two_phase};
use crate::snapshot::ExportedSnapshot;
use crate::source::{Replication, Sql};

/// What a session starts from.
pub(crate) enum Opening {
    /// No table is wanted here, and there is no slot: nothing to do until one appears.
    Idle,
    Ready(Box<Ready>),
}

pub(crate) struct Ready {
    pub(crate) look: Look,
    /// What is remembered of the publications.
    pub(crate) memory: Memory,
    pub(crate) progress: Progress,
    /// Holds the new slot's snapshot, when there is one, until it streams.
    pub(crate) replication: Replication,
    /// Where the slot stands.
    pub(crate) start: Lsn,
    pub(crate) record: SlotRecord,
    /// Up to where everything is in Kafka, but for tables that are behind.
    pub(crate) known: Option<Position>,
    pub(crate) rows: Rows,
    /// Where events go. With Kafka transactions, those of earlier sessions are over.
    pub(crate) sink: Arc<Sink>,
    pub(crate) reports: Reports,
    pub(crate) claim: Claim,
    /// Topics that are no table's.
    pub(crate) side_topics: SideTopics,
}

/// The rows to be read before, or while, the stream starts.
pub(crate) enum Rows {
    None,
    /// Under the snapshot of the slot that was just made.
    OfNewSlot {
        tables: Vec<Table>,
        snapshot: ExportedSnapshot,
    },
    /// Under a snapshot of its own.
    Later(Box<HeldSnapshot>),
}

/// Opens. The order matters: the claim before progress, what is there before what is changed, publication before slot, progress before slot,
/// slot before rows.
pub(crate) async fn open(context: &Context) -> Result<Opening> {
    {
        // What the session before waited for.
        let mut facts = context.board.facts();
        (facts.waiting_for, facts.waiting_for_transactions) = (None, None);
    }
    let mut sql = context.sql().await?;
    if context.recovery.ask(&sql).await? {
        check_standby(&context.options().name, sql.version_number(), None, None)?;
    }
    if !context.is_temporary() {
        claim(context, &sql).await?;
    }
    // Again, since the claim may have been waited for until long after a promotion.
    let is_standby = context.recovery.ask(&sql).await?;
    // Both sides at once, since with thousands of tables either takes its time. Nothing is changed yet on any.
    let kafka = async {
        let cluster = context.same_cluster().await?;
        Ok::<_, Error>((cluster, Progress::peek(context.store()).await?))
    };
    let postgres = async {
        let catalog = Catalog::read(context, &sql).await?;
        let change_bytes = catalog.change_bytes(&sql).await;
        Ok::<_, Error>((catalog, change_bytes))
    };
    let (kafka, postgres) = tokio::join!(kafka, Box::pin(postgres));
    let (cluster, (mut progress, is_settled)) = kafka?;
    if is_standby && let Some(record) = &progress.slot {
        // Before the transactions of a capture that reads the primary are ended.
        let found = sql.slot(&context.slot).await?;
        check_standby(&context.options().name, sql.version_number(), Some(record), found.as_ref())?;
    }
    let (catalog, change_bytes) = postgres?;
    let reports = Reports::default();
    let mut opened = None;
    // What an open Kafka transaction hides may say that there is a slot, or what was published.
    if !is_settled || progress.slot.is_some() {
        let sink = open_sink(context, &mut progress, is_settled, &reports).await?;
        let examined = match &progress.slot {
            Some(_) => Some(examine(context, &sql, &progress, cluster.as_deref(), sink.is_transactional(), change_bytes).await?),
            None => None,
        };
        opened = Some((sink, examined));
    }
    let expectation = match &progress.slot {
        None => Expectation::First,
        Some(_) => Expectation::Known(None),
    };
    let (names, is_own) = publications(context);
    let mut memory = Memory::new(&progress, &context.options().name, &context.database, names, is_own);
    let look = look(context, &mut sql, &mut memory, expectation, Some(catalog)).await?;
    context.board.facts().tables = look.tables.len();
    if look.tables.is_empty() && progress.slot.is_none() {
        return Ok(Opening::Idle);
    }
    let (sink, examined) = match opened {
        Some(opened) => opened,
        None => (open_sink(context, &mut progress, is_settled, &reports).await?, None),
    };
    let examined = match examined {
        Some(examined) => examined,
        None => examine(context, &sql, &progress, cluster.as_deref(), sink.is_transactional(), change_bytes).await?,
    };
    let Examination { mut replication, log, found, plan } = examined;
    let sink = Arc::new(sink);
    let mode = context.options().snapshot;
    let cluster = cluster.or_else(|| progress.slot.as_ref().and_then(|record| record.cluster.clone()));
    let plan = match plan {
        Ok(plan) => {
            check_two_phase(&context.slot, found.as_ref(), context.options().streaming.two_phase)?;
            plan
        }
        Err(loss) => {
            begin_anew(context, &sql, &mut progress, found.as_ref(), loss).await?;
            SlotPlan::Create
        }
    };
    if let (SlotPlan::Resume(_), Kinship::UpTo(fork)) = (plan, log.kinship) {
        let again = progress.read_again_behind(fork).await?;
        if !again.is_empty() {
            tracing::warn!(
                database = context.database,
                tables = again.join(", "),
                "these tables were read on the old primary, behind {fork}, where the log of the new one begins: they are read again; rows that \
                 only the old one had stay in the topics"
            );
        }
    }
    memory.settle(&mut progress, mode == SnapshotMode::Initial).await?;
    let names = look.tables.iter().map(|table| (table.schema.as_str(), table.name.as_str()));
    // The rows of the others name their topics.
    let names: Vec<(&str, &str)> = names.filter(|(schema, table)| context.options().outbox(schema, table).is_none()).collect();
    context.begin_topics(&mut progress);
    context.topics(&names).await?;
    // Before there is a slot too, so that what cannot be is said at once.
    let side_topics = SideTopics::open(context).await?;
    if context.options().messages {
        context.message_topic().await?;
    }
    let (start, rows) = match plan {
        SlotPlan::Create => create(context, &sql, &mut replication, &mut progress, &sink, &log.system_id, &look).await?,
        SlotPlan::Resume(start) => (start, resume(context, &sql, &mut progress, &look, start).await?),
    };
    let position = match progress.slot.as_ref().filter(|record| record.acknowledged.is_some()) {
        Some(record) => known_position(context, record, &look.publications),
        // Of a slot that was not read yet it is known that nothing was sent, which a failover may ask for. What is prepared has no such place.
        None => (sink.is_transactional() && !context.options().streaming.two_phase).then(|| Position::before(start)),
    };
    let behind = behind(context, &progress, &log, &look.publications)?;
    let delivered = progress.slot.as_ref().and_then(|record| record.delivered).map(|delivered| log.shared(delivered));
    let delivered_to = delivered.filter(|_| !context.options().streaming.two_phase).map(Position::after_message);
    let known = position.max(delivered_to);
    let reads = sink.is_transactional().then(|| reads(context, &look.publications));
    let acknowledged = progress.slot.as_ref().and_then(|record| record.acknowledged).map_or(start, |before| log.shared(before));
    if let Kinship::UpTo(left) = log.kinship {
        tracing::warn!(
            database = context.database,
            slot = context.slot,
            timeline = log.timeline,
            "a standby has become the primary, at {left}: everything that was sent is in its log, and the slot goes on"
        );
    }
    if !is_standby && progress.slot.as_ref().is_some_and(|record| record.on_standby && record.acknowledged.is_some()) {
        tracing::warn!(
            database = context.database,
            slot = context.slot,
            timeline = log.timeline,
            "the standby that was read is a primary now, and its slot goes on"
        );
    }
    let record = SlotRecord {
        on_standby: is_standby,
        system_id: log.system_id,
        slot: context.slot.clone(),
        cluster,
        acknowledged: Some(acknowledged.max(start)),
        position,
        delivered,
        behind,
        timeline: Some(log.timeline),
        reads,
        begun_anew: progress.slot.as_ref().and_then(|record| record.begun_anew),
        generation: Some(next_generation(&progress)),
    };
    // A new generation alone goes with the next record: until then nothing is there that one of an earlier one could put back.
    let before = progress.slot.as_ref().map(|before| SlotRecord { generation: record.generation, ..before.clone() });
    if before.as_ref() != Some(&record) {
        progress.set_slot(&sink, record.clone()).await?;
    }
    // After the record, which does not take the slot for a standby's own any more.
    let is_kept = found.as_ref().is_none_or(|found| found.failover);
    if context.options().failover_slot && !is_standby && matches!(plan, SlotPlan::Resume(_)) && !is_kept {
        replication.keep_on_standbys(&context.slot).await?;
        tracing::info!(database = context.database, slot = context.slot, "standbys keep the slot from now on");
    }
    Ok(Opening::Ready(Box::new(Ready {
        look,
        memory,
        progress,
        replication,
        start,
        record,
        known,
        rows,
        sink,
        reports,
        side_topics,
        claim: Claim::new(context, sql),
    })))
}

/// Of a session that opens under the claim: greater than any that is known.
fn next_generation(progress: &Progress) -> u64 {
    progress.slot.as_ref().and_then(|record| record.generation).unwrap_or_default() + 1
}

/// Opens the sink. Where Kafka transactions may have been open, progress is read again once they have ended: then it is the last word.
async fn open_sink(context: &Context, progress: &mut Progress, is_settled: bool, reports: &Reports) -> Result<Sink> {
    let sink = context.open_sink(reports.clone(), progress.topics.len()).await?;
    let had_transactions = !is_settled || progress.slot.as_ref().is_some_and(|record| record.position.is_some());
    if had_transactions
        && !sink.is_transactional()
        && let Err(error) = context.fence().await
    {
        // Then Kafka ends them itself, which takes as long as a transaction may last.
        tracing::warn!(
            database = context.database,
            error = error.report(),
            remedy = error.remedy_text(),
            "Kafka transactions of an earlier run cannot be ended, and are waited for"
        );
    }
    if had_transactions || sink.is_transactional() {
        *progress = Progress::load(context.store()).await?;
    }
    Ok(sink)
}

/// How far the events are in Kafka, as far as that can be relied on. The server's log is known to have that place.
fn known_position(context: &Context, record: &SlotRecord, publications: &[String]) -> Option<Position> {
    let position = record.position?;
    if context.options().streaming.two_phase {
        // A place does not say whether what was prepared before it was sent. At least once, it is sent again.
        return None;
    }
    if position.ordinal.is_some_and(|ordinal| ordinal > 0) && record.reads.as_ref() != Some(&reads(context, publications)) {
        tracing::warn!(
            slot = record.slot,
            position = %position.commit_lsn,
            "other publications or messages are read than before, so changes are numbered anew: the part of a transaction that was sent is \
             sent again"
        );
        return Some(Position { ordinal: Some(0), ..position });
    }
    Some(position)
}

/// What the numbers of a transaction's changes depend on.
pub(super) fn reads(context: &Context, publications: &[String]) -> String {
    let messages = if context.options().messages { " and messages" } else { "" };
    format!("{}{messages}", publications.join(","))
}

async fn create(
    context: &Context,
    sql: &Sql,
    replication: &mut Replication,
    progress: &mut Progress,
    sink: &Sink,
    system_id: &str,
    look: &Look,
) -> Result<(Lsn, Rows)> {
    let slot = context.slot.clone();
    // First the intention, so that a crash right after the making leaves a slot that is known to be ours, and unread.
    let begun_anew = progress.slot.as_ref().and_then(|record| record.begun_anew);
    let generation = Some(next_generation(progress));
    let on_standby = context.recovery.is_standby();
    let intended = SlotRecord { begun_anew, on_standby, generation, ..SlotRecord::intended(system_id, &slot) };
    progress.set_slot(sink, intended).await?;
    let initial = context.options().snapshot == SnapshotMode::Initial;
    let two_phase = context.options().streaming.two_phase;
    let temporary = context.is_temporary();
    let failover = context.options().failover_slot && !temporary;
    let options = SlotOptions { temporary, export_snapshot: initial, two_phase, failover };
    let created = patiently(context, replication.create_slot(&slot, options)).await?;
    let start = created.consistent_point;
    tracing::info!(database = context.database, slot, lsn = %start, "made the slot");
    if !initial || look.tables.is_empty() {
        return Ok((start, Rows::None));
    }
    // The making of a slot waits for every open transaction: what was seen before may be old.
    let oids: Vec<u32> = look.tables.iter().map(|table| table.oid).collect();
    let tables = context.tables(sql, &oids).await?;
    Ok((start, Rows::OfNewSlot { tables, snapshot: exported(created)? }))
}

async fn resume(context: &Context, sql: &Sql, progress: &mut Progress, look: &Look, start: Lsn) -> Result<Rows> {
    let server = sql.slot(&context.slot).await?.map_or(start, |state| state.server_lsn);
    let resumed = progress.keep(|oid| look.tables.iter().any(|table| table.oid == oid), server, start).await?;
    end_of_pauses(context, &resumed);
    context.release_topics(progress, &look.tables).await?;
    note_leaves(context, progress, &look.tables).await?;
    if joined_in_chunks(context) {
        begin_joined(context, sql, progress, &look.tables).await?;
    }
    tracing::info!(database = context.database, slot = context.slot, lsn = %start, "going on with the slot");
    let tables = unread(context, progress, &look.tables);
    if tables.is_empty() {
        return Ok(Rows::None);
    }
    let tables = tables.iter().map(|table| table.oid).collect();
    Ok(Rows::Later(Box::new(export(context.clone(), tables).await?)))
}

/// The tables of which rows have still to be read; of one that only has new leaves, with these alone.
pub(crate) fn unread(context: &Context, progress: &Progress, tables: &[Table]) -> Vec<Table> {
    if context.options().snapshot != SnapshotMode::Initial {
        return Vec::new();
    }
    let unread = |table: &Table| match progress.is_done(table.oid) {
        // What was withheld of it comes first.
        _ if progress.is_behind(table.oid) => None,
        // It is read in chunks.
        false if progress.is_in_chunks(table.oid) => None,
        false => Some(table.clone()),
        true => {
            let leaves: Vec<_> = progress.new_leaves(table).cloned().collect();
            (!leaves.is_empty()).then(|| Table { leaves, ..table.clone() })
        }
    };
    tables.iter().filter_map(unread).collect()
}

/// Reads all tables once, for `--snapshot only`: a temporary slot for a snapshot that is the same for all of them, and no stream.
pub(crate) async fn open_once(context: &Context) -> Result<(Progress, HeldSnapshot)> {
    let sql = context.sql().await?;
    context.recovery.ask(&sql).await?;
    let all = sql.tables().await?;
    let tables: Vec<Table> = all.into_iter().filter(|table| context.wants(table)).collect();
    context.board.facts().tables = tables.len();
    // Nothing is remembered: a run that was cut off is begun again, as a whole.
    let progress = Progress::load(crate::progress::Store::new(None, &context.options().name, &context.database)).await?;
    let held = export(context.clone(), tables.iter().map(|table| table.oid).collect()).await?;
    Ok((progress, held))
}

/// The server ended the stream without an error.
pub(crate) fn ended_by_server() -> Error {
    Error::transient(Code::CONNECTION_LOST, "the server ended the stream: it is shutting down, or its timeline has changed")
}
