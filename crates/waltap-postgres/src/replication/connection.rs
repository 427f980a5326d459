//! A session that takes replication commands.

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;

use super::command;
use crate::connect::{ServerVersion, Session};
use crate::server_error::Doing;

/// Which server this is, as `IDENTIFY_SYSTEM` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The cluster's own number, made by `initdb`. The same for a primary and its standbys.
    pub system_id: String,
    /// The timeline: counts promotions.
    pub timeline: u32,
    /// Where the log ends, flushed.
    pub wal_flush: Lsn,
    /// The database of this session.
    pub database: Option<String>,
}

/// A session that takes replication commands, in a database.
pub struct ReplicationConnection {
    pub(super) session: Session,
}

impl ReplicationConnection {
    pub(crate) fn new(session: Session) -> Self {
        ReplicationConnection { session }
    }

    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.session.version
    }

    /// The number of the server's process, as `pg_stat_replication` has it.
    pub fn process_id(&self) -> i32 {
        self.session.process_id()
    }

    /// Which server this is.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity> {
        let what = "asking the server who it is";
        let rows = self.session.command(Doing::Statement, "", what, "IDENTIFY_SYSTEM").await?;
        let odd = || Error::configuration(Code::SERVER_REFUSED, format!("{what}: its answer is not understood"));
        let Some([Some(system_id), Some(timeline), Some(wal_flush), database, ..]) = rows.first().map(Vec::as_slice) else {
            return Err(odd());
        };
        Ok(SystemIdentity {
            system_id: system_id.clone(),
            timeline: timeline.parse().map_err(|error: std::num::ParseIntError| odd().source(error))?,
            wal_flush: wal_flush.parse().map_err(|error: waltap_pgoutput::ParseLsnError| odd().source(error))?,
            database: database.clone(),
        })
    }

    /// The value of a setting, as `SHOW` writes it.
    pub async fn show(&mut self, setting: &str) -> Result<String> {
        let what = format!("reading the setting {setting}");
        let rows = self.session.command(Doing::Statement, "", &what, &command::show(setting)).await?;
        match rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten() {
            Some(value) => Ok(value),
            None => Err(Error::configuration(Code::SERVER_REFUSED, format!("{what}: the server has no answer"))),
        }
    }
}
