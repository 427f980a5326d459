//! What waltap made on a server, listed and dropped.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use waltap_error::{Code, Error, Result};

use super::name::NAME_PREFIX;
use super::state::{SlotState, inspect, read};
use crate::catalog::quoted_identifier;
use crate::refusal::{answer, is_state, refused};

/// How often a slot that is still being read is tried again.
const DROP_RETRY: Duration = Duration::from_millis(200);

/// A publication whose name begins as waltap's do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPublication {
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// Whether our role may drop it here: it is the owner, or is in the role that is, or is a superuser, and the server is no standby.
    pub may_drop: bool,
    /// How many tables it lists.
    pub tables: u64,
}

/// The slots of this server that waltap made, of every database.
pub async fn own_slots(client: &Client) -> Result<Vec<SlotState>> {
    read(client, "starts_with(s.slot_name::text, $1)", NAME_PREFIX).await
}

/// The publications of this database that waltap made.
pub async fn own_publications(client: &Client) -> Result<Vec<OwnPublication>> {
    const DOING: &str = "listing the publications";
    let rows = client
        .query(
            "SELECT p.pubname::text AS name, pg_get_userbyid(p.pubowner)::text AS owner,
                    NOT pg_is_in_recovery() AND pg_has_role(p.pubowner, 'USAGE') AS may_drop,
                    (SELECT count(*) FROM pg_publication_rel r WHERE r.prpubid = p.oid) AS tables
             FROM pg_publication p WHERE starts_with(p.pubname::text, $1) ORDER BY p.pubname",
            &[&NAME_PREFIX],
        )
        .await
        .map_err(|error| refused(DOING, error))?;
    rows.iter()
        .map(|row| {
            Ok(OwnPublication {
                name: row.try_get("name")?,
                owner: row.try_get("owner")?,
                may_drop: row.try_get("may_drop")?,
                tables: u64::try_from(row.try_get::<_, i64>("tables")?).unwrap_or(0),
            })
        })
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| refused(DOING, error))
}

/// Drops a slot; waits at most `patience` while somebody still reads it. Answers whether there was one.
pub async fn drop_slot(client: &Client, name: &str, patience: Duration) -> Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        match client.execute("SELECT pg_drop_replication_slot($1)", &[&name]).await {
            Ok(_) => return Ok(true),
            Err(error) if is_state(&error, &SqlState::UNDEFINED_OBJECT) => return Ok(false),
            Err(error) if is_state(&error, &SqlState::OBJECT_IN_USE) => {
                if Instant::now() >= deadline {
                    return Err(in_use(client, name, error).await);
                }
            }
            Err(error) => return Err(refused(format!("dropping the replication slot {name}"), error)),
        }
        sleep(DROP_RETRY).await;
    }
}

async fn in_use(client: &Client, name: &str, error: tokio_postgres::Error) -> Error {
    let reader = inspect(client, name).await.ok().flatten().and_then(|slot| slot.active_pid);
    let remedy = match reader {
        Some(pid) => format!("stop the capture that reads it, or run SELECT pg_terminate_backend({pid});"),
        None => "stop the capture that reads it".to_owned(),
    };
    Error::configuration(Code::SLOT_IN_USE, format!("the replication slot {name} is being read and cannot be dropped"))
        .source(answer(error))
        .remedy(remedy)
}

/// Drops a publication of this database, if it is there.
pub async fn drop_publication(client: &Client, name: &str) -> Result<()> {
    let statement = format!("DROP PUBLICATION IF EXISTS {}", quoted_identifier(name));
    client.batch_execute(&statement).await.map_err(|error| {
        if !is_state(&error, &SqlState::INSUFFICIENT_PRIVILEGE) {
            return refused(format!("dropping the publication {name}"), error);
        }
        Error::configuration(Code::PUBLICATION, format!("the publication {name} belongs to another role"))
            .source(answer(error))
            .remedy(format!("as its owner: {statement};"))
    })
}
