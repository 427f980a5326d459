//! Databases in other encodings than UTF-8 give JSON in UTF-8 that loses nothing, or an error that says what is the matter.

use std::time::Duration;

use serde_json::{Value, json};
use waltap_tests::{Kit, Postgres, Result, Sql, Waltap, ensure, run, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

async fn database(postgres: &Postgres, name: &str, encoding: &str) -> Result<Sql> {
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
    postgres.sql("postgres").await?.run(&create).await?;
    postgres.sql(name).await
}

fn capture(kit: &Kit, postgres: &Postgres, databases: &str, format: &str) -> Result<Waltap> {
    let source = postgres.url("postgres");
    kit.waltap(&["capture", "--source", &source, "--database", databases, "--sink", "stdout", "--format", format], &[])
}

/// The events of a database: keys and values.
fn events(waltap: &Waltap, database: &str) -> Result<Vec<(Value, Value)>> {
    let mut events = Vec::new();
    for line in waltap.stdout().lines() {
        let mut line: Value = serde_json::from_str(line)?;
        if line["topic"].as_str().is_some_and(|topic| topic.starts_with(&format!("{database}."))) {
            events.push((line["key"].take(), line["value"].take()));
        }
    }
    Ok(events)
}

async fn wait_events(waltap: &Waltap, database: &str, count: usize) -> Result<Vec<(Value, Value)>> {
    let what = format!("{count} events of {database}");
    wait_until(&what, DEADLINE, async || Ok(events(waltap, database)?.len() >= count)).await?;
    events(waltap, database)
}

#[test]
fn every_encoding_comes_as_utf8() -> Result {
    run("encodings", async |kit| {
        let postgres = kit.postgres().await?;
        let latin = database(&postgres, "latin", "LATIN1").await?;
        let japanese = database(&postgres, "japanese", "EUC_JP").await?;
        latin
            .run("CREATE TABLE \"Größe\" (\"é\" text PRIMARY KEY, v text[]); INSERT INTO \"Größe\" VALUES ('ÿ', '{ä,\"ö \"}')")
            .await?;
        japanese
            .run(
                "CREATE TABLE 注文 (番号 int PRIMARY KEY, 名前 text, 状態 jsonb);
                  INSERT INTO 注文 VALUES (1, '日本語の文', '{\"鍵\": \"値\"}')",
            )
            .await?;
        let mut waltap = capture(kit, &postgres, "latin,japanese", "native")?;
        waltap.wait_streaming().await?;
        latin.run("UPDATE \"Größe\" SET v = '{ß}'; UPDATE \"Größe\" SET \"é\" = '¿'; DELETE FROM \"Größe\"").await?;
        japanese.run("UPDATE 注文 SET 名前 = 'カタカナ' WHERE 番号 = 1; DELETE FROM 注文").await?;

        let rows = |events: Vec<(Value, Value)>| -> Vec<Value> {
            events
                .into_iter()
                .map(|(key, value)| json!([key, value["source"]["table"], value["before"], value["after"]]))
                .collect()
        };
        ensure!(
            rows(wait_events(&waltap, "latin", 5).await?)
                == [
                    json!([{"é": "ÿ"}, "Größe", null, {"é": "ÿ", "v": ["ä", "ö "]}]),
                    json!([{"é": "ÿ"}, "Größe", null, {"é": "ÿ", "v": ["ß"]}]),
                    json!([{"é": "ÿ"}, "Größe", {"é": "ÿ"}, null]),
                    json!([{"é": "¿"}, "Größe", null, {"é": "¿", "v": ["ß"]}]),
                    json!([{"é": "¿"}, "Größe", {"é": "¿"}, null]),
                ],
            "{}",
            waltap.stdout()
        );
        ensure!(
            rows(wait_events(&waltap, "japanese", 3).await?)
                == [
                    json!([{"番号": 1}, "注文", null, {"番号": 1, "名前": "日本語の文", "状態": {"鍵": "値"}}]),
                    json!([{"番号": 1}, "注文", null, {"番号": 1, "名前": "カタカナ", "状態": {"鍵": "値"}}]),
                    json!([{"番号": 1}, "注文", {"番号": 1}, null]),
                ],
            "{}",
            waltap.stdout()
        );
        waltap.stop_cleanly().await
    })
}

/// The key of one row is not UTF-8, the text of another is, a third is ASCII that looks like the escape of the first.
const BYTES: &str = "CREATE TABLE t (id text PRIMARY KEY, v text, a text[], j json);
    INSERT INTO t VALUES (E'caf\\xe9', 'plain', ARRAY['x', E'\\xff'], E'{\"k\": \"\\x80\"}'), ('café', 'ä', '{ä}', '{\"k\":\"ä\"}'), ('\\x636166e9', '', '{}', '1')";

#[test]
fn bytes_of_no_encoding_are_hexadecimal_and_named() -> Result {
    run("encodings_bytes", async |kit| {
        let postgres = kit.postgres().await?;
        let bytes = database(&postgres, "bytes", "SQL_ASCII").await?;
        bytes.run(BYTES).await?;
        for (format, hexadecimal) in [("native", "hexadecimal"), ("flat", "_hexadecimal"), ("debezium", "")] {
            let mut waltap = capture(kit, &postgres, "bytes", format)?;
            waltap.wait_streaming().await?;
            bytes
                .run("BEGIN; CREATE TEMP TABLE kept AS TABLE t; DELETE FROM t; INSERT INTO t TABLE kept; DROP TABLE kept; COMMIT")
                .await?;
            let events: Vec<(Value, Value)> =
                wait_events(&waltap, "bytes", 9).await?.into_iter().filter(|(_, value)| !value.is_null()).collect();
            let row = |(key, value): &(Value, Value)| {
                let row = if format == "flat" { value } else { &value["after"] };
                let columns: Vec<Value> = ["id", "v", "a", "j"].iter().map(|name| row[*name].clone()).collect();
                json!([key["id"], columns, value[hexadecimal]])
            };
            let inserted = |events: &[(Value, Value)]| {
                let mut rows: Vec<String> = events.iter().map(|event| row(event).to_string()).collect();
                rows.sort();
                rows
            };
            let (read, streamed) = (inserted(&events[..3]), inserted(&events[events.len() - 3..]));
            ensure!(read == streamed, "{read:?} in the snapshot, {streamed:?} in the stream");
            let named = if hexadecimal.is_empty() { "null" } else { r#"["id","a","j"]"# };
            let expected =
                format!(r#"["\\x636166e9",["\\x636166e9","plain","\\x7b782cff7d","\\x7b226b223a20228022{}"],{named}]"#, "7d");
            ensure!(read.contains(&expected), "{format}: {read:?}, expected {expected}");
            ensure!(read.iter().filter(|row| row.ends_with("null]")).count() >= 2, "too many are named: {read:?}");
            waltap.stop_cleanly().await?;
        }
        Ok(())
    })
}

/// A label of an enum is a value, though it stands in the catalog; so is a default.
#[test]
fn a_label_of_no_encoding_is_hexadecimal_in_every_format() -> Result {
    run("encodings_labels", async |kit| {
        let postgres = kit.postgres().await?;
        let bytes = database(&postgres, "labels", "SQL_ASCII").await?;
        bytes
            .run(
                "DO $$ BEGIN
                     EXECUTE format('CREATE TYPE mood AS ENUM (%L, %L)', 'ok', E'caf\\xe9');
                     EXECUTE format('CREATE TABLE t (id int PRIMARY KEY, m mood DEFAULT %L)', E'caf\\xe9');
                 END $$; INSERT INTO t VALUES (1)",
            )
            .await?;
        for format in ["native", "flat", "debezium"] {
            let mut waltap = capture(kit, &postgres, "labels", format)?;
            waltap.wait_streaming().await?;
            bytes.run("UPDATE t SET m = 'ok'; UPDATE t SET m = DEFAULT").await?;
            let moods: Vec<Value> = wait_events(&waltap, "labels", 3)
                .await?
                .into_iter()
                .map(|(_, value)| if format == "flat" { value["m"].clone() } else { value["after"]["m"].clone() })
                .collect();
            ensure!(moods == ["\\x636166e9", "ok", "\\x636166e9"], "{format}: {moods:?}");
            waltap.stop_cleanly().await?;
        }
        Ok(())
    })
}

#[test]
fn what_the_server_cannot_convert_stops_its_database_alone() -> Result {
    run("encodings_refused", async |kit| {
        let postgres = kit.postgres().await?;
        let windows = database(&postgres, "windows", "WIN1252").await?;
        let names = database(&postgres, "names", "SQL_ASCII").await?;
        let good = database(&postgres, "good", "UTF8").await?;
        for sql in [&windows, &good] {
            sql.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '€')").await?;
        }
        names.run("DO $$ BEGIN EXECUTE format('CREATE TABLE %I (id int)', E'caf\\xe9'); END $$").await?;
        let mut waltap = capture(kit, &postgres, "windows,names,good", "native")?;
        waltap.wait_log("the tap has stopped database=\"names\" code=WT0041", DEADLINE).await?;
        wait_events(&waltap, "windows", 1).await?;
        windows.run("INSERT INTO t VALUES (2, E'\\x81')").await?;
        waltap.wait_log("the tap has stopped database=\"windows\" code=WT0041", DEADLINE).await?;
        good.run("INSERT INTO t VALUES (2, 'ä')").await?;
        wait_events(&waltap, "good", 2).await?;
        for word in ["0x81", "WIN1252", "--exclude-table"] {
            ensure!(waltap.log().contains(word), "the log does not say {word}");
        }
        // Two of its databases have failed.
        ensure!(waltap.terminate().await? == 1, "it says that all is well");
        Ok(())
    })
}
