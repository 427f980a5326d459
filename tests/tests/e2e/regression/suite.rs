//! PostgreSQL's own regression tests, run against a cluster of the kit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use waltap_tests::{Failure, Kit, Launch, Postgres, PostgresOptions, Process, Result, ensure, repository};

/// Half a minute on a machine with nothing else to do.
const SUITE_DEADLINE: Duration = Duration::from_secs(600);

/// A dump and its restoring take seconds.
const DUMP_DEADLINE: Duration = Duration::from_secs(120);

/// The tests go with the server of Debian's packages.
pub(super) const MAJOR: u32 = 15;

/// A cluster on which the tests can run.
pub(super) async fn cluster(kit: &Kit) -> Result<Postgres> {
    let options = PostgresOptions { major: Some(MAJOR), ..PostgresOptions::default() };
    kit.postgres_with(options.set("max_prepared_transactions", "5").set("max_connections", "100")).await
}

/// Runs the tests in the database `regression`, which is left as they leave it. Without `existing` they make it themselves. A capture that
/// goes on meanwhile shows in the output of some of them, so that those count as failed: what they did is in the database all the same.
pub(super) async fn run_suite(kit: &Kit, postgres: &Postgres, existing: bool) -> Result {
    let home = repository().join(".cache/postgres-regression");
    ensure!(home.join("ready").exists(), "the regression tests are not there: run scripts/install-regression.sh");
    let home = home.canonicalize()?;
    let folder = postgres.make_folder("regress")?;
    let program = home.join("pg_regress");
    let home = home.display();
    let mut launch = postgres.client(program, kit.folder().join("pg_regress.log")).arguments(&[
        format!("--inputdir={home}"),
        format!("--dlpath={home}"),
        format!("--schedule={home}/parallel_schedule"),
        format!("--outputdir={}", folder.display()),
        format!("--bindir={}", postgres.programs().display()),
        "--host=127.0.0.1".to_owned(),
        format!("--port={}", postgres.port()),
        "--user=postgres".to_owned(),
        "--dbname=regression".to_owned(),
        "--max-concurrent-tests=20".to_owned(),
    ]);
    if existing {
        launch = launch.arguments(&["--use-existing"]);
    }
    let mut suite = Process::start("pg_regress", &launch)?;
    suite.wait(SUITE_DEADLINE).await?;
    let log = suite.log_tail(1000);
    let passed = log.lines().filter(|line| line.contains("... ok")).count();
    let failed: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("FAILED"))
        .filter_map(|line| line.split_whitespace().nth(usize::from(line.starts_with("test "))))
        .collect();
    println!("PostgreSQL's regression tests: {passed} passed, {} failed: {}", failed.len(), failed.join(" "));
    let allowed = if existing { 30 } else { 0 };
    ensure!(passed >= 180 && failed.len() <= allowed, "the tests did not run as they should:\n{log}");
    Ok(())
}

/// Dumps one section of a database (`pre-data`, `data`, `post-data`) as a script.
pub(super) async fn dump(kit: &Kit, postgres: &Postgres, database: &str, section: &str) -> Result<PathBuf> {
    let script = postgres.socket_folder().join(format!("{section}.sql"));
    let launch = postgres.client("pg_dump", kit.folder().join("pg_dump.log")).arguments(&[
        "--dbname".to_owned(),
        database.to_owned(),
        format!("--section={section}"),
        "--disable-triggers".to_owned(),
        // An unlogged table is not captured.
        "--no-unlogged-table-data".to_owned(),
        format!("--file={}", script.display()),
    ]);
    run(&launch).await?;
    Ok(script)
}

/// Runs a script in a database.
pub(super) async fn restore(kit: &Kit, postgres: &Postgres, database: &str, script: &Path) -> Result {
    let launch = postgres.client("psql", kit.folder().join("psql.log")).arguments(&[
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--dbname",
        database,
        "--file",
        &script.display().to_string(),
    ]);
    run(&Launch { stdout: None, ..launch }).await
}

async fn run(launch: &Launch) -> Result {
    let name = launch.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut process = Process::start(&name, launch)?;
    let status = process.wait(DUMP_DEADLINE).await?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{name} failed ({status}):\n{}", process.log_tail(20)))) }
}
