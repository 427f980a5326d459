//! The same log gives the same events, positions and all, whether transactions are streamed or not.

use waltap_tests::{Result, Sql, ensure, run};

use super::{MAJORS, SMALL_MEMORY, server, tap, wait_open};
use crate::watched::{Event, Watched};

/// Rows enough to be streamed at once.
fn rows(table: &str, from: u32) -> String {
    format!("INSERT INTO {table} SELECT g, repeat('x', 100) FROM generate_series({from}, {}) g;", from + 1_999)
}

/// Savepoints that are rolled back, released, nested; changes of tables within them and around; truncates.
fn transactions() -> Vec<String> {
    vec![
        // Nested, the inner one released into an outer one that is rolled back.
        format!(
            "BEGIN; {} SAVEPOINT a; {} SAVEPOINT b; {} RELEASE b; {} ROLLBACK TO a; {} COMMIT",
            rows("t", 0),
            rows("t", 10_000),
            rows("t", 20_000),
            rows("t", 30_000),
            rows("t", 40_000)
        ),
        // The inner one has the first change.
        format!(
            "BEGIN; SAVEPOINT a; SAVEPOINT b; {} RELEASE b; {} ROLLBACK TO a; {} COMMIT",
            rows("t", 110_000),
            rows("t", 120_000),
            rows("t", 130_000)
        ),
        // The table changes in a savepoint that is rolled back, then in one that is kept.
        format!(
            "BEGIN; {} SAVEPOINT a; ALTER TABLE t ADD COLUMN gone int DEFAULT 7; {} ROLLBACK TO a; {} SAVEPOINT b; \
             ALTER TABLE t ADD COLUMN kept int DEFAULT 8; {} RELEASE b; {} COMMIT",
            rows("t", 200_000),
            rows("t", 210_000),
            rows("t", 220_000),
            rows("t", 230_000),
            rows("u", 0)
        ),
        // Nothing of it stays.
        format!(
            "BEGIN; {} SAVEPOINT a; {} ROLLBACK TO a; {} ROLLBACK",
            rows("t", 300_000),
            rows("u", 300_000),
            rows("u", 310_000)
        ),
        // A subtransaction for each row, every third of them undone.
        "DO $$ BEGIN FOR g IN 400000..401999 LOOP BEGIN INSERT INTO t VALUES (g, repeat('y', 100)); \
         IF g % 3 = 0 THEN RAISE EXCEPTION 'undone'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$"
            .to_owned(),
        format!(
            "BEGIN; {} SAVEPOINT a; {} ROLLBACK TO a; TRUNCATE u; {} UPDATE u SET v = 'z' WHERE id < 500; DELETE FROM u WHERE id > 510200; COMMIT",
            rows("u", 500_000),
            rows("u", 520_000),
            rows("u", 510_000)
        ),
        "INSERT INTO t VALUES (-1, 'small')".to_owned(),
    ]
}

/// What is the same in both: all but the moment at which it was written.
pub(super) fn shown(events: Vec<Event>) -> Vec<String> {
    let show = |mut event: Event| {
        if let Some(value) = event.value.as_object_mut() {
            value.remove("ts_ms");
        }
        format!("{} {} {}", event.topic, event.key, event.value)
    };
    events.into_iter().map(show).collect()
}

/// How many transactions the server says to have sent to a capture while they were open.
async fn sent_while_open(sql: &Sql, watched: &Watched) -> Result<i64> {
    let slot = tap(&watched.waltap).await?["slot"].as_str().unwrap_or_default().to_owned();
    sql.number(&format!("SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = '{slot}'")).await
}

#[test]
fn positions_are_the_same_as_without_streaming() -> Result {
    run("streaming_equality", async |kit| {
        for major in MAJORS {
            let postgres = server(kit, major).await?;
            let shop = postgres.create_database("shop").await?;
            shop.run("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)").await?;
            let mut streamed = Watched::start(kit, &postgres, "shop", &SMALL_MEMORY).await?;
            let mut whole = Watched::start(kit, &postgres, "shop", &["--name", "whole", "--streaming", "off"]).await?;
            for transaction in transactions() {
                shop.run(&transaction).await.map_err(|failure| failure.while_doing(transaction))?;
            }
            // Two that are open at the same time, statement by statement.
            let (first, second) = (postgres.sql("shop").await?, postgres.sql("shop").await?);
            first.run(&format!("BEGIN; {}", rows("t", 600_000))).await?;
            second.run(&format!("BEGIN; {} SAVEPOINT a; {}", rows("t", 700_000), rows("u", 700_000))).await?;
            first.run(&format!("{} SAVEPOINT a; {}", rows("t", 610_000), rows("u", 610_000))).await?;
            // Both wait, on the disk; nothing of the other capture does.
            wait_open(&streamed.waltap, 2, true).await?;
            wait_open(&whole.waltap, 0, false).await?;
            second.run(&format!("ROLLBACK TO a; {} COMMIT", rows("t", 710_000))).await?;
            first.run(&format!("ROLLBACK TO a; {} COMMIT", rows("u", 620_000))).await?;
            for watched in [&mut streamed, &mut whole] {
                watched.reached(&shop).await?;
                watched.reached(&shop).await?;
            }
            // All but the small one: seven, one of which comes to nothing, and the two above.
            let (open, at_their_end) = (sent_while_open(&shop, &streamed).await?, sent_while_open(&shop, &whole).await?);
            ensure!(
                open >= 6 && at_their_end == 0,
                "PostgreSQL {major}: {open} and {at_their_end} were sent while they were open"
            );
            let marks = |event: &Event| event.topic != "public.kit_marker";
            let left: Vec<String> = shown(streamed.all()?.into_iter().filter(marks).collect());
            let right: Vec<String> = shown(whole.all()?.into_iter().filter(marks).collect());
            for (left, right) in left.iter().zip(&right) {
                ensure!(left == right, "PostgreSQL {major}: streamed\n{left}\nwhole\n{right}");
            }
            ensure!(left.len() == right.len(), "PostgreSQL {major}: {} events and {}", left.len(), right.len());
            ensure!(left.len() > 20_000, "PostgreSQL {major}: {} events", left.len());
            streamed.stop().await?;
            whole.stop().await?;
        }
        Ok(())
    })
}

#[test]
fn a_message_of_a_savepoint_that_is_rolled_back_does_not_come() -> Result {
    run("streaming_messages", async |kit| {
        let postgres = server(kit, 18).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
        let mut watched = Watched::start(kit, &postgres, "shop", &["--messages"]).await?;
        let emit = |content: &str| format!("SELECT pg_logical_emit_message(true, 'p', '{content}');");
        shop.run(&format!(
            "BEGIN; {} SAVEPOINT a; {} {} ROLLBACK TO a; {} COMMIT",
            emit("before"),
            emit("undone"),
            rows("t", 0),
            emit("after")
        ))
        .await?;
        watched.reached(&shop).await?;
        let messages: Vec<Event> = watched.all()?.into_iter().filter(|event| event.topic == "message").collect();
        let contents: Vec<_> = messages.iter().map(|event| event.value["message"]["content"].as_str().unwrap_or("")).collect();
        ensure!(contents == ["before", "after"], "{contents:?}");
        watched.stop().await
    })
}
