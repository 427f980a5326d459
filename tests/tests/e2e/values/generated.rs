//! Values of every type, made by chance: out of PostgreSQL, through the JSON of snapshot and stream, and back into PostgreSQL as the same
//! values. `E2E_SEED` repeats a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;
use waltap_tests::{Failure, PostgresOptions, Random, Result, Sql, ensure, run_within};

use super::generators::{ELEMENTS, Generated, SCALARS, array};
use super::input::input;
use super::samples::SETUP;
use super::{Line, Row, STREAMED, capture, literal, without_spaces};

/// How many values of each type.
const VALUES: usize = 30;

/// A table with a column of one type.
struct Table<'g> {
    name: String,
    type_name: String,
    /// As the type, or as its elements.
    generated: &'g Generated,
    is_array: bool,
    /// None for NULL.
    values: Vec<Option<String>>,
}

#[test]
fn of_debians_version() -> Result {
    values_come_back(15)
}

#[test]
fn of_the_newest_version() -> Result {
    values_come_back(18)
}

#[test]
#[ignore = "make test-matrix"]
fn of_the_other_versions() -> Result {
    [13, 14, 16, 17].into_iter().try_for_each(values_come_back)
}

fn tables(major: u32, random: &mut Random) -> Vec<Table<'static>> {
    let known = |generated: &&Generated| generated.since <= major;
    let scalars = SCALARS.iter().filter(known).map(|generated| (generated, false));
    let elements = SCALARS.iter().filter(known).filter(|generated| ELEMENTS.contains(&generated.type_name));
    let mut tables = Vec::new();
    for (generated, is_array) in scalars.chain(elements.map(|generated| (generated, true))) {
        let make = |random: &mut Random| if is_array { array(random, generated) } else { (generated.make)(random) };
        tables.push(Table {
            name: format!("g{}", tables.len()),
            type_name: format!("{}{}", generated.type_name, if is_array { "[]" } else { "" }),
            generated,
            is_array,
            values: (0..VALUES).map(|_| (!random.percent(5)).then(|| make(random))).collect(),
        });
    }
    tables
}

fn values_come_back(major: u32) -> Result {
    run_within(&format!("values_generated_{major}"), Duration::from_secs(240), async |kit| {
        let seed = Random::seed();
        println!("seed {seed}");
        let tables = tables(major, &mut Random::new(seed));
        let postgres = kit.postgres_with(PostgresOptions { major: Some(major), ..PostgresOptions::default() }).await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(SETUP).await?;
        for table in &tables {
            table.create(&shop).await.map_err(|failure| failure.while_doing(format!("{} with seed {seed}", table.type_name)))?;
        }
        let rows = tables.len() * VALUES;
        let output = capture(kit, &postgres.url("postgres"), "native", rows, async || {
            for Table { name, .. } in &tables {
                shop.run(&format!("INSERT INTO {name} SELECT id + {STREAMED}, v FROM {name}")).await?;
            }
            Ok(())
        })
        .await?;
        let mut values: BTreeMap<String, BTreeMap<usize, &RawValue>> = BTreeMap::new();
        for line in output.lines() {
            let line: Line<'_> = serde_json::from_str(line)?;
            let row = Row::of(line.value)?;
            let Some(v) = row.v else { return Err(Failure::new(format!("a row of {} has no value", line.topic))) };
            values.entry(line.topic.rsplit('.').next().unwrap_or_default().to_owned()).or_default().insert(row.id, v);
        }
        for table in &tables {
            let what = || format!("{} with seed {seed}", table.type_name);
            table.come_back(&shop, &values[&table.name]).await.map_err(|failure| failure.while_doing(what()))?;
        }
        println!("PostgreSQL {major}: {rows} values of {} types", tables.len());
        Ok(())
    })
}

impl Table<'_> {
    async fn create(&self, sql: &Sql) -> Result {
        let Table { name, type_name, .. } = self;
        sql.run(&format!("CREATE TABLE {name} (id int PRIMARY KEY, v {type_name})")).await?;
        fill(sql, name, self.values.iter().enumerate().map(|(id, value)| (id, value.clone()))).await
    }

    /// Reads the JSON of the snapshot's rows into a second table, and has the server compare it with the first.
    async fn come_back(&self, sql: &Sql, written: &BTreeMap<usize, &RawValue>) -> Result {
        let Table { name, type_name, .. } = self;
        let mut inputs = Vec::new();
        for id in 0..VALUES {
            let (Some(read), Some(streamed)) = (written.get(&id), written.get(&(id + STREAMED))) else {
                return Err(Failure::new(format!("row {id} is missing")));
            };
            ensure!(read.get() == streamed.get(), "{read} in the snapshot, {streamed} in the stream");
            // A NULL and the document `null` are one in JSON: the source says which it was.
            let is_null = self.values[id].is_none();
            inputs.push((id, if is_null { None } else { input(read, type_name)? }));
            ensure!(!is_null || read.get() == "null", "NULL became {read}");
        }
        sql.run(&format!("CREATE TEMP TABLE back (id int PRIMARY KEY, v {type_name})")).await?;
        fill(sql, "back", inputs.into_iter()).await?;
        // Lower bounds are not in the JSON.
        let bare = |column: &str| match self.is_array {
            true => format!("regexp_replace({column}.v::text, '^(\\[[-0-9:]+\\])+=', '')"),
            false => format!("{column}.v::text"),
        };
        let equal = match (self.generated.has_equality, self.is_array) {
            (false, _) => "true",
            (true, false) => "was.v IS NOT DISTINCT FROM back.v",
            (true, true) => "was.v IS NOT DISTINCT FROM back.v OR was.v::text LIKE '[%'",
        };
        let (was, back) = (bare("was"), bare("back"));
        let rows = sql
            .rows(&format!("SELECT id, {was}, {back}, {equal} FROM {name} was JOIN back USING (id) WHERE id < {STREAMED}"))
            .await?;
        ensure!(rows.len() == VALUES, "{} rows came back", rows.len());
        for row in &rows {
            let [Some(id), was, back, Some(equal)] = row.as_slice() else {
                return Err(Failure::new("a comparison without an answer"));
            };
            let same_text = match type_name.as_str() {
                "json" => was.clone().map(without_spaces) == back.clone().map(without_spaces),
                _ => was == back,
            };
            ensure!(same_text && equal == "t", "row {id}: {was:?} came back as {back:?}");
        }
        sql.run("DROP TABLE back").await
    }
}

async fn fill(sql: &Sql, table: &str, values: impl Iterator<Item = (usize, Option<String>)>) -> Result {
    let row =
        |(id, value): (usize, Option<String>)| format!("({id}, {})", value.map_or("NULL".to_owned(), |value| literal(&value)));
    sql.run(&format!("INSERT INTO {table} VALUES {}", values.map(row).collect::<Vec<_>>().join(", "))).await
}
