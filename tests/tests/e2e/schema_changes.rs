//! Tables that change their shape while they are captured: each event has the columns that the table had when its change was made,
//! inside of a transaction too, and when waltap was away meanwhile and the catalog has moved on.

use std::time::Duration;

use waltap_tests::{Kafka, Kit, Postgres, Result, Sql, Topics, Waltap, ensure, oracle, run_within, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

/// What is done to one table, `T`, and what its topic holds afterwards.
struct Change {
    name: &'static str,
    /// Before the capture begins.
    setup: &'static str,
    /// While it goes on, or is stopped. Each is a transaction of its own, unless it says BEGIN.
    statements: &'static [&'static str],
    /// `op key after` of each event but those of the snapshot.
    events: &'static [&'static str],
}

/// Values that an ALTER TABLE itself gives to rows are not in the stream, so each ends with an update of all rows.
const CHANGES: &[Change] = &[
    Change {
        name: "added",
        setup: "CREATE TABLE T (id int PRIMARY KEY, v text)",
        statements: &[
            "BEGIN; INSERT INTO T VALUES (1, 'a'); ALTER TABLE T ADD c int; INSERT INTO T VALUES (2, 'b', 7); COMMIT",
            "ALTER TABLE T ADD d int DEFAULT 5",
            "UPDATE T SET c = id",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"v":"a"}"#,
            r#"c {"id":2} {"c":7,"id":2,"v":"b"}"#,
            r#"u {"id":1} {"c":1,"d":5,"id":1,"v":"a"}"#,
            r#"u {"id":2} {"c":2,"d":5,"id":2,"v":"b"}"#,
        ],
    },
    Change {
        name: "dropped",
        setup: "CREATE TABLE T (v text, id int PRIMARY KEY, w text)",
        statements: &[
            "BEGIN; INSERT INTO T VALUES ('a', 1, 'x'); ALTER TABLE T DROP v; INSERT INTO T VALUES (2, 'y'); COMMIT",
            "ALTER TABLE T DROP w; INSERT INTO T VALUES (3)",
        ],
        events: &[r#"c {"id":1} {"id":1,"v":"a","w":"x"}"#, r#"c {"id":2} {"id":2,"w":"y"}"#, r#"c {"id":3} {"id":3}"#],
    },
    Change {
        name: "renamed",
        setup: "CREATE TABLE T (id int PRIMARY KEY, v text)",
        statements: &[
            "BEGIN; INSERT INTO T VALUES (1, 'a'); ALTER TABLE T RENAME v TO w; UPDATE T SET w = 'b'; COMMIT",
            "ALTER TABLE T RENAME w TO v; ALTER TABLE T RENAME v TO x; UPDATE T SET x = 'c'",
        ],
        events: &[r#"c {"id":1} {"id":1,"v":"a"}"#, r#"u {"id":1} {"id":1,"w":"b"}"#, r#"u {"id":1} {"id":1,"x":"c"}"#],
    },
    Change {
        name: "key_renamed",
        setup: "CREATE TABLE T (v text, id int PRIMARY KEY); ALTER TABLE T REPLICA IDENTITY FULL",
        statements: &[
            "INSERT INTO T VALUES ('a', 1)",
            "BEGIN; UPDATE T SET v = 'b'; DELETE FROM T; ALTER TABLE T RENAME id TO number; INSERT INTO T VALUES ('c', 1); COMMIT",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"v":"a"}"#,
            r#"u {"id":1} {"id":1,"v":"b"}"#,
            r#"d {"id":1} null"#,
            r#"c {"number":1} {"number":1,"v":"c"}"#,
        ],
    },
    Change {
        name: "key_moved",
        setup: "CREATE TABLE T (id int PRIMARY KEY, other int NOT NULL)",
        statements: &[
            "INSERT INTO T VALUES (1, 10)",
            "BEGIN; DELETE FROM T; ALTER TABLE T DROP CONSTRAINT T_pkey, ADD PRIMARY KEY (other); INSERT INTO T VALUES (1, 11); COMMIT",
            "UPDATE T SET id = 2",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"other":10}"#,
            r#"d {"id":1} null"#,
            r#"c {"other":11} {"id":1,"other":11}"#,
            r#"u {"other":11} {"id":2,"other":11}"#,
        ],
    },
    Change {
        name: "key_moved_whole",
        setup: "CREATE TABLE T (id int PRIMARY KEY, other int NOT NULL); ALTER TABLE T REPLICA IDENTITY FULL",
        statements: &[
            "INSERT INTO T VALUES (1, 10); DELETE FROM T",
            "ALTER TABLE T DROP CONSTRAINT T_pkey, ADD PRIMARY KEY (other)",
            "INSERT INTO T VALUES (1, 11); UPDATE T SET id = 2",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"other":10}"#,
            r#"d {"id":1} null"#,
            r#"c {"other":11} {"id":1,"other":11}"#,
            r#"u {"other":11} {"id":2,"other":11}"#,
        ],
    },
    Change {
        name: "retyped",
        setup: "CREATE TABLE T (id int PRIMARY KEY, v text)",
        statements: &[
            "BEGIN; INSERT INTO T VALUES (1, '7'); ALTER TABLE T ALTER v TYPE int USING v::int; INSERT INTO T VALUES (2, 8); COMMIT",
            "ALTER TABLE T ALTER v TYPE numeric(6, 2)",
            "UPDATE T SET v = v",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"v":"7"}"#,
            r#"c {"id":2} {"id":2,"v":8}"#,
            r#"u {"id":1} {"id":1,"v":"7.00"}"#,
            r#"u {"id":2} {"id":2,"v":"8.00"}"#,
        ],
    },
    Change {
        name: "reordered",
        setup: "CREATE TABLE T (v text, id int PRIMARY KEY, w text)",
        statements: &[
            "BEGIN; INSERT INTO T VALUES ('a', 1, 'x'); ALTER TABLE T DROP v, ADD v int; INSERT INTO T VALUES (2, 'y', 7); COMMIT",
            "UPDATE T SET v = 1 WHERE id = 1",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"v":"a","w":"x"}"#,
            r#"c {"id":2} {"id":2,"v":7,"w":"y"}"#,
            r#"u {"id":1} {"id":1,"v":1,"w":"x"}"#,
        ],
    },
    Change {
        name: "labels",
        setup: "CREATE TYPE T_mood AS ENUM ('low', 'high'); CREATE TABLE T (id int PRIMARY KEY, v T_mood, a T_mood[])",
        statements: &[
            "BEGIN; INSERT INTO T VALUES (1, 'low', '{low,high}'); ALTER TYPE T_mood RENAME VALUE 'low' TO 'deep';
             INSERT INTO T VALUES (2, 'deep', '{}'); COMMIT",
            "ALTER TYPE T_mood ADD VALUE 'middle' AFTER 'deep'",
            "INSERT INTO T VALUES (3, 'middle', '{middle}'); UPDATE T SET v = v WHERE id = 1",
        ],
        events: &[
            r#"c {"id":1} {"a":["low","high"],"id":1,"v":"low"}"#,
            r#"c {"id":2} {"a":[],"id":2,"v":"deep"}"#,
            r#"c {"id":3} {"a":["middle"],"id":3,"v":"middle"}"#,
            r#"u {"id":1} {"a":["deep","high"],"id":1,"v":"deep"}"#,
        ],
    },
    Change {
        name: "composite",
        setup: "CREATE TYPE T_pair AS (a int, b text); CREATE TABLE T (id int PRIMARY KEY, v T_pair)",
        statements: &[
            "BEGIN; INSERT INTO T VALUES (1, '(1,x)'); ALTER TYPE T_pair ADD ATTRIBUTE c int; INSERT INTO T VALUES (2, '(2,y,3)'); COMMIT",
            "ALTER TYPE T_pair DROP ATTRIBUTE a; UPDATE T SET v = v",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"v":"(1,x)"}"#,
            r#"c {"id":2} {"id":2,"v":"(2,y,3)"}"#,
            r#"u {"id":1} {"id":1,"v":"(x,)"}"#,
            r#"u {"id":2} {"id":2,"v":"(y,3)"}"#,
        ],
    },
    Change {
        name: "domain",
        setup: "CREATE DOMAIN T_count AS int; CREATE DOMAIN T_word AS text; CREATE TABLE T (id int PRIMARY KEY, v T_count)",
        statements: &[
            "BEGIN; INSERT INTO T VALUES (1, 7); ALTER TABLE T ALTER v TYPE T_word; INSERT INTO T VALUES (2, 'x'); COMMIT",
            "ALTER DOMAIN T_word RENAME TO T_text; DROP DOMAIN T_count; UPDATE T SET v = v",
        ],
        events: &[
            r#"c {"id":1} {"id":1,"v":7}"#,
            r#"c {"id":2} {"id":2,"v":"x"}"#,
            r#"u {"id":1} {"id":1,"v":"7"}"#,
            r#"u {"id":2} {"id":2,"v":"x"}"#,
        ],
    },
    Change {
        name: "renewed",
        setup: "CREATE TABLE T (id int PRIMARY KEY, v text); INSERT INTO T VALUES (1, 'z')",
        statements: &[
            "UPDATE T SET v = 'a'",
            "BEGIN; UPDATE T SET v = 'b'; DROP TABLE T; CREATE TABLE T (n int, id int PRIMARY KEY); INSERT INTO T VALUES (5, 1); COMMIT",
        ],
        events: &[
            r#"u {"id":1} {"id":1,"v":"a"}"#,
            r#"u {"id":1} {"id":1,"v":"b"}"#,
            // The new table joins, and its rows are read.
            r#"r {"id":1} {"id":1,"n":5}"#,
        ],
    },
];

/// Tables and schemas that take another name, and with it another topic.
const MOVES: &[(&str, &[&str], &str, &[&str])] = &[
    (
        "CREATE TABLE T_old (id int PRIMARY KEY, v text)",
        &[
            "BEGIN; INSERT INTO T_old VALUES (1, 'a'); ALTER TABLE T_old RENAME TO T_new; UPDATE T_new SET v = 'b'; COMMIT",
            "UPDATE T_new SET v = 'c'",
        ],
        "public.T_",
        &[r#"old c {"id":1} {"id":1,"v":"a"}"#, r#"new u {"id":1} {"id":1,"v":"b"}"#, r#"new u {"id":1} {"id":1,"v":"c"}"#],
    ),
    (
        "CREATE SCHEMA T_s_old; CREATE TABLE T_s_old.t (id int PRIMARY KEY, v text)",
        &[
            "BEGIN; INSERT INTO T_s_old.t VALUES (1, 'a'); ALTER SCHEMA T_s_old RENAME TO T_s_new; UPDATE T_s_new.t SET v = 'b'; COMMIT",
            "CREATE SCHEMA T_s_third; ALTER TABLE T_s_new.t SET SCHEMA T_s_third; UPDATE T_s_third.t SET v = 'c'",
        ],
        "T_s_",
        &[
            r#"old.t c {"id":1} {"id":1,"v":"a"}"#,
            r#"new.t u {"id":1} {"id":1,"v":"b"}"#,
            r#"third.t u {"id":1} {"id":1,"v":"c"}"#,
        ],
    ),
];

fn named(text: &str, table: &str) -> String {
    let mut named = String::new();
    // A word of its own, or the beginning of one.
    for (index, part) in text.split('T').enumerate() {
        let before = named.chars().last();
        let is_name = index > 0
            && before.is_none_or(|before| before == ' ' || before == '.')
            && part.chars().next().is_none_or(|next| !next.is_ascii_alphabetic());
        if index > 0 {
            named.push_str(if is_name { table } else { "T" });
        }
        named.push_str(part);
    }
    named
}

async fn run_all(sql: &Sql, statements: &[&str], table: &str) -> Result {
    for statement in statements {
        sql.run(&named(statement, table)).await?;
    }
    Ok(())
}

async fn set_up(sql: &Sql, prefix: &str) -> Result {
    for change in CHANGES {
        sql.run(&named(change.setup, &format!("{prefix}_{}", change.name))).await?;
    }
    for (number, (setup, ..)) in MOVES.iter().enumerate() {
        sql.run(&named(setup, &format!("{prefix}_move{number}"))).await?;
    }
    Ok(())
}

/// Tables whose first change is to be in its topic before the next is made.
const SEEN_FIRST: [&str; 2] = ["key_moved_whole", "domain"];

/// `seen` waits until what a table was given is in its topic: the key under REPLICA IDENTITY FULL, and what a domain stands for, are looked up
/// when a change comes, so a
/// test that is faster than the capture would not see the key of that time.
async fn change_all(sql: &Sql, prefix: &str, seen: impl AsyncFn(&str) -> Result) -> Result {
    for change in CHANGES {
        let table = format!("{prefix}_{}", change.name);
        for (number, statement) in change.statements.iter().enumerate() {
            if number == 1 && SEEN_FIRST.contains(&change.name) {
                seen(&table).await?;
            }
            run_all(sql, &[statement], &table).await?;
        }
    }
    for (number, (_, statements, ..)) in MOVES.iter().enumerate() {
        run_all(sql, statements, &format!("{prefix}_move{number}")).await?;
    }
    Ok(())
}

/// `op key after` of each event of topics, in the order of the commits.
async fn events(topics: &Topics, names: &[String]) -> Result<Vec<(String, String)>> {
    let mut events = Vec::new();
    for name in names {
        for record in topics.read(name).await? {
            let value: serde_json::Value = serde_json::from_str(record.value.as_deref().unwrap_or("null"))?;
            let place = oracle::parse_lsn(value["source"]["commit_lsn"].as_str().unwrap_or_default())?;
            let text = format!(
                "{} {} {}",
                value["op"].as_str().unwrap_or_default(),
                record.key.as_deref().unwrap_or("null"),
                value["after"]
            );
            events.push(((place, value["source"]["seq"].as_u64()), name.clone(), text));
        }
    }
    events.sort();
    Ok(events.into_iter().map(|(_, name, text)| (name, text)).collect())
}

async fn check(topics: &Topics, prefix: &str) -> Result {
    let names = topics.names().await?;
    let mut wrong = Vec::new();
    for change in CHANGES {
        let topic = format!("shop.public.{prefix}_{}", change.name);
        let expected = match prefix {
            // It learned the key when it was back, and nobody tells it that there was another.
            "away" if change.name == "key_moved_whole" => &[
                r#"c {"other":10} {"id":1,"other":10}"#,
                r#"d {"other":10} null"#,
                r#"c {"other":11} {"id":1,"other":11}"#,
                r#"u {"other":11} {"id":2,"other":11}"#,
            ],
            // The domain is gone, and what it stood for with it: its values are text.
            "away" if change.name == "domain" => &[
                r#"c {"id":1} {"id":1,"v":"7"}"#,
                r#"c {"id":2} {"id":2,"v":"x"}"#,
                r#"u {"id":1} {"id":1,"v":"7"}"#,
                r#"u {"id":2} {"id":2,"v":"x"}"#,
            ],
            _ => change.events,
        };
        let mut found: Vec<String> = events(topics, &[topic]).await?.into_iter().map(|(_, text)| text).collect();
        if change.name == "renewed" {
            found.remove(0);
        }
        if found != expected {
            wrong.push(format!(
                "{prefix}_{}: found\n  {}\nexpected\n  {}",
                change.name,
                found.join("\n  "),
                expected.join("\n  ")
            ));
        }
    }
    for (number, (_, _, beginning, expected)) in MOVES.iter().enumerate() {
        let beginning = format!("shop.{}", named(beginning, &format!("{prefix}_move{number}")));
        let topics_of: Vec<String> = names.iter().filter(|name| name.starts_with(&beginning)).cloned().collect();
        let found = events(topics, &topics_of).await?;
        let found: Vec<String> =
            found.into_iter().map(|(name, text)| format!("{} {text}", name.trim_start_matches(&beginning))).collect();
        // Some servers tell the new name of a schema only when they announce the table for another reason.
        let found: Vec<String> = found.into_iter().map(|event| event.replace("old.t u", "new.t u")).collect();
        if found != *expected {
            wrong.push(format!("{beginning}: found\n  {}\nexpected\n  {}", found.join("\n  "), expected.join("\n  ")));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

async fn settle(postgres: &Postgres, kafka: &Kafka, waltap: &mut Waltap, prefix: &str) -> Result {
    // The table that was made anew is read once it is found.
    let topics = kafka.topics();
    let renewed = format!("shop.public.{prefix}_renewed");
    wait_until("the new table is read", DEADLINE, async || {
        Ok(topics.read(&renewed).await?.iter().any(|record| record.value.as_ref().is_some_and(|value| value.contains("\"n\":5"))))
    })
    .await?;
    waltap.wait_streaming().await?;
    postgres.wait_confirmed(&["shop"], DEADLINE).await
}

async fn capture(kit: &Kit, postgres: &Postgres, kafka: &Kafka) -> Result<Waltap> {
    let mut waltap = kit.capture(postgres, kafka, &["--database", "shop", "--discovery-interval", "1s"])?;
    waltap.wait_streaming().await?;
    Ok(waltap)
}

#[test]
fn each_event_has_the_shape_of_its_time() -> Result {
    run_within("schema_changes", Duration::from_secs(300), async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        for prefix in ["live", "away"] {
            set_up(&shop, prefix).await?;
        }
        let mut waltap = capture(kit, &postgres, &kafka).await?;
        let topics = kafka.topics();
        let seen = async |table: &str| {
            let topic = format!("shop.public.{table}");
            wait_until("the first changes are there", DEADLINE, async || Ok(topics.read(&topic).await?.len() == 2)).await
        };
        change_all(&shop, "live", seen).await?;
        settle(&postgres, &kafka, &mut waltap, "live").await?;
        waltap.stop_cleanly().await?;
        change_all(&shop, "away", async |_: &str| Ok(())).await?;
        waltap.start_again()?;
        waltap.wait_streaming().await?;
        settle(&postgres, &kafka, &mut waltap, "away").await?;
        waltap.stop_cleanly().await?;
        check(&kafka.topics(), "live").await?;
        check(&kafka.topics(), "away").await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
