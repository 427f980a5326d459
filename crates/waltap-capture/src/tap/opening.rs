//! The opening of a session: everything from the first connection to a stream that is about to start.

use std::sync::Arc;

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;
use waltap_postgres::catalog::Table;
use waltap_postgres::replication::SlotOptions;
use waltap_postgres::replication::SystemIdentity;
use waltap_postgres::slot::SlotState;

use super::Context;
use super::claim::{Claim, claim};
use super::discovery::{Expectation, Look, look, publications};
use super::export::{HeldSnapshot, export, exported, patiently};
use super::leaves::note_leaves;
use super::side_topics::SideTopics;
use crate::options::SnapshotMode;
use crate::position::Position;
use crate::progress::{Progress, SlotRecord};
use crate::publications::Memory;
use crate::sink::{Reports, Sink};
use crate::slot_plan::{SlotPlan, check_cluster, check_two_phase, plan, went_back};
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
    Later(HeldSnapshot),
}

/// Opens. The order matters: the claim before progress, publication before slot, progress before slot, slot before rows.
pub(crate) async fn open(context: &Context) -> Result<Opening> {
    {
        // What the session before waited for.
        let mut facts = context.board.facts();
        (facts.waiting_for, facts.waiting_for_transactions) = (None, None);
    }
    let mut sql = context.sql().await?;
    if !context.is_temporary() {
        claim(context, &sql).await?;
    }
    let (mut progress, is_settled) = Progress::peek(context.store()).await?;
    let reports = Reports::default();
    let early_sink = match is_settled {
        true => None,
        // What an open Kafka transaction hides may say that there is a slot, or what was published.
        false => Some(open_sink(context, &mut progress, is_settled, &reports).await?),
    };
    let expectation = match &progress.slot {
        None => Expectation::First,
        Some(_) => Expectation::Known(None),
    };
    let (names, is_own) = publications(context);
    let mut memory = Memory::new(&progress, &context.options().name, &context.database, names, is_own);
    let look = look(context, &mut sql, &mut memory, expectation).await?;
    context.board.facts().tables = look.tables.len();
    if look.tables.is_empty() && progress.slot.is_none() {
        return Ok(Opening::Idle);
    }
    let mut replication = context.replication().await?;
    let SystemIdentity { system_id, timeline, .. } = replication.identify().await?;
    let sink = Arc::new(match early_sink {
        Some(sink) => sink,
        None => open_sink(context, &mut progress, is_settled, &reports).await?,
    });
    let found = sql.slot(&context.slot).await?;
    let mode = context.options().snapshot;
    let plan = match context.is_temporary() {
        true => SlotPlan::Create,
        false => plan(&context.slot, &system_id, progress.slot.as_ref(), found.as_ref(), mode)?,
    };
    let cluster = context.cluster_id().await?;
    check_cluster(progress.slot.as_ref(), cluster.as_deref(), found.as_ref())?;
    let cluster = cluster.or_else(|| progress.slot.as_ref().and_then(|record| record.cluster.clone()));
    check_two_phase(&context.slot, found.as_ref(), context.options().streaming.two_phase)?;
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
        SlotPlan::Create => create(context, &sql, &mut replication, &mut progress, &sink, &system_id, &look).await?,
        SlotPlan::Resume(start) => (start, resume(context, &sql, &mut progress, &look, start).await?),
    };
    let position = match &progress.slot {
        Some(record) => known_position(context, record, timeline, found.as_ref(), &look.publications)?,
        None => None,
    };
    let reads = sink.is_transactional().then(|| reads(context, &look.publications));
    let timeline = (position.is_some() || sink.is_transactional()).then_some(timeline);
    let acknowledged = progress.slot.as_ref().and_then(|record| record.acknowledged).unwrap_or(start).max(start);
    let slot = context.slot.clone();
    let record = SlotRecord { system_id, slot, cluster, acknowledged: Some(acknowledged), position, timeline, reads };
    if progress.slot.as_ref() != Some(&record) {
        progress.set_slot(&sink, record.clone()).await?;
    }
    Ok(Opening::Ready(Box::new(Ready {
        look,
        memory,
        progress,
        replication,
        start,
        record,
        rows,
        sink,
        reports,
        side_topics,
        claim: Claim::new(context, sql),
    })))
}

/// Opens the sink. Where Kafka transactions may have been open, progress is read again once they have ended: then it is the last word.
async fn open_sink(context: &Context, progress: &mut Progress, is_settled: bool, reports: &Reports) -> Result<Sink> {
    let sink = context.open_sink(reports.clone()).await?;
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

/// How far the events are in Kafka, as far as that can be relied on.
fn known_position(
    context: &Context,
    record: &SlotRecord,
    timeline: u32,
    found: Option<&SlotState>,
    publications: &[String],
) -> Result<Option<Position>> {
    let Some(position) = record.position else { return Ok(None) };
    if context.options().streaming.two_phase {
        // A place does not say whether what was prepared before it was sent. At least once, it is sent again.
        return Ok(None);
    }
    if record.timeline != Some(timeline) {
        // The log of another timeline may hold other changes at the same places.
        tracing::warn!(
            slot = record.slot,
            position = %position.commit_lsn,
            timeline,
            "the server is on another timeline than before: what the slot sends again is sent to Kafka again, and nothing is passed over"
        );
        return Ok(None);
    }
    match found {
        Some(found) if found.server_lsn < position.commit_lsn => Err(went_back(record, position, found)),
        _ if position.ordinal.is_some() && record.reads.as_ref() != Some(&reads(context, publications)) => {
            tracing::warn!(
                slot = record.slot,
                position = %position.commit_lsn,
                "other publications or messages are read than before, so changes are numbered anew: the part of a transaction that was sent is \
                 sent again"
            );
            Ok(Some(Position { ordinal: Some(0), ..position }))
        }
        _ => Ok(Some(position)),
    }
}

/// What the numbers of a transaction's changes depend on.
fn reads(context: &Context, publications: &[String]) -> String {
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
    progress
        .set_slot(
            sink,
            SlotRecord {
                system_id: system_id.to_owned(),
                slot: slot.clone(),
                cluster: None,
                acknowledged: None,
                position: None,
                timeline: None,
                reads: None,
            },
        )
        .await?;
    let initial = context.options().snapshot == SnapshotMode::Initial;
    let two_phase = context.options().streaming.two_phase;
    let options = SlotOptions { temporary: context.is_temporary(), export_snapshot: initial, two_phase };
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
    progress.keep(|oid| look.tables.iter().any(|table| table.oid == oid), server, start).await?;
    context.release_topics(progress, &look.tables).await?;
    note_leaves(context, progress, &look.tables).await?;
    tracing::info!(database = context.database, slot = context.slot, lsn = %start, "going on with the slot");
    let tables = unread(context, progress, &look.tables);
    if tables.is_empty() {
        return Ok(Rows::None);
    }
    let tables = tables.iter().map(|table| table.oid).collect();
    Ok(Rows::Later(export(context.clone(), tables).await?))
}

/// The tables of which rows have still to be read; of one that only has new leaves, with these alone.
pub(crate) fn unread(context: &Context, progress: &Progress, tables: &[Table]) -> Vec<Table> {
    if context.options().snapshot != SnapshotMode::Initial {
        return Vec::new();
    }
    let unread = |table: &Table| match progress.is_done(table.oid) {
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
