//! The simulated side of [`crate::kafka::ProgressTopic`].

use std::time::Duration;

use tokio::time::{sleep, timeout};
use waltap_error::{Code, Error, Result};
use waltap_kafka::Entries;

use super::super::world::{Process, State, World};
use super::super::{CAPTURE, DATABASE};
use crate::progress::is_late;

/// How long the real one waits for Kafka, when the supervisor opens it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether a transaction has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A write on its way: it arrives whatever becomes of who sent it, and before whatever is sent after it.
pub(super) struct Write {
    number: u64,
    process: Process,
    entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Write {
    fn is_of_slot(&self) -> bool {
        self.entries.iter().all(|(key, _)| key.ends_with(b"/slot"))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ProgressTopic {
    world: World,
    process: Process,
}

impl ProgressTopic {
    pub(in crate::model) fn new(world: World, process: Process) -> Self {
        ProgressTopic { world, process }
    }

    /// Waits for Kafka transactions that hold records of progress.
    pub(crate) async fn load(&self, prefix: &[u8]) -> Result<Entries> {
        let settled = async {
            loop {
                match self.peek(prefix).await {
                    Ok((_, false)) => sleep(LOOK_INTERVAL).await,
                    result => return result,
                }
            }
        };
        let settled = timeout(PATIENCE, settled).await.unwrap_or_else(|_| Err(unreachable()));
        settled.map(|(entries, _)| entries)
    }

    /// Says whether no open transaction hides anything.
    pub(crate) async fn peek(&self, prefix: &[u8]) -> Result<(Entries, bool)> {
        let reached = timeout(PATIENCE, self.reach()).await;
        reached.map_err(|_| unreachable())?;
        let state = &mut *self.world.lock();
        if state.fault(1) {
            return Err(unreachable());
        }
        // What this run has sent comes first: the real one waits for it.
        if let Some(last) = state.kafka.writes.iter().rfind(|write| write.process == self.process).map(|write| write.number) {
            land(state, last);
        }
        // What an earlier run sent has arrived by now, or never will; but for a slot record, which may come later still: of one that was cut off.
        let process = self.process;
        let earlier = state.kafka.writes.iter().filter(|write| write.process != process);
        let earlier: Vec<(u64, bool)> = earlier.map(|write| (write.number, write.is_of_slot())).collect();
        for (number, is_of_slot) in earlier {
            match state.random.percent(50) {
                true => land(state, number),
                false if is_of_slot && state.random.percent(50) => {}
                false => state.kafka.writes.retain(|write| write.number != number),
            }
        }
        let is_settled = !state.has_open_progress();
        let found = state.kafka.progress.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok((found.map(|(key, value)| (key.clone(), value.clone())).collect(), is_settled))
    }

    pub(crate) async fn write(&self, entries: &[(&[u8], Option<&[u8]>)]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let entries = entries.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        let number = {
            let state = &mut *self.world.lock();
            let number = state.kafka.next_write;
            state.kafka.next_write += 1;
            state.kafka.writes.push(Write { number, process: self.process, entries });
            number
        };
        let failed = || Error::transient(Code::PROGRESS, "writing the simulated progress topic");
        let reached = timeout(PATIENCE, self.reach()).await;
        if reached.is_err() {
            // It may still arrive, with the next one.
            return Err(failed());
        }
        let refused = {
            let state = &mut *self.world.lock();
            let arrives = !state.fault(2);
            if arrives {
                land(state, number);
            }
            !arrives || state.fault(2)
        };
        // Its confirmation takes a way too.
        self.world.round_trip().await;
        if refused { Err(failed()) } else { Ok(()) }
    }

    async fn reach(&self) {
        self.world.round_trip().await;
        while !self.world.lock().kafka.up {
            self.world.kafka_moves().await;
        }
    }
}

fn unreachable() -> Error {
    Error::transient(Code::PROGRESS, "reading the simulated progress topic")
}

/// Lets a write arrive, and what was sent before it by the same run.
fn land(state: &mut State, number: u64) {
    let Some(process) = state.kafka.writes.iter().find(|write| write.number == number).map(|write| write.process) else { return };
    let writes = std::mem::take(&mut state.kafka.writes);
    let (arriving, waiting): (Vec<Write>, Vec<Write>) =
        writes.into_iter().partition(|write| write.process == process && write.number <= number);
    state.kafka.writes = waiting;
    for (key, value) in arriving.into_iter().flat_map(|write| write.entries) {
        state.set_progress(key, value);
    }
}

/// The key of an ask, without what all keys of the tap begin with.
fn asked(key: &[u8]) -> Option<String> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(&format!("{CAPTURE}/{DATABASE}/"))?;
    rest.starts_with("ask/").then(|| rest.to_owned())
}

impl State {
    /// A record of progress is there to be read.
    pub(super) fn set_progress(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.note(|| {
            let value = value.as_deref().map_or("nothing".into(), String::from_utf8_lossy);
            format!("progress: {} = {value}", String::from_utf8_lossy(&key))
        });
        if let (Some(ask), None) = (asked(&key), &value) {
            self.requests.note(DATABASE, &ask, None);
        }
        match value {
            Some(value) if self.kafka.progress.get(&key).is_some_and(|before| is_late(&key, before, &value)) => None,
            Some(value) => self.kafka.progress.insert(key, value),
            None => self.kafka.progress.remove(&key),
        };
    }
}
