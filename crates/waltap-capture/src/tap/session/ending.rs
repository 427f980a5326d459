//! How a session ends: what is in flight is seen through, as long as that is of use.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use waltap_error::{Code, Error, Kind, Result};
use waltap_ledger::Ledger;
use waltap_postgres::replication::Filled;

use super::super::stop_asked;
use super::Session;
use super::delivery::{Delivery, abort};
use super::replaying::next_piece;
use crate::sabotage::{Sabotage, is_on};
use crate::sink::Sink;
use crate::source::Wire;

/// How long a tap that stops waits for Kafka to confirm what is in flight. What is not confirmed then is sent again by the next run.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a batch, and then the rest of a transaction, is still taken when a stop is asked for: what is cut off is sent again as a whole.
const TRANSACTION_TIMEOUT: Duration = Duration::from_millis(750);

/// How long Kafka's client may take to say why a transaction has failed. It knows.
const CAUSE_PATIENCE: Duration = Duration::from_secs(1);

/// How long the last record of progress, and then PostgreSQL's goodbye, may take. With the drain, under the ten seconds of a stop.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Waits until a stop was asked for, and a moment longer. Cancel safe.
pub(super) async fn patience_ended(shutdown: &mut watch::Receiver<bool>) {
    stop_asked(shutdown).await;
    tokio::time::sleep(TRANSACTION_TIMEOUT).await;
}

impl Session<'_> {
    /// Takes the rest of a transaction that has begun, if it comes soon.
    pub(super) async fn end_transaction(&mut self, wire: &mut Wire) -> Result<()> {
        let rest = async {
            while self.stream.is_in_transaction() {
                if self.replaying.is_some() {
                    let piece = next_piece(&mut self.replaying).await?;
                    self.take_piece(piece).await?;
                } else if wire.waiting().is_some() || wire.fill().await? == Filled::Data {
                    self.take_batch(wire).await?;
                } else {
                    break;
                }
            }
            Ok(())
        };
        timeout(TRANSACTION_TIMEOUT, rest).await.unwrap_or(Ok(()))
    }

    /// Waits for what is in flight, tells progress and PostgreSQL, and closes.
    pub(super) async fn finish(mut self, wire: Wire) -> Result<()> {
        match &self.delivery {
            Delivery::AtLeastOnce(acknowledger) if is_on(Sabotage::DropAtStop) => {
                acknowledger.advance(Ledger::new(self.stream.received()).durable(), None);
            }
            Delivery::AtLeastOnce(_) => self.drain(DRAIN_TIMEOUT).await?,
            Delivery::ExactlyOnce(_) => self.commit_rest(DRAIN_TIMEOUT).await?,
        }
        self.show();
        let in_flight = self.stream.in_flight();
        if in_flight > 0 {
            tracing::warn!(
                database = self.context.database,
                in_flight,
                "stopping with events that Kafka has not confirmed: they will be sent again"
            );
        }
        match timeout(FAREWELL_TIMEOUT, self.delivery.finish()).await {
            Ok(finished) => finished?,
            Err(_) => tracing::warn!(
                database = self.context.database,
                "stopping before progress could be recorded: some events will be sent again"
            ),
        }
        if let Err(error) = wire.stop(FAREWELL_TIMEOUT).await {
            tracing::debug!(database = self.context.database, error = error.report(), "the stream ended without a goodbye");
        }
        tracing::info!(database = self.context.database, confirmed = %self.context.board.facts().confirmed, "stopped");
        Ok(())
    }

    /// Ends after an error: sees through what Kafka still takes, so that less has to be sent again. Gives the error that came first.
    pub(super) async fn give_up(mut self, error: Error) -> Error {
        let error = self.reports.check().err().unwrap_or(error);
        if error.code() == Code::OTHER_CLUSTER {
            // What the wrong one confirms counts for nothing, so nothing more is sent and nothing more is told to PostgreSQL.
            return error;
        }
        if self.stream.sink.is_transactional() {
            let cause = self.stream.sink.cause(CAUSE_PATIENCE).await;
            abort(self.context, &self.stream.sink).await;
            return cause.filter(|_| error.kind() == Kind::Transient).unwrap_or(error);
        }
        if error.kind() == Kind::Transient
            && let Err(error) = self.drain(DRAIN_TIMEOUT).await
        {
            return error;
        }
        error
    }

    async fn drain(&mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let sink: Arc<Sink> = Arc::clone(&self.stream.sink);
        sink.flush().await?;
        loop {
            self.settle()?;
            if self.stream.in_flight() == 0 {
                self.show();
                return Ok(());
            }
            let staged = !self.stream.staged.is_empty();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(deadline) => return Ok(()),
                () = self.reports.for_stream() => {}
                handed_over = self.stream.staged.hand_over(&sink), if staged => handed_over?,
            }
        }
    }
}
