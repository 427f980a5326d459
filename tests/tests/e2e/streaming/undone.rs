//! Subtransactions that are rolled back, of which the server sends changes and never says that they are undone.
//!
//! It does so where it had written a subtransaction to its disk, with more changes than it reads back at once (4,096), before it could send them:
//! memory became full between the two halves of an `INSERT ... ON CONFLICT`.

use waltap_tests::{Result, ensure, run};

use super::equality::shown;
use super::{MAJORS, SMALL_MEMORY, server_with, wait_open};
use crate::watched::{Event, Watched};

/// Full with some 4,800 rows of `ON CONFLICT`, of two changes each.
const WORK_MEMORY: &str = "1MB";

/// Rows that are undone, from here on.
const UNDONE: u64 = 100_000;

/// What is done in the subtransaction.
fn undone(with_column: bool) -> String {
    let rows = format!(
        "INSERT INTO t (id, v) SELECT g, 'small' FROM generate_series({UNDONE}, {}) g ON CONFLICT DO NOTHING",
        UNDONE + 5_999
    );
    // The shape of the table is undone with them.
    if with_column { format!("ALTER TABLE t ADD COLUMN gone int; {rows}") } else { rows }
}

#[test]
fn a_subtransaction_that_is_rolled_back_unsaid_does_not_come() -> Result {
    run("streaming_undone", async |kit| {
        for major in MAJORS {
            let postgres = server_with(kit, major, WORK_MEMORY).await?;
            let shop = postgres.create_database("shop").await?;
            shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
            let mut streamed = Watched::start(kit, &postgres, "shop", &SMALL_MEMORY).await?;
            let mut whole = Watched::start(kit, &postgres, "shop", &["--name", "whole", "--streaming", "off"]).await?;
            // By the length of the first row memory becomes full before the one half of a row or before the other.
            let lengths = [1, 50, 100, 150];
            for (number, length) in lengths.iter().cycle().take(2 * lengths.len()).enumerate() {
                let (first, last) = (3 * number, 3 * number + 2);
                shop.run(&format!("BEGIN; INSERT INTO t VALUES ({first}, repeat('x', {length})); SAVEPOINT a")).await?;
                shop.run(&undone(number >= lengths.len())).await?;
                // Once it is rolled back the server may know better than to send it.
                wait_open(&streamed.waltap, 1, true).await?;
                shop.run("ROLLBACK TO a").await?;
                shop.run(&format!("SAVEPOINT b; INSERT INTO t VALUES ({}, 'kept'); RELEASE b", first + 1)).await?;
                shop.run(&format!("INSERT INTO t VALUES ({last}, 'kept'); COMMIT")).await?;
            }
            for watched in [&mut streamed, &mut whole] {
                watched.reached(&shop).await?;
                watched.reached(&shop).await?;
            }
            let rows = |watched: &Watched| -> Result<Vec<Event>> {
                Ok(watched.all()?.into_iter().filter(|event| event.topic == "public.t").collect())
            };
            let (left, right) = (rows(&streamed)?, rows(&whole)?);
            let undone = left.iter().filter(|event| event.key["id"].as_u64() >= Some(UNDONE)).count();
            ensure!(undone == 0, "PostgreSQL {major}: {undone} of {} events are of rows that were rolled back", left.len());
            let (left, right) = (shown(left), shown(right));
            ensure!(left == right, "PostgreSQL {major}: streamed\n{}\nwhole\n{}", left.join("\n"), right.join("\n"));
            ensure!(left.len() == 6 * lengths.len(), "PostgreSQL {major}: {} events", left.len());
            streamed.stop().await?;
            whole.stop().await?;
        }
        Ok(())
    })
}

#[test]
fn of_a_prepared_transaction_what_is_not_undone_comes_when_it_is_prepared() -> Result {
    run("streaming_undone_prepared", async |kit| {
        let postgres = server_with(kit, 18, WORK_MEMORY).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
        let flags = [&["--two-phase"], &SMALL_MEMORY[..]].concat();
        let mut watched = Watched::start(kit, &postgres, "shop", &flags).await?;
        shop.run("BEGIN; INSERT INTO t VALUES (1, 'x'); SAVEPOINT a").await?;
        shop.run(&undone(false)).await?;
        wait_open(&watched.waltap, 1, true).await?;
        shop.run("ROLLBACK TO a").await?;
        // In progress still when it is asked for.
        shop.run("SAVEPOINT b; INSERT INTO t VALUES (2, 'x'); RELEASE b").await?;
        shop.run("PREPARE TRANSACTION 'p'").await?;
        watched.reached(&shop).await?;
        let expected = [r#"c {"id":1} null {"id":1,"v":"x"}"#, r#"c {"id":2} null {"id":2,"v":"x"}"#];
        watched.expect("public.t", &expected)?;
        shop.run("COMMIT PREPARED 'p'").await?;
        watched.reached(&shop).await?;
        watched.expect("public.t", &expected)?;
        watched.stop().await
    })
}
