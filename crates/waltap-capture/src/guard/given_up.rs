//! How the guard tells a tap that its slot is given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use waltap_error::Error;
use waltap_pgoutput::Lsn;

use super::given_up_error;
use super::retention::sized;

/// What is lost with a slot.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub(crate) capture: String,
    pub(crate) database: String,
    pub(crate) slot: String,
    pub(crate) retained: u64,
    pub(crate) bound: u64,
    /// Up to where the slot was confirmed, ...
    pub(crate) from: Lsn,
    /// ... and where the server's log ended.
    pub(crate) to: Lsn,
}

impl Loss {
    pub(crate) fn error(&self) -> Error {
        let Loss { capture, database, slot, retained, bound, from, to } = self;
        let (retained, bound) = (sized(*retained), sized(*bound));
        given_up_error(
            format!(
                "the slot {slot} kept {retained} of log and was given up, since --max-retained-wal is {bound}: \
                 changes of database {database} after {from}, and those after {to}, do not reach Kafka"
            ),
            format!(
                "mend what kept events from being confirmed; then forget the capture's progress (waltap slots drop --name {capture} \
                 --database {database} --source ... --brokers ...) and start waltap again, which reads every table anew"
            ),
        )
    }
}

/// The slots that were given up, by database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp(Arc<watch::Sender<BTreeMap<String, Loss>>>);

impl Default for GivenUp {
    fn default() -> Self {
        GivenUp(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl GivenUp {
    /// Tells the tap of a database to end.
    pub(super) fn tell(&self, loss: Loss) {
        self.0.send_modify(|losses| {
            losses.insert(loss.database.clone(), loss);
        });
    }

    /// Waits until the slot of a database is given up, and says why. Cancel safe.
    pub(crate) async fn of(&self, database: &str) -> Error {
        let mut losses = self.0.subscribe();
        match losses
            .wait_for(|losses| losses.contains_key(database))
            .await
            .ok()
            .and_then(|losses| losses.get(database).map(Loss::error))
        {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }
}
