//! The guard: keeps an eye on the slots of a capture, from before Kafka answers to the end, so that none fills the server's disk unseen
//! and no tap stands still unseen. It looks from the outside, with a connection of its own: whatever a tap is busy with, the guard goes
//! on.

mod given_up;
mod retention;
mod stall;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use waltap_error::{Code, Result};
use waltap_postgres::Sql;
use waltap_postgres::slot::{NAME_PREFIX, SlotState, capture_of, drop_slot, own_slots, slot_name, terminate_reader};

pub(crate) use given_up::GivenUp;

use self::given_up::Loss;
use self::retention::{Retention, danger, kept_by_a_transaction};
use self::stall::Stall;
use crate::alarm::Alarm;
use crate::board::Board;
use crate::capture::Handle;
use crate::human_size::human_size;
use crate::options::{OnMaxRetainedWal, Options};
use crate::status::TapState;

/// How often it looks. At a gigabyte a second a disk still has some time then.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a tap that was told to give its slot up may take to let go of it, before the server is told to end its connection.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// Looks for as long as the capture runs.
pub(crate) async fn run(options: Options, handle: Handle, given_up: GivenUp) {
    let mut guard = Guard { options, handle, given_up, watched: HashMap::new(), abandoned: BTreeSet::new() };
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
    /// The databases with a slot that is nobody's.
    abandoned: BTreeSet<String>,
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
        let slots = own_slots(sql).await?;
        self.look_for_abandoned(&slots);
        let (mut seen, mut beyond) = (BTreeSet::new(), Vec::new());
        for slot in slots {
            let Some(database) = slot.database.clone() else { continue };
            // A database that was made anew has an old board too.
            let board = boards.iter().rev().find(|board| board.database() == database);
            let name = board.map_or_else(|| slot_name(&self.options.name, &database), |board| board.facts().slot.clone());
            // On a standby that keeps it for its primary it is the primary's matter.
            if slot.name != name || slot.synced || !self.options.databases.matches(&database) {
                continue;
            }
            self.look_at(&database, &slot, board);
            if self.is_to_be_given_up(&database, &slot, board) {
                beyond.push((database.clone(), slot));
            }
            seen.insert(database);
        }
        for (database, slot) in beyond {
            // One that cannot be dropped must not hide the others.
            if let Err(error) = self.give_up(sql, &database, &slot).await {
                tracing::error!(
                    database,
                    slot = slot.name,
                    error = error.report(),
                    "the slot cannot be dropped yet; trying again"
                );
            }
        }
        let gone: Vec<String> = self.watched.keys().filter(|database| !seen.contains(*database)).cloned().collect();
        for database in gone {
            self.watched.remove(&database);
            self.given_up.dropped(&database);
            for alarm in [Alarm::RetainedWal, Alarm::SlotInDanger, Alarm::Stalled] {
                self.set(&database, alarm, None);
            }
        }
        Ok(())
    }

    /// A slot goes with its database when that is renamed. Then no capture looks for it there, and it keeps log for ever.
    fn look_for_abandoned(&mut self, slots: &[SlotState]) {
        let own = format!("{NAME_PREFIX}{}_", self.options.name);
        let mut abandoned = BTreeMap::new();
        for slot in slots {
            let Some(database) = &slot.database else { continue };
            if slot.name.starts_with(&own) && !slot.temporary && !slot.active && capture_of(&slot.name, database).is_none() {
                let text = format!(
                    "the slot {0} of database {database} is nobody's, as when a database was renamed, and keeps {1} of log: if no capture is to \
                     read it, SELECT pg_drop_replication_slot('{0}') there",
                    slot.name,
                    human_size(slot.retained_bytes.unwrap_or_default())
                );
                abandoned.insert(database.clone(), text);
            }
        }
        for database in self.abandoned.extract_if(.., |database| !abandoned.contains_key(database)).collect::<Vec<_>>() {
            self.set(&database, Alarm::AbandonedSlot, None);
        }
        for (database, text) in abandoned {
            self.set(&database, Alarm::AbandonedSlot, Some(text));
            self.abandoned.insert(database);
        }
    }

    fn look_at(&mut self, database: &str, slot: &SlotState, board: Option<&Arc<Board>>) {
        if let Some(board) = board {
            let mut facts = board.facts();
            facts.retained_wal_bytes = slot.retained_bytes;
            facts.wal_status = slot.wal_status.map(|status| status.as_str().to_owned());
        }
        self.set(database, Alarm::SlotInDanger, danger(slot));
        let stalled = self.stalled(database, slot, board);
        self.set(database, Alarm::Stalled, stalled);
        let Some(bound) = self.options.guard.max_retained_wal else { return };
        let retained = slot.retained_bytes.unwrap_or_default();
        let retention = Retention::of(retained, bound);
        let before = std::mem::replace(&mut self.watched.entry(database.to_owned()).or_default().retention, retention);
        let withheld = board.is_some_and(|board| board.facts().withheld_from.is_some());
        let text = (retention != Retention::Within).then(|| {
            let why = match withheld {
                _ if kept_by_a_transaction(slot) => ", most of it for a transaction that is open so long",
                true => " for tables that are paused",
                false => "",
            };
            format!(
                "the slot {} keeps {} of log{why}; --max-retained-wal is {}",
                slot.name,
                human_size(retained),
                human_size(bound)
            )
        });
        self.set(database, Alarm::RetainedWal, text);
        if retention == Retention::Beyond && before != Retention::Beyond {
            let remedy = match kept_by_a_transaction(slot) {
                true => {
                    "end the oldest transaction of the server: SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start"
                }
                false if withheld => "let the tables go on that are paused (waltap status, waltap resume --table)",
                false => "find out why nothing is confirmed (waltap status), or give the slot up: waltap slots drop",
            };
            tracing::error!(
                database,
                slot = slot.name,
                retained = human_size(retained),
                remedy,
                "the slot keeps more log than --max-retained-wal"
            );
        }
    }

    /// Whether the slot keeps more than it may, and is this process' to drop: not while another reads it.
    fn is_to_be_given_up(&self, database: &str, slot: &SlotState, board: Option<&Arc<Board>>) -> bool {
        let is_beyond = self.watched.get(database).is_some_and(|watched| watched.retention == Retention::Beyond);
        let reads = |board: &Arc<Board>| matches!(board.facts().state, TapState::Streaming | TapState::Snapshot);
        let is_ours = !slot.active || board.is_some_and(reads);
        is_beyond && is_ours && !slot.temporary && self.options.guard.on_max_retained_wal == OnMaxRetainedWal::DropSlot
    }

    /// What to say of a tap that stands still.
    fn stalled(&mut self, database: &str, slot: &SlotState, board: Option<&Arc<Board>>) -> Option<String> {
        let patience = self.options.guard.stall_timeout?;
        let facts = board?.facts();
        let watched = self.watched.entry(database.to_owned()).or_default();
        if matches!(facts.state, TapState::Idle | TapState::Standby | TapState::Paused | TapState::Failed | TapState::Stopped)
            || !stall::is_behind(&facts, slot)
        {
            watched.stall = None;
            return None;
        }
        stall::note(&mut watched.stall, &facts, slot.confirmed_flush_lsn.unwrap_or_default(), Instant::now(), patience)
    }

    /// Gives the disk of the source back: ends the tap, and drops its slot.
    async fn give_up(&mut self, sql: &Sql, database: &str, slot: &SlotState) -> Result<()> {
        let Some(bound) = self.options.guard.max_retained_wal else { return Ok(()) };
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
        if let Err(error) = drop_slot(sql, &slot.name, RELEASE_PATIENCE).await {
            if error.code() != Code::SLOT_IN_USE {
                return Err(error);
            }
            // Whatever it calls itself: nobody else reads a slot of this name.
            terminate_reader(sql, &slot.name, "").await?;
            drop_slot(sql, &slot.name, RELEASE_PATIENCE).await?;
        }
        tracing::warn!(
            database,
            slot = slot.name,
            given_back = human_size(slot.retained_bytes.unwrap_or_default()),
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
