//! A primary and its streaming standby.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Postgres, PostgresOptions};
use crate::process::give_to;
use crate::{Result, TempFolder, ensure, free_port, wait_until};

/// The physical slot of the standby on its primary.
const PHYSICAL_SLOT: &str = "the_standby";

/// The first version that can keep logical slots on a standby.
const FAILOVER_SLOTS_SINCE: u32 = 17;

/// How long a standby may take to follow, or to keep a slot. It looks at the slots every half a minute at the latest, and keeps one once the
/// primary's has moved on to what the standby still has.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often the primary is asked to note which transactions are open.
const NOTES_INTERVAL: Duration = Duration::from_millis(300);

/// Two servers, of which the second follows the first through a physical slot. From PostgreSQL 17 on it keeps failover slots too, and the
/// first sends no logical change that the second does not have.
#[derive(Debug)]
pub struct Pair {
    /// The one that is written to.
    pub primary: Postgres,
    /// The one that follows.
    pub standby: Postgres,
}

impl Pair {
    /// Starts both; returns when the standby follows.
    pub(crate) async fn start(options: PostgresOptions, logs: [PathBuf; 2]) -> Result<Self> {
        let [log, standby_log] = logs;
        let own = options.settings.clone();
        let mut primary = Postgres::start(options, log).await?;
        let keeps_slots = primary.major().await? >= FAILOVER_SLOTS_SINCE;
        primary
            .sql("postgres")
            .await?
            .run(&format!("SELECT pg_create_physical_replication_slot('{PHYSICAL_SLOT}', true)"))
            .await?;
        if keeps_slots {
            primary.set("synchronized_standby_slots", PHYSICAL_SLOT);
        }
        let standby = primary.make_standby(standby_log, own, keeps_slots).await?;
        let pair = Pair { primary, standby };
        pair.wait_following().await?;
        Ok(pair)
    }

    /// Waits until the standby has all that is written now.
    pub async fn wait_following(&self) -> Result {
        let target = self.primary.written().await?;
        let sql = self.standby.sql("postgres").await?;
        wait_until("the standby follows", PATIENCE, async || {
            Ok(sql.number("SELECT coalesce(pg_last_wal_replay_lsn() - '0/0', 0)").await? >= target.cast_signed())
        })
        .await
    }

    /// Waits until a logical slot can be used on the standby once that is the primary.
    pub async fn wait_slot_kept(&self, slot: &str) -> Result {
        let kept = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND synced AND NOT temporary");
        let (primary, sql) = (self.primary.sql("postgres").await?, self.standby.sql("postgres").await?);
        wait_until("the standby keeps the slot", PATIENCE, async || {
            // The slot moves on with each note of which transactions are open, of which the primary makes one every fifteen seconds by itself.
            primary.run("SELECT pg_log_standby_snapshot()").await?;
            tokio::time::sleep(NOTES_INTERVAL).await;
            Ok(sql.number(&kept).await? == 1)
        })
        .await
    }

    /// Makes the standby a primary. The other one is left as it is: stop it, or kill it, before.
    pub async fn promote(&self) -> Result {
        let sql = self.standby.sql("postgres").await?;
        ensure!(sql.value("SELECT pg_promote()").await? == "t", "the standby does not become a primary");
        Ok(())
    }

    /// The URL of a user that leads to whichever of the two is the primary.
    pub fn url(&self, user: &str) -> String {
        let (one, two) = (self.primary.port(), self.standby.port());
        format!("postgres://{user}@127.0.0.1:{one},127.0.0.1:{two}/?target_session_attrs=primary")
    }
}

impl Postgres {
    async fn major(&self) -> Result<u32> {
        Ok(self.sql("postgres").await?.value("SELECT current_setting('server_version_num')::int / 10000").await?.parse()?)
    }

    /// Copies the data while the server stands still, and starts a server on the copy that follows this one.
    async fn make_standby(&mut self, log: PathBuf, own: Vec<(String, String)>, keeps_slots: bool) -> Result<Postgres> {
        self.stop_fast().await?;
        let standby = self.copy(log, own, keeps_slots)?;
        self.start_again().await?;
        let mut standby = standby;
        standby.start_again().await?;
        Ok(standby)
    }

    fn copy(&self, log: PathBuf, own: Vec<(String, String)>, keeps_slots: bool) -> Result<Postgres> {
        let folder = TempFolder::new()?;
        give_to(folder.path(), self.programs.user())?;
        let port = free_port()?;
        let mut standby = Postgres {
            programs: self.programs.clone(),
            log,
            port,
            settings: Self::kit_settings(port, folder.path()),
            folder,
            disk: None,
            server: None,
        };
        standby.settings.extend(own);
        copy_folder(self.data(), standby.data())?;
        // A copy of slots is none that follows them.
        std::fs::remove_dir_all(standby.data().join("pg_replslot"))?;
        std::fs::create_dir(standby.data().join("pg_replslot"))?;
        give_to(&standby.data().join("pg_replslot"), self.programs.user())?;
        let signal = standby.data().join("standby.signal");
        std::fs::write(&signal, "")?;
        give_to(&signal, self.programs.user())?;
        let conninfo =
            format!("host=127.0.0.1 port={} user=postgres dbname=postgres application_name={PHYSICAL_SLOT}", self.port);
        standby.set("primary_conninfo", &conninfo);
        standby.set("primary_slot_name", PHYSICAL_SLOT);
        standby.set("hot_standby_feedback", "on");
        if keeps_slots {
            standby.set("sync_replication_slots", "on");
        }
        Ok(standby)
    }

    /// Puts the data aside, as a copy of the machine's disk would; [`Postgres::restore`] brings it back. The server must stand still.
    pub fn back_up(&self) -> Result {
        ensure!(self.server.is_none(), "a server that runs cannot be copied");
        copy_folder(self.data(), self.folder.path().join("backup"))
    }

    /// Puts the copy in the place of the data. The server must stand still.
    pub fn restore(&self) -> Result {
        ensure!(self.server.is_none(), "the data of a server that runs cannot be replaced");
        std::fs::remove_dir_all(self.data())?;
        copy_folder(self.folder.path().join("backup"), self.data())
    }
}

/// With owners and rights, which PostgreSQL looks at.
fn copy_folder(from: PathBuf, to: PathBuf) -> Result {
    let copied = Command::new("cp").arg("-a").arg(&from).arg(&to).status()?;
    ensure!(copied.success(), "copying {} failed", from.display());
    Ok(())
}
