//! An SQL session.

use std::ops::{Deref, DerefMut};

use tokio_postgres::Client;

use super::ServerVersion;

/// An SQL session: a [`tokio_postgres::Client`] whose connection lives and ends with it.
///
/// Statements that fail are turned into waltap's errors by [`crate::sql_error`].
pub struct Sql {
    client: Client,
    version: ServerVersion,
}

impl Sql {
    /// The server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }
}

impl Deref for Sql {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Sql {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}
