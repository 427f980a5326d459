//! Standard output as a sink: for looking, with nothing left behind.

use std::process::{Command, Stdio};
use std::time::Duration;

use waltap_tests::{Kit, Postgres, Result, ensure, run, wait_until, waltap_binary};

const DEADLINE: Duration = Duration::from_secs(60);

async fn prepare(kit: &Kit) -> Result<Postgres> {
    let postgres = kit.postgres().await?;
    let shop = postgres.create_database("shop").await?;
    shop.run(
        "CREATE TABLE orders (id int PRIMARY KEY, total numeric, secret text);
         INSERT INTO orders SELECT g, g, 'hidden' FROM generate_series(1, 2000) g",
    )
    .await?;
    Ok(postgres)
}

async fn ensure_nothing_left(postgres: &Postgres) -> Result {
    let left = "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)";
    let shop = postgres.sql("shop").await?;
    // The server lets go of a temporary slot when it notices that its connection has ended.
    wait_until("no slot and no publication is left", DEADLINE, async || Ok(shop.number(left).await? == 0)).await
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_capture_in_peace() -> Result {
    run("stdout_head", async |kit| {
        let postgres = prepare(kit).await?;
        let mut waltap = Command::new(waltap_binary()?)
            .args(["capture", "--source", &postgres.url("postgres"), "--database", "shop", "--sink", "stdout", "--http", "off"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Taking it and dropping it is what `| head -0` does; the rows fill the pipe many times over.
        drop(waltap.stdout.take());
        let shop = postgres.sql("shop").await?;
        wait_until("waltap has ended", DEADLINE, async || {
            shop.run("INSERT INTO orders SELECT coalesce(max(id), 0) + 1, 1, 'more' FROM orders").await?;
            Ok(waltap.try_wait()?.is_some())
        })
        .await?;
        let output = waltap.wait_with_output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(0), "{:?}:\n{log}", output.status);
        ensure!(!log.contains("ERROR"), "an error in the log:\n{log}");
        ensure_nothing_left(&postgres).await
    })
}

#[test]
fn a_publication_holds_back_the_same_in_the_snapshot_and_in_the_stream() -> Result {
    run("stdout_publication", async |kit| {
        let postgres = prepare(kit).await?;
        let shop = postgres.sql("shop").await?;
        shop.run("CREATE PUBLICATION part FOR TABLE orders (id, total) WHERE (id <= 1000)").await?;
        let source = postgres.url("postgres");
        let flags = ["capture", "--source", &source, "--database", "shop", "--sink", "stdout", "--publication", "part"];
        let mut waltap = kit.waltap(&flags, &[])?;
        waltap.wait_streaming().await?;
        wait_until("the rows are out", DEADLINE, async || Ok(waltap.stdout().lines().count() >= 1000)).await?;
        shop.run("UPDATE orders SET total = -total WHERE id IN (7, 1007)").await?;
        wait_until("the change is out", DEADLINE, async || Ok(waltap.stdout().contains("\"total\":\"-7\""))).await?;
        waltap.stop_cleanly().await?;
        let output = waltap.stdout();
        ensure!(output.lines().count() == 1001, "{} lines", output.lines().count());
        ensure!(!output.contains("secret") && !output.contains("1007"), "what is held back came out");
        Ok(())
    })
}
