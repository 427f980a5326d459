//! Headers on every record.

use serde_json::{Value, json};
use waltap_tests::{Result, ensure, run};

use super::{capture, records};

#[test]
fn records_have_the_headers_that_were_asked_for() -> Result {
    run("records_headers", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1)").await?;
        let mut waltap = capture(kit, &postgres, &["--headers", "cloudevents"]).await?;
        shop.run("UPDATE orders SET n = 1; DELETE FROM orders; TRUNCATE orders").await?;
        let records = records(&mut waltap, 4).await?;
        let of = |name: &str| -> Vec<Value> { records.iter().map(|record| record["headers"][name].clone()).collect() };
        ensure!(of("ce_type") == ["waltap.read", "waltap.update", "waltap.delete", "waltap.truncate"], "{:?}", of("ce_type"));
        ensure!(of("ce_source").iter().all(|source| *source == "/shop/public/orders"), "{:?}", of("ce_source"));
        for record in &records[1..] {
            let source = &record["value"]["source"];
            let (commit, seq) = (source["commit_lsn"].as_str().unwrap_or_default(), &source["seq"]);
            let id = format!("{commit}/{seq}/{}", record["value"]["op"].as_str().unwrap_or_default());
            ensure!(record["headers"]["ce_id"] == json!(id), "{record}");
        }
        Ok(())
    })
}
