//! Topics that are no table's, into which the stream writes: in its order, and within its ledger.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use waltap_error::Result;

use super::Context;
use crate::sink::Topic;

/// Those of a session, each where the format wants it. They are made before the stream starts, so that no frame waits for Kafka's answer.
#[derive(Debug, Default)]
pub(crate) struct SideTopics {
    /// The beginnings and ends of transactions.
    pub(crate) transactions: Option<Arc<Topic>>,
    /// Signs of life.
    pub(crate) heartbeats: Option<Arc<Topic>>,
    /// The versions of tables.
    pub(crate) schemas: Option<Topic>,
}

impl SideTopics {
    pub(crate) async fn open(context: &Context) -> Result<Self> {
        let format = &context.options().format;
        let mut topics = SideTopics { schemas: context.schema_topic().await?, ..SideTopics::default() };
        if let Some(name) = format.transaction_topic(&context.database) {
            topics.transactions = Some(Arc::new(context.side_topic(&name, "transactions").await?));
        }
        if let Some(heartbeats) = format.heartbeats(&context.database) {
            topics.heartbeats = Some(Arc::new(context.side_topic(&heartbeats.topic, "heartbeats").await?));
        }
        Ok(topics)
    }
}

/// When the next sign of life is due, where the format has them.
pub(crate) struct Pulse(Option<Interval>);

impl Pulse {
    pub(crate) fn start(context: &Context) -> Self {
        let heartbeats = context.options().format.heartbeats(&context.database);
        Pulse(heartbeats.map(|heartbeats| {
            let mut ticks = interval(heartbeats.interval.max(Duration::from_millis(1)));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
            ticks
        }))
    }

    /// Waits until it is due; for ever where there are none. Cancel safe.
    pub(crate) async fn due(&mut self) {
        match &mut self.0 {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }
}
