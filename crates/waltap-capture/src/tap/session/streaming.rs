//! A session that streams: the rows of a new slot are read first, then the stream is started and worked until it ends.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use waltap_error::{Code, Result};
use waltap_postgres::replication::StartOptions;

use super::super::acknowledger::Acknowledger;
use super::super::chunks::Chunks;
use super::super::discovery::Discovery;
use super::super::heartbeat::Heartbeat;
use super::super::opening::{Ready, Rows};
use super::super::side_topics::Pulse;
use super::super::spill::Spill;
use super::super::standing::Standing;
use super::super::stream::{Stream, Streamed};
use super::super::transactions::Transactions;
use super::super::{Context, TypeCache, encoder};
use super::delivery::{Delivery, abort};
use super::{Ended, Session, until_shutdown};
use crate::clock::since_1970;
use crate::snapshot::Reading;
use crate::status::TapState;

/// Streams from what the opening has made ready.
pub(super) async fn stream(context: &Context, ready: Ready, shutdown: &mut watch::Receiver<bool>) -> Result<Ended> {
    let Ready { look, memory, mut progress, replication, start, mut record, known, rows, sink, reports, side_topics, claim } =
        ready;
    let mut types = TypeCache::default();
    let held = match rows {
        Rows::None => None,
        Rows::Later(held) => Some(*held),
        Rows::OfNewSlot { tables, snapshot } => {
            context.board.set_state(TapState::Snapshot);
            let bulk_sink = context.bulk_sink(&sink, &reports)?;
            let reading = Reading { context, sink: &bulk_sink, reports: &reports, snapshot: &snapshot };
            // Boxed: it is made once a slot.
            let read = Box::pin(claim.while_held(reading.read(&mut progress, &mut types, tables)));
            let read = until_shutdown(shutdown, read).await;
            if !matches!(read, Ok(Some(_))) {
                abort(context, &sink).await;
            }
            if read?.is_none() {
                return Ok(Ended::Asked);
            }
            // However long it took, it counts from its end.
            record.begun_anew = record.begun_anew.map(|_| since_1970().as_secs());
            None
        }
    };
    let options = StartOptions {
        slot: context.slot.clone(),
        publications: look.publications.clone(),
        from: start,
        messages: context.options().messages,
        streaming: context.options().streams_open_transactions(),
        two_phase: context.options().streaming.two_phase,
        status_interval: None,
    };
    let (mut wire, status) = replication.start(options).await?;
    let position = record.position;
    let acknowledged = record.acknowledged.unwrap_or(start);
    context.sent.begin(record.reached().unwrap_or(start));
    let streaming = &context.options().streaming;
    let spill = Spill::new(streaming.spill_directory.clone(), streaming.spill_memory);
    let streamed = Streamed::new(spill, streaming.two_phase, &context.database);
    let standing = Standing::default();
    let mut session = Session {
        context,
        delivery: match context.transactions() {
            Some(bounds) => Delivery::ExactlyOnce(Box::new(Transactions::new(
                bounds,
                context.transaction_budget(),
                record,
                standing.clone(),
                status.clone(),
            ))),
            None => {
                Delivery::AtLeastOnce(Acknowledger::start(progress.store().clone(), record, standing.clone(), status.clone()))
            }
        },
        standing,
        _heartbeat: Heartbeat::start(context),
        discovery: Discovery::start(context.clone(), &look, memory),
        stream: Stream::new(Arc::clone(&sink), encoder(context), start, side_topics, streamed, known, position),
        pulse: Pulse::start(context),
        catalog: look.tables,
        progress,
        types,
        reports,
        status,
        held: None,
        exporting: None,
        chunks: Chunks::new(context),
        requested: context.requested.clone(),
        replaying: None,
        begins_anew: false,
        is_cut: false,
        confirmations: Vec::new(),
        events_shown: 0,
        batch_began: Instant::now(),
        batch_tables: 0,
    };
    // Boxed: it is made once a session.
    let work = claim.while_held(Box::pin(session.work(&mut wire, held, shutdown)));
    let result = tokio::select! {
        biased;
        error = context.shared.given_up.of(&context.database) => {
            // Or readers would wait for it until Kafka's timeout.
            abort(context, &sink).await;
            return Err(error);
        }
        result = work => result,
    };
    if let Some(position) = session.stream.position() {
        context.sent.note(position.last_event(), acknowledged);
    }
    match result {
        Ok(()) => session.finish(wire).await.map(|()| Ended::Asked),
        // Another may be sending already: nothing more is sent. With Kafka transactions it has ended ours.
        Err(error) if claim.is_lost() && !session.stream.sink.is_transactional() => Err(error),
        Err(error) => {
            let error = match error.code() {
                Code::PUBLICATION => session.discovery.explained(error).await,
                _ => error,
            };
            Err(session.give_up(error).await)
        }
    }
}
