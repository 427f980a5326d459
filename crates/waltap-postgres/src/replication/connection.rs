//! A session that takes replication commands.

use waltap_error::{Code, Error, Result};
use waltap_pgoutput::Lsn;

use super::command;
use super::timeline::{FIRST_TIMELINE, TimelineHistory};
use crate::catalog::SERVER_START;
use crate::connect::{ServerVersion, Session};
use crate::server_error::{Doing, ServerError};

/// The SQLSTATE of what a role may not do.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

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

    /// When the server of this session was started: as [`catalog::server_start`](crate::catalog::server_start) says of an SQL session's.
    pub async fn server_start(&mut self) -> Result<Option<String>> {
        let what = "asking the server when it was started";
        let Some(rows) = if_allowed(self.session.command(Doing::Statement, "", what, SERVER_START).await)? else {
            return Ok(None);
        };
        match rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten() {
            Some(start) => Ok(Some(start)),
            None => Err(Error::configuration(Code::SERVER_REFUSED, format!("{what}: the server has no answer"))),
        }
    }

    /// Where the log of a timeline left the earlier ones. The first timeline has no history: there is nothing before it.
    pub async fn timeline_history(&mut self, timeline: u32) -> Result<TimelineHistory> {
        if timeline <= FIRST_TIMELINE {
            return Ok(TimelineHistory::default());
        }
        let what = format!("reading the history of timeline {timeline}");
        let rows = self.session.command(Doing::Statement, "", &what, &command::timeline_history(timeline)).await?;
        let odd = || Error::configuration(Code::SERVER_REFUSED, format!("{what}: the server's answer is not understood"));
        let Some([_, Some(text), ..]) = rows.first().map(Vec::as_slice) else { return Err(odd()) };
        TimelineHistory::parse(text).ok_or_else(odd)
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

/// `None` in place of a refusal because the role may not ask.
fn if_allowed<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if ServerError::find(&error).is_some_and(|refusal| refusal.sqlstate == INSUFFICIENT_PRIVILEGE) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_error::{Failure, Subject};

    #[test]
    fn what_the_role_may_not_ask_is_not_known() {
        let refused = |sqlstate: &str| -> Result<()> {
            let error = ServerError { severity: "ERROR".to_owned(), sqlstate: sqlstate.to_owned(), ..ServerError::default() };
            Err(Failure::from(error).into_error(Doing::Statement, "asking", Subject::default()))
        };
        assert_eq!(if_allowed(refused("42501")).unwrap(), None);
        assert!(if_allowed(refused("42883")).is_err(), "another refusal");
        assert_eq!(if_allowed(Ok(1)).unwrap(), Some(1));
    }
}
