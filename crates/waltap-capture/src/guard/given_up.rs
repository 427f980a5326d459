//! How the guard tells a tap that its slot is given up.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use waltap_error::{Code, Error};
use waltap_pgoutput::Lsn;

use crate::human_size::human_size;

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
        let (retained, bound) = (human_size(*retained), human_size(*bound));
        Error::configuration(
            Code::RETAINED_WAL,
            format!(
                "the slot {slot} kept {retained} of log and was given up, since --max-retained-wal is {bound}: \
                 changes of database {database} after {from}, and those after {to}, do not reach Kafka"
            ),
        )
        .remedy(format!(
            "mend what kept events from being confirmed; then forget the capture's progress (waltap slots drop --name {capture} \
                 --database {database} --source ... --brokers ...) and start waltap again, which reads every table anew"
        ))
    }
}

/// A slot that is given up.
#[derive(Clone, Debug)]
struct Given {
    loss: Loss,
    /// Whether it is gone.
    is_dropped: bool,
}

/// The slots that were given up, by database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct GivenUp(Arc<watch::Sender<BTreeMap<String, Given>>>);

impl Default for GivenUp {
    fn default() -> Self {
        GivenUp(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl GivenUp {
    /// Tells the tap of a database to end.
    pub(super) fn tell(&self, loss: Loss) {
        self.0.send_modify(|given| {
            given.insert(loss.database.clone(), Given { loss, is_dropped: false });
        });
    }

    /// Says that the slot is gone.
    pub(super) fn dropped(&self, database: &str) {
        self.0.send_modify(|given| {
            if let Some(given) = given.get_mut(database) {
                given.is_dropped = true;
            }
        });
    }

    /// Waits until the slot of a database is given up, and says why. Cancel safe.
    pub(crate) async fn of(&self, database: &str) -> Error {
        self.when(database, |_| true).await
    }

    /// Waits until the slot of a database is given up and gone. Cancel safe.
    pub(crate) async fn gone(&self, database: &str) -> Error {
        self.when(database, |given| given.is_dropped).await
    }

    async fn when(&self, database: &str, holds: impl Fn(&Given) -> bool) -> Error {
        let mut all = self.0.subscribe();
        let found = all.wait_for(|all| all.get(database).is_some_and(&holds)).await;
        match found.ok().and_then(|all| all.get(database).map(|given| given.loss.error())) {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }
}
