use std::collections::HashMap;

use super::chunk::{Chunk, PageRange, plan_chunks};
use crate::catalog::tests::{leaf, table};

fn ranges(chunks: &[Chunk]) -> Vec<Option<(u32, Option<u32>)>> {
    chunks.iter().map(|chunk| chunk.pages.map(|PageRange { from, to }| (from, to))).collect()
}

#[test]
fn ranges_meet_and_the_last_has_no_end() {
    let table = table("t");
    let plan =
        |pages: u64, version, pages_max| ranges(&plan_chunks(&table, &HashMap::from([(table.oid, pages)]), version, pages_max));
    assert_eq!(plan(10, 140_000, 4), [Some((0, Some(4))), Some((4, Some(8))), Some((8, None))]);
    assert_eq!(plan(8, 140_000, 4), [Some((0, Some(4))), Some((4, None))]);
    assert_eq!(plan(4, 140_000, 4), [None]);
    assert_eq!(plan(0, 140_000, 0), [None]);
    assert_eq!(plan(10, 139_999, 4), [None]);
    // The largest table there can be.
    let chunks = plan(u64::MAX, 140_000, u32::MAX / 2);
    assert_eq!(chunks.last(), Some(&Some((u32::MAX / 2 * 2, None))));
}

#[test]
fn the_statement_quotes_what_it_names() {
    let mut table = table("T\"1");
    table.columns[1].name = "order\"by".to_owned();
    let whole = plan_chunks(&table, &HashMap::new(), 150_000, 2);
    assert_eq!(whole[0].copy_statement(), r#"COPY "public"."T""1" ("id", "order""by") TO STDOUT"#);
    let chunks = plan_chunks(&table, &HashMap::from([(table.oid, 3)]), 150_000, 2);
    assert_eq!(
        chunks[0].copy_statement(),
        r#"COPY (SELECT "id", "order""by" FROM ONLY "public"."T""1" WHERE ctid >= '(0,0)'::tid AND ctid < '(2,0)'::tid) TO STDOUT"#
    );
    assert_eq!(
        chunks[1].copy_statement(),
        r#"COPY (SELECT "id", "order""by" FROM ONLY "public"."T""1" WHERE ctid >= '(2,0)'::tid) TO STDOUT"#
    );
}

#[test]
fn leaves_that_may_not_be_read_send_us_to_the_root() {
    let mut root = table("root");
    root.partitioned = true;
    root.leaves = vec![leaf("a"), leaf("b")];
    let pages: HashMap<u32, u64> = root.leaves.iter().map(|leaf| (leaf.oid, 2)).collect();
    let chunks = plan_chunks(&root, &pages, 150_000, 1);
    assert_eq!(chunks.len(), 4);
    assert!(chunks.iter().all(|chunk| chunk.only && chunk.table_oid == root.oid));
    root.leaves[1].may_select = false;
    let chunks = plan_chunks(&root, &pages, 150_000, 1);
    assert_eq!(
        (chunks.len(), chunks[0].copy_statement().as_str()),
        (1, r#"COPY (SELECT "id", "body" FROM "public"."root") TO STDOUT"#)
    );
    root.leaves[1].foreign = true;
    root.leaves[1].may_select = true;
    let chunks = plan_chunks(&root, &pages, 150_000, 1);
    assert_eq!(chunks.iter().map(|chunk| chunk.only).collect::<Vec<_>>(), [true, true, false]);
    root.leaves.clear();
    assert!(plan_chunks(&root, &pages, 150_000, 1).is_empty());
}
