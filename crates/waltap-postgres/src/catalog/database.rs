//! The databases of a server.

use tokio_postgres::Client;
use waltap_error::Result;

use crate::refusal::refused;

/// A database that takes connections and is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its number, which survives a rename.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// Whether our role has the CONNECT privilege.
    pub may_connect: bool,
    /// Whether our role has the CREATE privilege, which making a publication needs.
    pub may_create: bool,
}

/// Every database that takes connections and is no template, by name. Those without CONNECT for our role are listed too: they have
/// to be named to the user, not to vanish.
pub async fn databases(client: &Client) -> Result<Vec<Database>> {
    // datconnlimit -2 marks what an interrupted DROP DATABASE left behind.
    let rows = client
        .query(
            "SELECT d.oid, d.datname, pg_get_userbyid(d.datdba) AS owner,
                    coalesce(has_database_privilege(d.oid, 'CONNECT'), false) AS may_connect,
                    coalesce(has_database_privilege(d.oid, 'CREATE'), false) AS may_create
             FROM pg_database d
             WHERE d.datallowconn AND NOT d.datistemplate AND d.datconnlimit <> -2
             ORDER BY d.datname",
            &[],
        )
        .await
        .map_err(|error| refused("listing the databases", error))?;
    rows.iter()
        .map(|row| {
            Ok(Database {
                oid: row.try_get("oid")?,
                name: row.try_get("datname")?,
                owner: row.try_get("owner")?,
                may_connect: row.try_get("may_connect")?,
                may_create: row.try_get("may_create")?,
            })
        })
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| refused("reading the list of databases", error))
}
