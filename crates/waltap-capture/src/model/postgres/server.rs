//! The simulated side of [`crate::source::Server`].

use waltap_error::Result;

use super::super::world::World;
use super::connection::Connection;
use super::{KeyReader, Replication, Sql};

/// The server, as one run of waltap reaches it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    world: World,
}

impl Server {
    pub(in crate::model) fn new(world: World) -> Self {
        Server { world }
    }

    pub(crate) async fn sql(&self) -> Result<Sql> {
        Connection::open(&self.world).await.map(Sql::new)
    }

    pub(crate) async fn key_reader(&self) -> Result<KeyReader> {
        Connection::open(&self.world).await.map(KeyReader::new)
    }

    pub(crate) async fn replication(&self) -> Result<Replication> {
        Connection::open(&self.world).await.map(Replication::new)
    }
}
