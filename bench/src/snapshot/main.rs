//! How fast a table's rows are read: by psql and by a bare client to nowhere, by the barest program that brings them into Kafka as JSON, and by
//! waltap. In turns within the run, round by round, and each round in another order.

mod contender;
mod report;

use std::time::Duration;

use waltap_bench::foreign::{Foreign, wait_for_quiet};
use waltap_bench::lines::Lines;
use waltap_bench::servers::Servers;
use waltap_bench::{parameters, table};
use waltap_tests::{Kit, Result, run_within};

use contender::{CONTENDERS, Contender};
use report::Report;

/// The database, and the table in it.
const DATABASE: &str = "bench";
const TABLE: &str = "bench";

/// How many rows, unless `ROWS` says otherwise.
const ROWS: u32 = 5_000_000;

/// How many are inserted at once.
const BATCH: u32 = 100_000;

/// The servers, and who starts more.
struct Bench<'a> {
    servers: Servers,
    kit: &'a Kit,
    rows: u32,
}

fn main() -> Result {
    let (rounds, rows) = (parameters::rounds()?, parameters::number("ROWS", ROWS)?);
    let contenders = parameters::chosen("CONTENDERS", CONTENDERS, Contender::name)?;
    let mut lines = Lines::of("snapshot")?;
    println!("{}; {rounds} rounds in turns", table::machine());
    run_within("bench_snapshot", Duration::from_secs(4 * 3_600), async |kit| {
        let bench = Bench { servers: Servers::start(kit).await?, kit, rows };
        let mut report = Report::new(rows, bench.fill().await?);
        for round in 0..rounds {
            let mut order = contenders.clone();
            order.rotate_left(round % contenders.len());
            for contender in order {
                wait_for_quiet().await?;
                let foreign = Foreign::now()?;
                let turn = contender.turn(&bench, round).await?;
                report.add(round, contender, turn, foreign.cores()?, &mut lines)?;
            }
        }
        report.print(&contenders);
        lines.print_place();
        Ok(())
    })
}

impl Bench<'_> {
    /// Makes the table, all of it in memory and frozen, and says how many bytes COPY makes of it.
    async fn fill(&self) -> Result<u64> {
        let sql = self.servers.postgres.create_database(DATABASE).await?;
        sql.run(&format!("CREATE TABLE {TABLE} (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric(12,2), e jsonb)"))
            .await?;
        for from in (0..self.rows).step_by(BATCH as usize) {
            let to = (from + BATCH).min(self.rows);
            sql.run(&format!(
                "INSERT INTO {TABLE} SELECT g, g % 1000000, repeat(md5(g::text), 3) || 'abcd', now(), (g % 1000000) / 100.0,
                    jsonb_build_object('k', g % 1000, 's', 'v' || g % 10000) FROM generate_series({from} + 1, {to}) g"
            ))
            .await?;
        }
        sql.run(&format!("VACUUM (FREEZE, ANALYZE) {TABLE}")).await?;
        sql.run("CHECKPOINT").await?;
        let bytes =
            format!("SELECT sum(octet_length(format(E'%s\\t%s\\t%s\\t%s\\t%s\\t%s\\n', id, a, b, c, d, e))) FROM {TABLE}");
        Ok(u64::try_from(sql.number(&bytes).await?)?)
    }
}
