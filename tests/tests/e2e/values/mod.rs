//! Every value of every type, on several versions of PostgreSQL: the same JSON from the snapshot and from the stream, and back into
//! PostgreSQL as an equal value.

mod input;
mod samples;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use waltap_tests::{Kit, PostgresOptions, Result, Sql, Waltap, ensure, run_within, wait_until};

use self::input::input;
use self::samples::{SAMPLES, SETUP, Sample};

/// Added to the ids of the rows that are inserted while the stream runs.
const STREAMED: usize = 1000;

#[derive(Deserialize)]
struct Line<'a> {
    topic: String,
    #[serde(borrow)]
    value: Event<'a>,
}

#[derive(Deserialize)]
struct Event<'a> {
    op: String,
    #[serde(borrow)]
    after: Option<Row<'a>>,
}

#[derive(Deserialize)]
struct Row<'a> {
    id: usize,
    #[serde(borrow)]
    v: &'a RawValue,
}

#[test]
fn of_the_oldest_version() -> Result {
    values_survive(13)
}

#[test]
fn of_debians_version() -> Result {
    values_survive(15)
}

#[test]
fn of_the_newest_version() -> Result {
    values_survive(18)
}

#[test]
#[ignore = "make test-matrix"]
fn of_the_versions_between() -> Result {
    [14, 16, 17].into_iter().try_for_each(values_survive)
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn values_survive(major: u32) -> Result {
    run_within(&format!("values_{major}"), Duration::from_secs(240), async |kit| {
        let postgres = kit.postgres_with(PostgresOptions { major: Some(major), ..PostgresOptions::default() }).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(SETUP).await?;
        shop.run("CREATE TABLE \"Odd.Name\" (id int PRIMARY KEY)").await?;
        let samples: Vec<(String, &Sample)> = SAMPLES
            .iter()
            .enumerate()
            .filter(|(_, sample)| sample.since <= major)
            .map(|(number, sample)| (format!("t{number}"), sample))
            .collect();
        for (table, sample) in &samples {
            shop.run(&format!("CREATE TABLE {table} (id int PRIMARY KEY, v {})", sample.type_name)).await?;
            for (id, value) in sample.values.iter().enumerate() {
                shop.run(&format!("INSERT INTO {table} VALUES ({id}, {})", literal(value))).await?;
            }
        }
        let rows: usize = samples.iter().map(|(_, sample)| sample.values.len()).sum();
        let output = capture(kit, &postgres.url("postgres"), rows, async || {
            for (table, _) in &samples {
                shop.run(&format!("INSERT INTO {table} SELECT id + {STREAMED}, v FROM {table}")).await?;
            }
            Ok(())
        })
        .await?;
        let mut values: BTreeMap<(String, usize), &RawValue> = BTreeMap::new();
        for line in output.lines() {
            let line: Line<'_> = serde_json::from_str(line)?;
            let Some(row) = line.value.after else { continue };
            let expected = if row.id < STREAMED { "r" } else { "c" };
            ensure!(line.value.op == expected, "{} of row {} in {}", line.value.op, row.id, line.topic);
            values.insert((line.topic.rsplit('.').next().unwrap_or_default().to_owned(), row.id), row.v);
        }
        for (table, sample) in &samples {
            for (id, value) in sample.values.iter().enumerate() {
                let read = values[&(table.clone(), id)];
                let streamed = values[&(table.clone(), id + STREAMED)];
                let what = format!("{} {value}", sample.type_name);
                ensure!(read.get() == streamed.get(), "{what}: {read} in the snapshot, {streamed} in the stream");
                comes_back(&shop, table, id, sample.type_name, read).await.map_err(|failure| failure.while_doing(what))?;
            }
        }
        println!("PostgreSQL {major}: {rows} values of {} types", samples.len());
        Ok(())
    })
}

/// The lines of a capture: `rows` rows that are there, and as many that `change` inserts.
async fn capture(kit: &Kit, source: &str, rows: usize, change: impl AsyncFnOnce() -> Result) -> Result<String> {
    let mut waltap = kit.waltap(&["capture", "--source", source, "--database", "shop", "--sink", "stdout"], &[])?;
    let lines = |waltap: &Waltap| waltap.stdout().lines().count();
    wait_until("the snapshot is out", Duration::from_secs(60), async || Ok(lines(&waltap) >= rows)).await?;
    waltap.wait_streaming().await?;
    change().await?;
    wait_until("the changes are out", Duration::from_secs(60), async || Ok(lines(&waltap) >= rows * 2)).await?;
    ensure!(waltap.terminate().await? == 0, "waltap did not stop as asked");
    Ok(waltap.stdout())
}

/// Whether PostgreSQL reads the value as the one that it was.
async fn comes_back(sql: &Sql, table: &str, id: usize, type_name: &str, json: &RawValue) -> Result {
    let text = input(json, type_name)?.map_or_else(|| "NULL".to_owned(), |text| literal(&text));
    // Lower bounds are not in the JSON of an array, so they are taken off the source's text too.
    let bare = |expression: String| format!("regexp_replace({expression}, '^(\\[[-0-9:]+\\])+=', '')");
    let (was, comes) = match type_name {
        // Two texts of one document: as jsonb they are the same, but for what jsonb cannot hold.
        "json" => ("v::text".to_owned(), format!("{text}::json::text")),
        _ if type_name.ends_with("[]") => (bare("v::text".to_owned()), bare(format!("{text}::{type_name}::text"))),
        _ => ("v::text".to_owned(), format!("{text}::{type_name}::text")),
    };
    let row = sql.rows(&format!("SELECT {was}, {comes} FROM {table} WHERE id = {id}")).await?;
    let (was, comes) = (row[0][0].clone(), row[0][1].clone());
    let same = match type_name {
        "json" => was.map(without_spaces) == comes.map(without_spaces),
        _ => was == comes,
    };
    ensure!(same, "it came back otherwise: {json}, {:?} was read as {:?}", row[0][0], row[0][1]);
    Ok(())
}

/// The samples have no spaces within strings.
fn without_spaces(json: String) -> String {
    json.replace(' ', "")
}
