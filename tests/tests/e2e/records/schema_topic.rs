//! The topic in which tables' versions are told.

use serde_json::{Value, json};
use waltap_tests::{Result, ensure, run};

use super::{capture, records};

#[test]
fn each_version_of_a_table_is_told_before_its_first_event() -> Result {
    run("records_schema_topic", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TYPE mood AS ENUM ('ok');
             CREATE TABLE orders (id int PRIMARY KEY, total numeric(12,2), secret text, moods mood[]);
             INSERT INTO orders VALUES (1)",
        )
        .await?;
        let flags = [
            "--schema-topic",
            "waltap.tables",
            "--exclude-columns",
            "orders=secret",
            "--mask-columns",
            "orders=total:truncate:1",
        ];
        let mut waltap = capture(kit, &postgres, &flags).await?;
        shop.run("UPDATE orders SET total = 1").await?;
        // The server announces the table again, and nothing has changed.
        shop.run("ALTER TABLE orders SET (fillfactor = 90)").await?;
        shop.run("UPDATE orders SET total = 2").await?;
        shop.run("BEGIN; ALTER TABLE orders ADD note varchar(20) NOT NULL DEFAULT ''; UPDATE orders SET total = 3; COMMIT")
            .await?;
        // Of the snapshot a row and a version; then two versions and three updates.
        let records = records(&mut waltap, 7).await?;
        let is_version = |record: &Value| record["topic"] == "waltap.tables";
        let order: Vec<bool> = records.iter().map(is_version).collect();
        ensure!(order == [true, false, true, false, false, true, false], "{order:?}");
        let versions: Vec<&Value> = records.iter().filter(|record| is_version(record)).collect();
        let key = json!({"db": "shop", "schema": "public", "table": "orders"});
        ensure!(versions.iter().all(|version| version["key"] == key), "{versions:?}");
        let mut columns = vec![
            json!({"name": "id", "type": "integer", "type_oid": 23, "not_null": true, "identity": true}),
            json!({"name": "total", "type": "numeric(12,2)", "type_oid": 1700, "not_null": false, "identity": false, "masked": true}),
            json!({"name": "moods", "type": "public.mood[]", "type_oid": 0, "not_null": false, "identity": false}),
        ];
        columns[2]["type_oid"] = versions[0]["value"]["table"]["columns"][2]["type_oid"].clone();
        for version in &versions[..2] {
            ensure!(version["value"]["table"]["columns"] == json!(columns), "{version}");
            ensure!(version["value"]["table"]["key"] == json!(["id"]), "{version}");
        }
        columns.push(
            json!({"name": "note", "type": "character varying(20)", "type_oid": 1043, "not_null": true, "identity": false}),
        );
        ensure!(versions[2]["value"]["table"]["columns"] == json!(columns), "{}", versions[2]);
        let (version, event) = (&versions[2]["value"]["source"], &records[6]["value"]["source"]);
        ensure!(version["commit_lsn"] == event["commit_lsn"] && version["txid"] == event["txid"], "{version} {event}");
        Ok(())
    })
}
