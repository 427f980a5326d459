//! A workload whose every row says whether it may be seen: what was committed is on record in the database itself.
//!
//! * `facts` and `bulk`: a row for each step of a transaction, only ever inserted.
//! * `hot`: few rows, each change of which counts its `version` on.
//! * `unseen`: not captured; transactions that touch nothing else are filtered out.

mod transaction;
mod writers;

pub(crate) use transaction::Mix;
pub(crate) use writers::{Tally, Writers};

use waltap_tests::checker::Truth;
use waltap_tests::{Postgres, Result, ensure};

/// The captured tables that are only ever inserted into.
const FACTS: [&str; 2] = ["facts", "bulk"];

/// The table that is not captured.
pub(crate) const UNSEEN: &str = "public.unseen";

/// How many rows change: few, so that each changes often.
const HOT_ROWS: u64 = 40;

/// Whose facts were there before any writer.
const FOUNDER: u64 = 0;

/// Makes the tables in a new database, with so many rows of what was before.
pub(crate) async fn create(postgres: &Postgres, database: &str, rows: u64) -> Result {
    let sql = postgres.create_database(database).await?;
    let fact =
        "writer int, transaction bigint, step int, steps int, note text, written pg_lsn DEFAULT pg_current_wal_insert_lsn(),
        PRIMARY KEY (writer, transaction, step)";
    sql.run(&format!(
        "CREATE TABLE facts ({fact});
         CREATE TABLE bulk ({fact});
         CREATE TABLE hot (id int PRIMARY KEY, version bigint NOT NULL, note text);
         CREATE TABLE unseen (id bigserial PRIMARY KEY, note text);
         INSERT INTO hot SELECT id, 1, 'hot' FROM generate_series(1, {HOT_ROWS}) id;
         INSERT INTO facts SELECT {FOUNDER}, g, 0, 1, repeat('fact ', 10) FROM generate_series(1, {rows}) g;
         INSERT INTO bulk SELECT {FOUNDER}, g, 0, 1, repeat('bulk ', 10) FROM generate_series(1, {rows}) g;"
    ))
    .await
}

/// The topics of the captured tables.
pub(crate) fn topics(database: &str) -> Vec<String> {
    FACTS.iter().copied().chain(["hot"]).map(|table| format!("{database}.public.{table}")).collect()
}

/// Fails when the server has lost what it acknowledged to the writers: then nothing that was shown would mean anything.
pub(crate) async fn ensure_kept(postgres: &Postgres, database: &str, tally: &Tally) -> Result {
    let count = format!("SELECT count(*) FROM (SELECT DISTINCT writer, transaction FROM facts WHERE writer <> {FOUNDER}) known");
    let known = postgres.sql(database).await?.number(&count).await?;
    ensure!(known >= tally.with_facts as i64, "the server knows {known} transactions of {tally:?}");
    Ok(())
}

/// Asks the database what was committed.
pub(crate) async fn truth(postgres: &Postgres, database: &str) -> Result<Truth> {
    let sql = postgres.sql(database).await?;
    let mut truth = Truth::default();
    for table in FACTS {
        let rows = sql
            .rows(&format!(
                "SELECT '{{\"writer\":' || writer || ',\"transaction\":' || transaction || ',\"step\":' || step || '}}', written
                 FROM {table}"
            ))
            .await?;
        let rows = rows.into_iter().filter_map(|row| {
            let mut fields = row.into_iter().flatten();
            Some((fields.next()?, fields.next()?))
        });
        truth.add_facts(format!("{database}.public.{table}"), rows)?;
    }
    truth.add_changing(format!("{database}.public.hot"));
    Ok(truth)
}
