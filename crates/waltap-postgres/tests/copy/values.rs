//! Values that are hard on a text format, through a real server and back.

use std::collections::HashMap;

use waltap_postgres::catalog::tables;
use waltap_postgres::copy::{SnapshotReader, plan_chunks};

use super::{Row, export, read};
use crate::fixture::Cluster;

#[tokio::test]
async fn nasty_strings_come_back_as_they_were() {
    let cluster = Cluster::start();
    let mut nasty: Vec<Option<String>> = [
        "",
        "\\",
        "\\N",
        "\\\\N",
        "\\.",
        "NULL",
        "\t",
        "\n",
        "\r\n",
        "a\tb\nc\\d",
        "\\x41",
        "\\101",
        "\u{8}\u{b}\u{c}",
        "大\\n大",
        "\u{10ffff}",
    ]
    .into_iter()
    .map(|text| Some(text.to_owned()))
    .collect();
    nasty.push(None);
    nasty.push(Some((1..=127_u8).map(char::from).collect()));
    nasty.push(Some("\\".repeat(10_000)));
    nasty.push(Some("long\t".repeat(500_000)));
    let session = cluster.sql("postgres").await;
    session.batch_execute("CREATE TABLE public.t (number int, first text, last text)").await.expect("a table");
    for (number, text) in (0..).zip(&nasty) {
        let reversed = nasty.iter().rev().nth(usize::try_from(number).expect("small")).expect("as many");
        session.execute("INSERT INTO public.t VALUES ($1, $2, $3)", &[&number, text, reversed]).await.expect("inserted");
    }
    let exporter = cluster.sql("postgres").await;
    let snapshot = export(&exporter).await;
    let all = tables(&session).await.expect("tables");
    let reader = SnapshotReader::begin(&*session, &snapshot).await.expect("the snapshot is taken over");
    let mut rows = read(&reader, &all[0], &plan_chunks(&all[0], &HashMap::new(), 150_000, 10)).await;
    rows.sort_by_key(|row| row[0].as_deref().and_then(|number| number.parse::<usize>().ok()));
    let expected: Vec<Row> = nasty
        .iter()
        .zip(nasty.iter().rev())
        .enumerate()
        .map(|(number, (first, last))| vec![Some(number.to_string()), first.clone(), last.clone()])
        .collect();
    assert!(rows == expected, "a string has changed on its way");
}
