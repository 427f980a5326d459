//! Every value of every type, on several versions of PostgreSQL: the same JSON from the snapshot and from the stream, and back into
//! PostgreSQL as an equal value.

mod generated;
mod generators;
pub(crate) mod input;
mod makers;
mod samples;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use waltap_tests::{Failure, Kit, PostgresOptions, Result, Sql, Waltap, ensure, run_within, wait_until};

use self::input::input;
use self::samples::{SAMPLES, SETUP, Sample};

/// Added to the ids of the rows that are inserted while the stream runs.
const STREAMED: usize = 1000;

/// An object with its values as they stand in the text.
type Object<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
struct Line<'a> {
    topic: String,
    #[serde(borrow)]
    value: Object<'a>,
}

/// What an event says of a row.
struct Row<'a> {
    op: String,
    id: usize,
    /// The column `v`, where the format has it.
    v: Option<&'a RawValue>,
}

impl<'a> Row<'a> {
    /// Columns stand within `after`, or in `flat` at the top level.
    fn of(event: Object<'a>) -> Result<Self> {
        let flat_op = event.get("_op").copied();
        let row: Object<'a> = match (flat_op, event.get("after")) {
            (None, Some(after)) => serde_json::from_str(after.get())?,
            _ => event.clone(),
        };
        let op = flat_op.or(event.get("op").copied()).map(RawValue::get).unwrap_or_default();
        let id = row.get("id").map(|id| id.get()).unwrap_or_default();
        Ok(Row { op: serde_json::from_str(op)?, id: id.parse()?, v: row.get("v").copied() })
    }
}

#[test]
fn of_the_oldest_version() -> Result {
    values_survive(13, "native")
}

#[test]
fn of_debians_version() -> Result {
    values_survive(15, "native")
}

#[test]
fn of_the_newest_version() -> Result {
    values_survive(18, "native")
}

#[test]
#[ignore = "make test-matrix"]
fn of_the_versions_between() -> Result {
    [14, 16, 17].into_iter().try_for_each(|major| values_survive(major, "native"))
}

#[test]
fn of_the_format_flat() -> Result {
    values_survive(15, "flat")
}

/// Its values are Debezium's, which do not all come back; but snapshot and stream agree.
#[test]
fn of_the_format_debezium() -> Result {
    values_survive(15, "debezium")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn values_survive(major: u32, format: &str) -> Result {
    run_within(&format!("values_{major}_{format}"), Duration::from_secs(240), async |kit| {
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
        let output = capture(kit, &postgres.url("postgres"), format, rows, async || {
            for (table, _) in &samples {
                shop.run(&format!("INSERT INTO {table} SELECT id + {STREAMED}, v FROM {table}")).await?;
            }
            Ok(())
        })
        .await?;
        let mut values: BTreeMap<(String, usize), Option<&RawValue>> = BTreeMap::new();
        for line in output.lines() {
            let line: Line<'_> = serde_json::from_str(line)?;
            let row = Row::of(line.value)?;
            let expected = if row.id < STREAMED { "r" } else { "c" };
            ensure!(row.op == expected, "{} of row {} in {}", row.op, row.id, line.topic);
            values.insert((line.topic.rsplit('.').next().unwrap_or_default().to_owned(), row.id), row.v);
        }
        for (table, sample) in &samples {
            for (id, value) in sample.values.iter().enumerate() {
                let read = values[&(table.clone(), id)];
                let streamed = values[&(table.clone(), id + STREAMED)];
                let what = format!("{} {value}", sample.type_name);
                let text = |value: Option<&RawValue>| value.map(|value| value.get().to_owned());
                ensure!(text(read) == text(streamed), "{what}: {read:?} in the snapshot, {streamed:?} in the stream");
                if format != "debezium" {
                    let Some(json) = read else { return Err(Failure::new(format!("{what}: there is no such column"))) };
                    comes_back(&shop, table, id, sample.type_name, json).await.map_err(|failure| failure.while_doing(what))?;
                }
            }
        }
        println!("PostgreSQL {major}, {format}: {rows} values of {} types", samples.len());
        Ok(())
    })
}

/// The lines of a capture: `rows` rows that are there, and as many that `change` inserts.
async fn capture(kit: &Kit, source: &str, format: &str, rows: usize, change: impl AsyncFnOnce() -> Result) -> Result<String> {
    let flags = ["capture", "--source", source, "--database", "shop", "--sink", "stdout", "--format", format];
    let mut waltap = kit.waltap(&flags, &[])?;
    let lines = |waltap: &Waltap| waltap.stdout().lines().count();
    wait_until("the snapshot is out", Duration::from_secs(60), async || Ok(lines(&waltap) >= rows)).await?;
    waltap.wait_streaming().await?;
    change().await?;
    wait_until("the changes are out", Duration::from_secs(60), async || Ok(lines(&waltap) >= rows * 2)).await?;
    waltap.stop_cleanly().await?;
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

/// Within strings too, of both that are compared.
fn without_spaces(json: String) -> String {
    json.replace([' ', '\n', '\t'], "")
}
