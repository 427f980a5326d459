//! The guard: keeps an eye on the slots of a capture, from before Kafka answers to the end, so that none fills the server's disk unseen and no tap
//! stands still unseen. It looks from the outside, with a connection of its own: whatever a tap is busy with, the guard goes on.

mod given_up;
mod retention;
mod stall;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use waltap_error::{Code, Error, Result};
use waltap_postgres::Sql;
use waltap_postgres::slot::{SlotState, drop_slot, own_slots, slot_name, terminate_reader};

pub(crate) use given_up::GivenUp;

use self::given_up::Loss;
use self::retention::{Retention, is_in_danger, sized};
use self::stall::Stall;
use crate::alarm::Alarm;
use crate::board::Board;
use crate::capture::Handle;
use crate::options::{OnMaxRetainedWal, Options};
use crate::status::TapState;

/// How often it looks. At a gigabyte a second a disk still has some time then.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a tap that was told to give its slot up may take to let go of it, before the server is told to end its connection.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// Looks for as long as the capture runs.
pub(crate) async fn run(options: Options, handle: Handle, given_up: GivenUp) {
    let mut guard = Guard { options, handle, given_up, watched: HashMap::new() };
    let mut sql = None;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A server that does not answer is the taps' matter, and no slot of it can be dropped.
        if let Err(error) = guard.look(&mut sql).await {
            tracing::debug!(error = error.report(), "looking after the slots failed; trying again");
            sql = None;
        }
    }
}

struct Guard {
    options: Options,
    handle: Handle,
    given_up: GivenUp,
    /// What was seen last, by database.
    watched: HashMap<String, Watched>,
}

#[derive(Default)]
struct Watched {
    retention: Retention,
    stall: Option<Stall>,
}

impl Guard {
    async fn look(&mut self, sql: &mut Option<Sql>) -> Result<()> {
        let source = &self.options.source;
        let sql = match sql {
            Some(sql) => sql,
            none => none.insert(source.sql(source.maintenance_database()).await?),
        };
        let boards = self.handle.boards();
        let mut seen = BTreeSet::new();
        for slot in own_slots(sql).await? {
            let Some(database) = slot.database.clone() else { continue };
            // A database that was made anew has an old board too.
            let board = boards.iter().rev().find(|board| board.database() == database);
            let name = board.map_or_else(|| slot_name(&self.options.name, &database), |board| board.facts().slot.clone());
            if slot.name != name || !self.options.databases.matches(&database) {
                continue;
            }
            self.look_at(sql, &database, &slot, board).await?;
            seen.insert(database);
        }
        let gone: Vec<String> = self.watched.keys().filter(|database| !seen.contains(*database)).cloned().collect();
        for database in gone {
            self.watched.remove(&database);
            self.given_up.dropped(&database);
            Alarm::ALL.into_iter().for_each(|alarm| self.set(&database, alarm, None));
        }
        Ok(())
    }

    async fn look_at(&mut self, sql: &Sql, database: &str, slot: &SlotState, board: Option<&Arc<Board>>) -> Result<()> {
        if let Some(board) = board {
            let mut facts = board.facts();
            facts.retained_wal_bytes = slot.retained_bytes;
            facts.wal_status = slot.wal_status.map(|status| status.as_str().to_owned());
        }
        self.set(database, Alarm::SlotInDanger, is_in_danger(slot));
        let stalled = self.stalled(database, slot, board);
        self.set(database, Alarm::Stalled, stalled);
        let Some(bound) = self.options.guard.max_retained_wal else { return Ok(()) };
        let retained = slot.retained_bytes.unwrap_or_default();
        let retention = Retention::of(retained, bound);
        let before = std::mem::replace(&mut self.watched.entry(database.to_owned()).or_default().retention, retention);
        let text = (retention != Retention::Within)
            .then(|| format!("the slot {} keeps {} of log; --max-retained-wal is {}", slot.name, sized(retained), sized(bound)));
        self.set(database, Alarm::RetainedWal, text);
        if retention == Retention::Beyond
            && self.options.guard.on_max_retained_wal == OnMaxRetainedWal::DropSlot
            && !slot.temporary
        {
            return self.give_up(sql, database, slot, bound).await;
        }
        if retention == Retention::Beyond && before != Retention::Beyond {
            tracing::error!(
                database,
                slot = slot.name,
                retained = sized(retained),
                remedy = "find out why nothing is confirmed (waltap status), or give the slot up: waltap slots drop",
                "the slot keeps more log than --max-retained-wal"
            );
        }
        Ok(())
    }

    /// What to say of a tap that stands still.
    fn stalled(&mut self, database: &str, slot: &SlotState, board: Option<&Arc<Board>>) -> Option<String> {
        let patience = self.options.guard.stall_timeout?;
        let facts = board?.facts();
        let watched = self.watched.entry(database.to_owned()).or_default();
        if matches!(facts.state, TapState::Idle | TapState::Standby | TapState::Failed | TapState::Stopped)
            || slot.server_lsn <= facts.confirmed
        {
            watched.stall = None;
            return None;
        }
        stall::note(&mut watched.stall, &facts, Instant::now(), patience)
    }

    /// Gives the disk of the source back: ends the tap, and drops its slot.
    async fn give_up(&mut self, sql: &Sql, database: &str, slot: &SlotState, bound: u64) -> Result<()> {
        let loss = Loss {
            capture: self.options.name.clone(),
            database: database.to_owned(),
            slot: slot.name.clone(),
            retained: slot.retained_bytes.unwrap_or_default(),
            bound,
            from: slot.confirmed_flush_lsn.unwrap_or_default(),
            to: slot.server_lsn,
        };
        let error = loss.error();
        tracing::error!(
            database,
            slot = slot.name,
            code = %error.code(),
            error = error.report(),
            remedy = error.remedy_text(),
            "giving the slot up, as --on-max-retained-wal asks"
        );
        self.given_up.tell(loss);
        // A slot can only be dropped in its own database.
        let own = self.options.source.sql(database).await?;
        if let Err(error) = drop_slot(&own, &slot.name, RELEASE_PATIENCE).await {
            if error.code() != Code::SLOT_IN_USE {
                return Err(error);
            }
            // Whatever it calls itself: nobody else reads a slot of this name.
            terminate_reader(sql, &slot.name, "").await?;
            drop_slot(&own, &slot.name, RELEASE_PATIENCE).await?;
        }
        tracing::warn!(
            database,
            slot = slot.name,
            given_back = sized(slot.retained_bytes.unwrap_or_default()),
            "the slot is dropped"
        );
        Ok(())
    }

    fn set(&self, database: &str, alarm: Alarm, text: Option<String>) {
        let said = text.clone();
        if self.handle.alarms().set(database, alarm, text) {
            match said {
                Some(text) => tracing::warn!(database, alarm = alarm.as_str(), "{text}"),
                None => tracing::info!(database, alarm = alarm.as_str(), "the alarm is over"),
            }
        }
    }
}

/// What ends a tap whose slot was given up.
fn given_up_error(message: String, remedy: String) -> Error {
    Error::configuration(Code::RETAINED_WAL, message).remedy(remedy)
}
