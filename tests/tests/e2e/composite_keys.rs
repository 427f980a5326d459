//! Keys of several columns: in the order of their index, in the snapshot and in the stream, and in the new order when it changes.

use std::time::Duration;

use waltap_tests::{Result, ensure, run, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_key_has_the_order_of_its_index_in_snapshot_and_stream() -> Result {
    run("composite_keys", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TABLE by_key (a int, b int, c int, PRIMARY KEY (c, a));
             CREATE TABLE by_index (a int NOT NULL, b int NOT NULL, c int NOT NULL);
             CREATE UNIQUE INDEX chosen ON by_index (b, c, a);
             ALTER TABLE by_index REPLICA IDENTITY USING INDEX chosen;
             CREATE TABLE whole (a int, b int, c int, PRIMARY KEY (b, a));
             ALTER TABLE whole REPLICA IDENTITY FULL;
             CREATE TABLE parted (a int, b int, c int, PRIMARY KEY (c, b, a)) PARTITION BY LIST (a);
             CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
             INSERT INTO by_key VALUES (1, 2, 3); INSERT INTO by_index VALUES (1, 2, 3);
             INSERT INTO whole VALUES (1, 2, 3); INSERT INTO parted VALUES (1, 2, 3)",
        )
        .await?;
        let source = postgres.url("postgres");
        let mut waltap = kit.waltap(&["capture", "--source", &source, "--database", "shop", "--sink", "stdout"], &[])?;
        waltap.wait_streaming().await?;
        shop.run(
            "INSERT INTO by_key VALUES (1, 2, 4); INSERT INTO by_index VALUES (1, 2, 4);
             INSERT INTO whole VALUES (1, 3, 4); INSERT INTO parted VALUES (1, 2, 4)",
        )
        .await?;
        // Else it might have the new order already: the catalog has no past.
        wait_until("the rows are out", DEADLINE, async || Ok(waltap.stdout().lines().count() == 8)).await?;
        // Another order of the same columns, within the transaction of a change.
        shop.run(
            "BEGIN;
             ALTER TABLE by_key DROP CONSTRAINT by_key_pkey, ADD PRIMARY KEY (a, c);
             INSERT INTO by_key VALUES (1, 2, 5);
             COMMIT;
             DELETE FROM by_key WHERE c = 4",
        )
        .await?;
        wait_until("the last change is out", DEADLINE, async || Ok(waltap.stdout().contains("\"op\":\"d\""))).await?;
        waltap.stop_cleanly().await?;
        let output = waltap.stdout();
        let keys = |table: &str| -> Vec<&str> {
            let start = format!("{{\"topic\":\"shop.public.{table}\",\"key\":");
            let lines = output.lines().filter_map(|line| line.strip_prefix(&start));
            lines.filter_map(|rest| rest.split_once(",\"value\":")).map(|(key, _)| key).collect()
        };
        for (table, expected) in [
            ("by_key", &[r#"{"c":3,"a":1}"#, r#"{"c":4,"a":1}"#, r#"{"a":1,"c":5}"#, r#"{"a":1,"c":4}"#][..]),
            ("by_index", &[r#"{"b":2,"c":3,"a":1}"#, r#"{"b":2,"c":4,"a":1}"#]),
            ("whole", &[r#"{"b":2,"a":1}"#, r#"{"b":3,"a":1}"#]),
            ("parted", &[r#"{"c":3,"b":2,"a":1}"#, r#"{"c":4,"b":2,"a":1}"#]),
        ] {
            let found = keys(table);
            ensure!(found == expected, "{table}: {found:?}");
        }
        Ok(())
    })
}
