//! Truncates, logical messages, origins.

use waltap_tests::{Result, ensure, run};

use crate::watched::Watched;

#[test]
fn truncates_messages_and_origins_come_in_their_place() -> Result {
    run("messages_statements", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        let has_messages = shop.number("SHOW server_version_num").await? >= 140_000;
        shop.run(
            "CREATE TABLE parent (id serial PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY REFERENCES parent);
             CREATE TABLE other (id int); CREATE TABLE left_out (id int PRIMARY KEY);
             CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10);
             SELECT pg_replication_origin_create('elsewhere')",
        )
        .await?;
        let flags: &[&str] = if has_messages { &["--messages"] } else { &[] };
        let mut watched =
            Watched::start(kit, &postgres, "shop", &[flags, &["--exclude-table", "public.left_out"]].concat()).await?;
        let two_rows = "INSERT INTO parent DEFAULT VALUES; INSERT INTO child SELECT max(id) FROM parent";
        shop.run(&format!("INSERT INTO parted VALUES (1); INSERT INTO left_out VALUES (1); {two_rows}")).await?;
        // One message of the stream for three tables, one of which is reached by CASCADE, and one of which nobody asked for.
        shop.run(&format!(
            "BEGIN; INSERT INTO other VALUES (1); TRUNCATE parent, other, left_out, parted RESTART IDENTITY CASCADE; {two_rows}; COMMIT"
        ))
        .await?;
        if has_messages {
            for statements in [
                "BEGIN; INSERT INTO other VALUES (2); SELECT pg_logical_emit_message(true, 'a', 'in'); INSERT INTO other VALUES (3); COMMIT",
                "SELECT pg_logical_emit_message(true, 'a', 'alone'), pg_logical_emit_message(false, 'b', '\\xff00'::bytea)",
                "BEGIN; SELECT pg_logical_emit_message(true, 'a', 'lost'), pg_logical_emit_message(false, 'b', 'kept'); ROLLBACK",
            ] {
                shop.run(statements).await?;
            }
        }
        let remote = postgres.sql("shop").await?;
        remote
            .run(
                "SELECT pg_replication_origin_session_setup('elsewhere'); BEGIN;
                  SELECT pg_replication_origin_xact_setup('0/AAAAAA', '2020-01-01'); INSERT INTO other VALUES (4); COMMIT",
            )
            .await?;
        watched.reached(&shop).await?;

        let row = r#"{"id":1} null {"id":1}"#;
        let (inserted, truncated) = (format!("c {row}"), "t null null null");
        for table in ["public.parent", "public.child"] {
            watched.expect(table, &[&inserted, truncated, &inserted])?;
        }
        watched.expect("public.parted", &[&inserted, truncated])?;
        watched.expect("public.left_out", &[])?;
        let other = |id: u32| format!(r#"c null null {{"id":{id}}}"#);
        let mut of_other = vec![other(1), truncated.to_owned()];
        if has_messages {
            of_other.extend([other(2), other(3)]);
        }
        of_other.push(other(4));
        watched.expect("public.other", &of_other.iter().map(String::as_str).collect::<Vec<_>>())?;

        // All truncates of one statement stand at one place, between what came before and after.
        let events = watched.all()?;
        let place =
            |event: &crate::watched::Event| (event.value["source"]["commit_lsn"].clone(), event.value["source"]["seq"].as_u64());
        let truncates: Vec<_> = events.iter().filter(|event| event.value["op"] == "t").map(place).collect();
        ensure!(truncates.len() == 4 && truncates.iter().all(|truncate| *truncate == truncates[0]), "{truncates:?}");
        let same: Vec<_> = events.iter().map(place).filter(|(lsn, _)| *lsn == truncates[0].0).map(|(_, seq)| seq).collect();
        ensure!(same == [Some(0), Some(1), Some(1), Some(1), Some(1), Some(2), Some(3)], "{same:?}");

        if has_messages {
            let messages: Vec<String> = events
                .iter()
                .filter(|event| event.topic == "message")
                .map(|event| format!("{} {} {}", event.key, event.value["message"], event.value["source"]["txid"].is_null()))
                .collect();
            let expected = [
                r#"{"prefix":"a"} {"content":"in","prefix":"a"} false"#,
                r#"{"prefix":"b"} {"content":"/wA=","encoding":"base64","prefix":"b"} true"#,
                r#"{"prefix":"a"} {"content":"alone","prefix":"a"} false"#,
                r#"{"prefix":"b"} {"content":"kept","prefix":"b"} true"#,
            ];
            ensure!(messages == expected, "{messages:#?}");
        }
        watched.stop().await
    })
}
