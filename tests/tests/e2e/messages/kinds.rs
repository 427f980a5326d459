//! Tables that are more, or less, than a table.

use std::time::Duration;

use waltap_tests::{Result, ensure, run, wait_until};

use crate::watched::Watched;

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn partitions_children_and_what_is_not_logged() -> Result {
    run("messages_kinds", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TABLE parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
             CREATE TABLE low PARTITION OF parted FOR VALUES FROM (0) TO (10); INSERT INTO parted VALUES (1, 'a');
             CREATE TABLE mother (id int PRIMARY KEY, v text); CREATE TABLE daughter (own int, PRIMARY KEY (id)) INHERITS (mother);
             INSERT INTO mother VALUES (1, 'm'); INSERT INTO daughter VALUES (2, 'd', 7);
             CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY); INSERT INTO unlogged VALUES (1);
             CREATE TEMP TABLE temporary (id int PRIMARY KEY); INSERT INTO temporary VALUES (1);
             CREATE TABLE empty (); INSERT INTO empty DEFAULT VALUES;
             CREATE TABLE computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, v text);
             INSERT INTO computed VALUES (1, DEFAULT, 'a')",
        )
        .await?;
        let version = shop.number("SHOW server_version_num").await?;
        if version >= 180_000 {
            shop.run(
                "CREATE TABLE virtual (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL, v text);
                      INSERT INTO virtual VALUES (1, DEFAULT, 'a')",
            )
            .await?;
        }
        let mut watched = Watched::start(kit, &postgres, "shop", &[]).await?;
        shop.run(
            "INSERT INTO unlogged VALUES (2); INSERT INTO temporary VALUES (2); INSERT INTO empty DEFAULT VALUES;
             UPDATE computed SET id = 3, v = 'b'; DELETE FROM computed;
             UPDATE mother SET v = v || '!'; INSERT INTO daughter VALUES (3, 'e', 8); DELETE FROM mother WHERE id = 3;
             TRUNCATE ONLY mother; TRUNCATE mother",
        )
        .await?;
        if version >= 180_000 {
            shop.run("UPDATE virtual SET id = 3, v = 'b'").await?;
        }
        // A partition with rows, and one that goes its own way.
        shop.run("CREATE TABLE high (v text, id int PRIMARY KEY); INSERT INTO high VALUES ('x', 10)").await?;
        wait_until("the table is read", DEADLINE, async || Ok(watched.of("public.high")?.len() == 1)).await?;
        shop.run("ALTER TABLE parted ATTACH PARTITION high FOR VALUES FROM (10) TO (20)").await?;
        wait_until("the partition is read", DEADLINE, async || Ok(watched.of("public.parted")?.len() == 2)).await?;
        shop.run(
            "UPDATE parted SET v = 'y' WHERE id = 10; UPDATE parted SET id = 12 WHERE id = 1; INSERT INTO high VALUES ('z', 11)",
        )
        .await?;
        watched.reached(&shop).await?;
        shop.run("ALTER TABLE parted DETACH PARTITION high").await?;
        wait_until("what was a partition is read", DEADLINE, async || Ok(watched.of("public.high")?.len() == 4)).await?;
        shop.run("DELETE FROM high; INSERT INTO parted VALUES (2, 'b')").await?;
        watched.reached(&shop).await?;

        watched.expect(
            "public.parted",
            &[
                r#"r {"id":1} null {"id":1,"v":"a"}"#,
                r#"r {"id":10} null {"id":10,"v":"x"}"#,
                r#"u {"id":10} null {"id":10,"v":"y"}"#,
                // From one partition into another.
                r#"d {"id":1} {"id":1} null"#,
                r#"c {"id":12} null {"id":12,"v":"a"}"#,
                r#"c {"id":11} null {"id":11,"v":"z"}"#,
                r#"c {"id":2} null {"id":2,"v":"b"}"#,
            ],
        )?;
        let mut high = watched.of("public.high")?;
        high[1..4].sort();
        high[4..].sort();
        ensure!(
            high == [
                r#"r {"id":10} null {"id":10,"v":"x"}"#,
                r#"r {"id":10} null {"id":10,"v":"y"}"#,
                r#"r {"id":11} null {"id":11,"v":"z"}"#,
                r#"r {"id":12} null {"id":12,"v":"a"}"#,
                r#"d {"id":10} {"id":10} null"#,
                r#"d {"id":11} {"id":11} null"#,
                r#"d {"id":12} {"id":12} null"#,
            ],
            "{high:#?}"
        );
        watched.expect(
            "public.mother",
            &[
                r#"r {"id":1} null {"id":1,"v":"m"}"#,
                r#"u {"id":1} null {"id":1,"v":"m!"}"#,
                "t null null null",
                "t null null null",
            ],
        )?;
        watched.expect(
            "public.daughter",
            &[
                r#"r {"id":2} null {"id":2,"own":7,"v":"d"}"#,
                r#"u {"id":2} null {"id":2,"own":7,"v":"d!"}"#,
                r#"c {"id":3} null {"id":3,"own":8,"v":"e"}"#,
                r#"d {"id":3} {"id":3} null"#,
                "t null null null",
            ],
        )?;
        watched.expect("public.empty", &["r null null {}", "c null null {}"])?;
        let computed = [
            r#"r {"id":1} null {"id":1,"v":"a"}"#,
            r#"d {"id":1} {"id":1} null"#,
            r#"c {"id":3} null {"id":3,"v":"b"}"#,
            r#"d {"id":3} {"id":3} null"#,
        ];
        watched.expect("public.computed", &computed)?;
        if version >= 180_000 {
            watched.expect("public.virtual", &computed[..3])?;
        }
        let topics: Vec<String> = watched.all()?.into_iter().map(|event| event.topic).collect();
        ensure!(topics.iter().all(|topic| !topic.contains("unlogged") && !topic.contains("temporary")), "{topics:?}");
        watched.stop().await
    })
}

#[test]
fn a_publication_of_generated_columns_holds_them_in_snapshot_and_stream() -> Result {
    run("messages_generated", async |kit| {
        let postgres = kit.postgres_with(waltap_tests::PostgresOptions { major: Some(18), ..Default::default() }).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TABLE computed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, never int GENERATED ALWAYS AS (id) VIRTUAL);
             CREATE TABLE listed (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, secret int);
             CREATE TABLE keyed (a int, g int GENERATED ALWAYS AS (a * 2) STORED, v text, PRIMARY KEY (g, a));
             CREATE TABLE whole (LIKE keyed INCLUDING ALL);
             ALTER TABLE whole REPLICA IDENTITY FULL;
             CREATE TABLE kit_marker (id serial PRIMARY KEY);
             INSERT INTO computed VALUES (1); INSERT INTO listed VALUES (1, DEFAULT, 9); INSERT INTO keyed VALUES (1, DEFAULT, 'x');
             INSERT INTO whole VALUES (1, DEFAULT, 'x');
             CREATE PUBLICATION stored FOR TABLE computed, keyed, whole, kit_marker WITH (publish_generated_columns = stored);
             CREATE PUBLICATION listed FOR TABLE listed (id, twice), kit_marker",
        )
        .await?;
        for (publication, table) in [("stored", "computed"), ("listed", "listed")] {
            let mut watched = Watched::start(kit, &postgres, "shop", &["--publication", publication]).await?;
            shop.run(&format!("UPDATE {table} SET id = 2; UPDATE {table} SET id = 1")).await?;
            watched.reached(&shop).await?;
            watched.expect(
                &format!("public.{table}"),
                &[
                    r#"r {"id":1} null {"id":1,"twice":2}"#,
                    r#"d {"id":1} {"id":1} null"#,
                    r#"c {"id":2} null {"id":2,"twice":4}"#,
                    r#"d {"id":2} {"id":2} null"#,
                    r#"c {"id":1} null {"id":1,"twice":2}"#,
                ],
            )?;
            if publication == "stored" {
                shop.run("UPDATE keyed SET v = 'y'; DELETE FROM keyed; UPDATE whole SET v = 'y'; DELETE FROM whole").await?;
                watched.reached(&shop).await?;
                let output = watched.waltap.stdout();
                for table in ["keyed", "whole"] {
                    let topic = format!(".public.{table}\"");
                    let events: Vec<&str> = output.lines().filter(|line| line.contains(&topic)).collect();
                    let has_key = |line: &&str| line.contains(r#""key":{"g":2,"a":1}"#);
                    ensure!(events.len() >= 3 && events.iter().all(has_key), "{}", events.join("\n"));
                }
                // computed has a column that no publication can hold, but not in its key.
                ensure!(!watched.waltap.log().contains("makes UPDATE and DELETE fail"), "{}", watched.waltap.log());
            }
            watched.stop().await?;
        }
        Ok(())
    })
}
