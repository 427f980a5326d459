//! Names as SQL allows them.

use serde_json::{Value, json};
use waltap_tests::{Result, ensure, run};

use crate::watched::Watched;

#[test]
fn every_name_that_sql_allows_is_a_name() -> Result {
    run("messages_names", async |kit| {
        let postgres = kit.postgres().await?;
        // A database, schemas, tables and columns: upper case, spaces, dots, quotes, marks of JSON, Unicode, the longest.
        let longest = "ä".repeat(31) + "b";
        let database = "My Shop.\"1\" ü";
        postgres.sql("postgres").await?.run("CREATE DATABASE \"My Shop.\"\"1\"\" ü\"").await?;
        let shop = postgres.sql(database).await?;
        let names =
            ["Orders", "two words", "a.b", "quo\"ted", "back\\slash", "it's", "日本", "tab\there", "select", "%_*?[x]", &longest];
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        shop.run("CREATE SCHEMA \"S.1\"").await?;
        for (number, name) in names.iter().enumerate() {
            let schema = if number % 2 == 0 { "public" } else { "\"S.1\"" };
            let quoted = quote(name);
            shop.run(&format!("CREATE TABLE {schema}.{quoted} ({quoted} int PRIMARY KEY, \"ID\" text, id text)")).await?;
            shop.run(&format!("INSERT INTO {schema}.{quoted} VALUES (1, 'A', 'a')")).await?;
        }
        let mut watched = Watched::start(kit, &postgres, database, &["--topic", "{database}.{schema}.{table}"]).await?;
        for (number, name) in names.iter().enumerate() {
            let schema = if number % 2 == 0 { "public" } else { "\"S.1\"" };
            shop.run(&format!("UPDATE {schema}.{} SET id = 'b'", quote(name))).await?;
        }
        watched.reached(&shop).await?;
        let mut found: Vec<Value> = Vec::new();
        for line in watched.waltap.stdout().lines() {
            let line: Value = serde_json::from_str(line)?;
            let source = &line["value"]["source"];
            ensure!(source["db"] == database, "{line}");
            if source["table"] != "kit_marker" {
                let topic = line["topic"].as_str().unwrap_or_default();
                ensure!(topic.chars().all(|character| character.is_ascii_alphanumeric() || "._-".contains(character)), "{topic}");
                found.push(json!([source["schema"], source["table"], line["value"]["op"], line["key"], line["value"]["after"]]));
            }
        }
        for (number, name) in names.iter().enumerate() {
            let schema = if number % 2 == 0 { "public" } else { "S.1" };
            for (op, last) in [("r", "a"), ("u", "b")] {
                let expected = json!([schema, name, op, {*name: 1}, {*name: 1, "ID": "A", "id": last}]);
                ensure!(found.contains(&expected), "{expected} is not among\n{found:#?}");
            }
        }
        ensure!(found.len() == names.len() * 2, "{} events", found.len());
        watched.stop().await
    })
}

#[test]
fn two_tables_that_would_meet_in_one_topic_are_told_apart_or_refused() -> Result {
    run("messages_collision", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE SCHEMA a; CREATE SCHEMA \"a.b\"; CREATE TABLE a.\"b.c\" (id int PRIMARY KEY); CREATE TABLE \"a.b\".c (id int PRIMARY KEY)").await?;
        let source = postgres.url("postgres");
        let flags = ["capture", "--source", &source, "--database", "shop", "--sink", "stdout", "--http", "off"];
        let output = kit.output(&flags, &[], std::time::Duration::from_secs(60)).await?;
        output.expect(1, &["shop.a.b.c", "--topic"])
    })
}
