//! What is different where the source is a standby. Nothing can be written there: no publication, no mark in the log. Its slots are its own,
//! and go on when it is promoted, on a new timeline and while the connections stay: so that is noticed, and the session begun again.

use std::sync::Arc;

use tokio::sync::watch;
use waltap_error::Result;

use crate::source::Sql;

/// What the server of the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Primary,
    Standby,
    /// It was a standby when the session began.
    Promoted,
}

/// Whether the session's server is a standby, as it was seen last.
#[derive(Clone, Debug)]
pub(crate) struct Recovery(Arc<watch::Sender<Role>>);

impl Default for Recovery {
    fn default() -> Self {
        Recovery(Arc::new(watch::Sender::new(Role::Primary)))
    }
}

impl Recovery {
    /// A session is about to begin: of its server nothing is known yet.
    pub(super) fn forget(&self) {
        self.0.send_replace(Role::Primary);
    }

    /// Asks what the session's server is.
    pub(super) async fn ask(&self, sql: &Sql) -> Result<bool> {
        let is_standby = sql.is_standby().await?;
        self.0.send_replace(if is_standby { Role::Standby } else { Role::Primary });
        Ok(is_standby)
    }

    /// Whether it was a standby when the session began.
    pub(crate) fn is_standby(&self) -> bool {
        *self.0.borrow() != Role::Primary
    }

    /// Looks whether a standby still is one.
    pub(super) async fn look(&self, sql: &Sql) -> Result<()> {
        if *self.0.borrow() == Role::Standby && !sql.is_standby().await? {
            self.0.send_replace(Role::Promoted);
        }
        Ok(())
    }

    /// Waits until a standby is seen to be one no more. The session is to end then, in order, and the next one to begin on the new timeline.
    pub(super) async fn promoted(&self) {
        // The sender is held here, so that this cannot fail.
        let _ = self.0.subscribe().wait_for(|role| *role == Role::Promoted).await;
    }
}
