//! Watching the progress topic for requests: one watcher a capture.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch::{Receiver, Sender};
use tokio::time::sleep;
use waltap_error::{Error, Result};
use waltap_kafka::{Entries, Follower, NewEntry};

use super::record::{ASK, Requested, WISH};
use crate::kafka::ProgressTopic;
use crate::progress::{capture_prefix, unescaped};

/// The pause before the topic is followed anew, after an error.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// What to do about a request that is not understood.
const STRANGE_REMEDY: &str = "a later version of waltap may have written it, and does it once it takes over; if none did, delete it by a record \
     without a value under that key, behind CAPTURE/DATABASE/, and ask again";

/// What is requested of each tap of a capture. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    senders: Arc<Mutex<BTreeMap<String, Sender<Arc<Requested>>>>>,
    /// What is not understood, by database and key. It is said once, and stays in the topic: it may be a request of a later version, whose
    /// process is about to take over, and nobody but who asked knows what is lost with it.
    strange: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Requests {
    /// What is requested of the tap of a database, now and later.
    pub(crate) fn of(&self, database: &str) -> Receiver<Arc<Requested>> {
        self.with(database, Sender::subscribe)
    }

    fn with<T>(&self, database: &str, use_it: impl FnOnce(&Sender<Arc<Requested>>) -> T) -> T {
        let mut senders = lock(&self.senders);
        use_it(senders.entry(database.to_owned()).or_default())
    }

    /// Takes in a record of a tap, or its deletion.
    pub(crate) fn note(&self, database: &str, key: &str, value: Option<&[u8]>) {
        let note = |requested: &mut Arc<Requested>| {
            let mut changed = Requested::clone(requested);
            if let Err(error) = changed.note(key, value) {
                self.pass_over(database, key, &error);
                return false;
            }
            let is_news = changed != **requested;
            *requested = Arc::new(changed);
            is_news
        };
        if value.is_none() {
            lock(&self.strange).remove(&(database.to_owned(), key.to_owned()));
        }
        self.with(database, |sender| sender.send_if_modified(note));
    }

    /// Says that a request is not understood, once.
    fn pass_over(&self, database: &str, key: &str, error: &Error) {
        if lock(&self.strange).insert((database.to_owned(), key.to_owned())) {
            tracing::warn!(
                database,
                key,
                error = error.report(),
                remedy = STRANGE_REMEDY,
                "a request in the progress topic is not understood; it is left there and not done"
            );
        }
    }

    /// Takes in everything that is requested of anybody.
    fn replace(&self, capture: &str, entries: &Entries) {
        let mut requested: BTreeMap<String, Requested> = BTreeMap::new();
        for (key, value) in entries {
            if let Some((database, rest)) = parted(capture, key)
                && let Err(error) = requested.entry(database.clone()).or_default().note(&rest, Some(value))
            {
                self.pass_over(&database, &rest, &error);
            }
        }
        let mut senders = lock(&self.senders);
        for database in requested.keys() {
            senders.entry(database.clone()).or_default();
        }
        for (database, sender) in &*senders {
            let now = Arc::new(requested.remove(database).unwrap_or_default());
            sender.send_if_modified(|before| {
                let is_news = *before != now;
                *before = now;
                is_news
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A key of the topic as a database and the rest, where it is one of a request.
fn parted(capture: &str, key: &[u8]) -> Option<(String, String)> {
    let key = std::str::from_utf8(key).ok()?.strip_prefix(&capture_prefix(capture))?;
    let (database, rest) = key.split_once('/')?;
    (rest.starts_with(ASK) || rest.starts_with(WISH)).then(|| (unescaped(database), rest.to_owned()))
}

/// Reads what is requested of a capture; what comes later is taken in by the future that comes with it, which never ends.
pub(crate) async fn watch(topic: Arc<ProgressTopic>, capture: &str) -> Result<(Requests, impl Future<Output = ()> + use<>)> {
    let requests = Requests::default();
    let watcher = Watcher { topic, capture: capture.to_owned(), requests: requests.clone() };
    let follower = watcher.follow().await?;
    Ok((requests, watcher.run(follower)))
}

struct Watcher {
    topic: Arc<ProgressTopic>,
    capture: String,
    requests: Requests,
}

impl Watcher {
    async fn follow(&self) -> Result<Follower> {
        let capture = self.capture.clone();
        let (entries, follower) = self.topic.follow(move |key| parted(&capture, key).is_some()).await?;
        self.requests.replace(&self.capture, &entries);
        Ok(follower)
    }

    async fn run(self, mut follower: Follower) {
        loop {
            let mut error = loop {
                match follower.next().await {
                    Ok(entries) => self.take(&entries),
                    Err(error) => break error,
                }
            };
            follower = loop {
                tracing::debug!(error = error.report(), "requests are not heard; trying again");
                sleep(RETRY_INTERVAL).await;
                match self.follow().await {
                    Ok(follower) => break follower,
                    Err(again) => error = again,
                }
            };
        }
    }

    fn take(&self, entries: &[NewEntry]) {
        for (key, value) in entries {
            if let Some((database, rest)) = parted(&self.capture, key) {
                self.requests.note(&database, &rest, value.as_deref());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_their_database() {
        let entry = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        let requests = Requests::default();
        let mut shop = requests.of("shop");
        let entries = Entries::from([
            entry("c/shop/wish/pause", r#"{"at":1}"#),
            entry("c/a%2Fb/ask/1", r#"{"kind":"cancel","tables":[],"at":1}"#),
            entry("c/shop/slot", "{}"),
            entry("other/shop/ask/1", r#"{"kind":"cancel","tables":[],"at":1}"#),
        ]);
        requests.replace("c", &entries);
        assert!(shop.has_changed().unwrap() && shop.borrow_and_update().paused);
        assert!(shop.borrow().asks.is_empty() && requests.of("a/b").borrow().asks.contains_key("1"));
        requests.replace("c", &entries);
        assert!(!shop.has_changed().unwrap(), "nothing is new");
        requests.note("shop", "wish/pause", None);
        assert!(!shop.borrow_and_update().paused);
        requests.note("shop", "ask/2", Some(b"what?"));
        assert!(!shop.has_changed().unwrap(), "what is not understood is passed over");
        let strange = entry("c/shop/ask/3", r#"{"kind":"of a later version"}"#);
        let entries = Entries::from([entry("c/shop/ask/2", "what?"), strange]);
        requests.replace("c", &entries);
        requests.replace("c", &entries);
        let told = |id: &str| ("shop".to_owned(), format!("ask/{id}"));
        assert_eq!(*lock(&requests.strange), BTreeSet::from([told("2"), told("3")]), "each is told of once");
        requests.note("shop", "ask/2", None);
        assert_eq!(*lock(&requests.strange), BTreeSet::from([told("3")]), "one that was deleted may be told of again");
        requests.replace("c", &Entries::new());
        assert!(!requests.of("a/b").borrow().asks.contains_key("1"));
    }
}
