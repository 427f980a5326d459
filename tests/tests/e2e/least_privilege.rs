//! A capture with just the rights that `docs/rights.md` names, on both sides: its statements and commands are run as they stand there.

use std::time::Duration;

use waltap_tests::{
    Kafka, KafkaOptions, Operation, PROGRESS, Pattern, Postgres, PostgresOptions, Resource, Result, Sql, ensure, oracle, run,
};

const DEADLINE: Duration = Duration::from_secs(60);
const RIGHTS: &str = include_str!("../../../docs/rights.md");
const PASSWORD: &str = "choose one";

/// The blocks of the page that are marked so.
fn blocks(mark: &str) -> Vec<&'static str> {
    let begin = format!("```{mark}\n");
    RIGHTS.split(&begin).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// One that is easily misread would be no test at all.
#[test]
fn the_page_is_read() {
    assert_eq!([blocks("sql superuser").len(), blocks("sql owner").len(), blocks("sh acl").len()], [1, 1, 3]);
    assert_eq!(blocks("sh acl").iter().map(|block| block.matches("kafka-acls.sh").count()).sum::<usize>(), 4);
}

/// A server on which PUBLIC may do nothing, and its tables, of the role `app`.
async fn server(kit: &waltap_tests::Kit) -> Result<(Postgres, Sql)> {
    let postgres = kit.postgres_with(PostgresOptions::default().ask_password("waltap")).await?;
    let admin = postgres.sql("postgres").await?;
    admin.run("CREATE ROLE app LOGIN").await?;
    admin.run("CREATE DATABASE shop OWNER app").await?;
    for database in ["postgres", "template1", "shop"] {
        admin.run(&format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC")).await?;
        postgres.sql(database).await?.run("REVOKE ALL ON SCHEMA public FROM PUBLIC").await?;
    }
    postgres.sql("shop").await?.run("ALTER SCHEMA public OWNER TO app").await?;
    let app = postgres.sql_as("shop", "app", "").await?;
    app.run("CREATE TABLE orders (id int PRIMARY KEY, total numeric); CREATE TABLE documents (id int PRIMARY KEY, body text)")
        .await?;
    app.run("CREATE TABLE secret (id int PRIMARY KEY); INSERT INTO secret VALUES (1)").await?;
    app.run("INSERT INTO orders SELECT i, i FROM generate_series(1, 100) i").await?;
    for block in blocks("sql superuser") {
        admin.run(block).await?;
    }
    for block in blocks("sql owner") {
        app.run(block).await?;
    }
    Ok((postgres, app))
}

/// Grants what a command of the page grants.
async fn grant(kafka: &Kafka, command: &str) -> Result {
    let command = command.replace("\\\n", " ");
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |flag: &'static str| -> Vec<&str> {
        words.iter().zip(words.iter().skip(1)).filter(|(word, _)| **word == flag).map(|(_, next)| *next).collect()
    };
    let only = |flag: &'static str| after(flag).first().copied();
    ensure!(only("--allow-principal") == Some("User:waltap"), "{command}");
    let pattern = match only("--resource-pattern-type") {
        Some("prefixed") => Pattern::Prefixed,
        None => Pattern::Literal,
        other => return Err(waltap_tests::Failure::new(format!("{other:?}"))),
    };
    let (resource, name) = match (only("--topic"), only("--transactional-id")) {
        (Some(name), None) => (Resource::Topic, name),
        (None, Some(name)) => (Resource::TransactionalId, name),
        other => return Err(waltap_tests::Failure::new(format!("{other:?}"))),
    };
    for operation in after("--operation") {
        let operation = match operation {
            "Read" => Operation::Read,
            "Write" => Operation::Write,
            "Create" => Operation::Create,
            "Describe" => Operation::Describe,
            "DescribeConfigs" => Operation::DescribeConfigs,
            other => return Err(waltap_tests::Failure::new(format!("the operation {other}"))),
        };
        kafka.allow("waltap", resource, pattern, name, operation).await?;
    }
    Ok(())
}

#[test]
fn just_the_rights_of_the_page_do() -> Result {
    run("least_privilege", async |kit| {
        let (postgres, app) = server(kit).await?;
        let users = vec![("waltap".to_owned(), "word".to_owned())];
        let kafka = kit.kafka_with(KafkaOptions { users, ..KafkaOptions::default() }).await?;
        let acls = blocks("sh acl");
        let granting = async |block: &str| {
            for command in block.split("kafka-acls.sh").skip(1) {
                grant(&kafka, command).await?;
            }
            Result::Ok(())
        };
        let (source, brokers) = (postgres.url("waltap"), kafka.guarded_brokers());
        let environment = [("PGPASSWORD", PASSWORD), ("WALTAP_KAFKA_SASL_PASSWORD", "word")];
        let mut client = vec!["--brokers", &brokers];
        for property in ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=waltap"] {
            client.extend(["--kafka-property", property]);
        }
        let tables = "public.orders,public.documents";
        let what = [
            "--source",
            &source,
            "--database",
            "shop",
            "--table",
            tables,
            "--publication",
            "shop_changes",
            "--max-retained-wal",
            "1GiB",
        ];
        let mut row = 1000;

        // Each guarantee with its block more, and not without it.
        for (granted, more) in [
            (&acls[..1], &["--delivery", "at-least-once"] as &[&str]),
            (&acls[1..2], &["--delivery", "exactly-once"]),
            (&acls[2..], &["--delivery", "exactly-once", "--on-bad-event", "dead-letter"]),
        ] {
            let arguments = [&["capture"], &what[..], &client, more].concat();
            let mut waltap = kit.waltap(&arguments, &environment)?;
            let refused = waltap.wait_exit(DEADLINE).await?;
            let log = waltap.log();
            ensure!(refused == 1 && log.contains("kafka-acls.sh"), "it did without the rights, or did not name them:\n{log}");
            for block in granted {
                granting(block).await?;
            }
            let check = [&["check"], &what[..], &client, more].concat();
            kit.output(&check, &environment, DEADLINE).await?.expect(0, &[])?;
            for _ in 0..2 {
                waltap.start_again()?;
                waltap.wait_streaming().await?;
                row += 1;
                app.run(&format!("INSERT INTO orders VALUES ({row}, 1); UPDATE orders SET total = {row} WHERE id = 1")).await?;
                postgres.wait_confirmed(&["shop"], DEADLINE).await?;
                waltap.stop_cleanly().await?;
            }
            ensure!(!waltap.log()[log.len()..].contains("ERROR"), "{}", waltap.log());
            if more.contains(&"dead-letter") {
                waltap.start_again()?;
                waltap.wait_streaming().await?;
                app.run("INSERT INTO documents SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 96000) i").await?;
                postgres.wait_confirmed(&["shop"], DEADLINE).await?;
                waltap.stop_cleanly().await?;
            }
        }
        let topics = kafka.topics().names().await?;
        let expected = [PROGRESS, "shop.public.documents", "shop.public.orders", "waltap.dead-letters"];
        ensure!(topics == expected, "{topics:?}");

        // Those who look after dead letters read them too.
        for operation in [Operation::Read, Operation::Describe] {
            kafka.allow("waltap", Resource::Topic, Pattern::Literal, "waltap.dead-letters", operation).await?;
        }
        kafka.topics().set("shop.public.documents", "max.message.bytes", "20000000").await?;
        let replay =
            [&["dead-letters", "replay", "--all", "--kafka-property", "message.max.bytes=20000000"], &client[..]].concat();
        kit.output(&replay, &environment, DEADLINE).await?.expect(0, &[])?;
        let drop = ["slots", "drop", "--yes", "--source", &source, "--database", "shop"];
        // The table that was not to be read has no topic, which the comparison would miss.
        app.run("DROP TABLE secret").await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        kit.output(&[&drop[..], &client].concat(), &environment, DEADLINE).await?.expect(0, &[])?;
        ensure!(postgres.confirmed("shop").await?.is_none(), "the slot is still there");
        Ok(())
    })
}
