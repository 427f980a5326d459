//! Columns that are left out, and columns that are masked.

use serde_json::json;
use waltap_tests::{Result, ensure, run};

use super::{DEADLINE, capture, records};

/// HMAC-SHA-256 of the mail's address with the salt `pepper`.
const DIGEST: &str = "cea0615277db22b071c78ce70a4863989eee4f315e2224a79e29b3cf4055b7bf";

#[test]
fn columns_are_left_out_and_masked_in_snapshot_and_stream_alike() -> Result {
    run("records_columns", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TABLE customers (id int, email text PRIMARY KEY, born date, note text, card text, internal jsonb);
             ALTER TABLE customers REPLICA IDENTITY FULL;
             INSERT INTO customers VALUES (1, 'ann@example.com', '1990-02-03', 'très long', '4111-2222', '{\"a\": 1}');
             CREATE TABLE orders (id int PRIMARY KEY, total numeric, secret_margin numeric);
             INSERT INTO orders VALUES (1, 9.50, 3)",
        )
        .await?;
        let salt = kit.folder().join("salt");
        std::fs::write(&salt, "pepper\n")?;
        let salt = salt.to_string_lossy().into_owned();
        let flags = [
            "--exclude-columns",
            "*=secret_*",
            "--include-columns",
            "public.customers=id,email,born,note,card",
            "--mask-columns",
            "public.customers=email:hash,born:truncate:4,note:truncate:4,card:constant:\"**,**\"",
            "--mask-salt-file",
            &salt,
        ];
        let mut waltap = capture(kit, &postgres, &flags).await?;
        shop.run(
            "UPDATE customers SET card = NULL, internal = NULL;
             UPDATE customers SET email = 'bob@example.com';
             UPDATE orders SET total = 10, secret_margin = 4",
        )
        .await?;
        let records = records(&mut waltap, 6).await?;
        let masked = json!({"id": 1, "email": DIGEST, "born": "1990", "note": "très", "card": "**,**"});
        let of = |table: &str, op: &str| {
            let matches =
                |record: &&serde_json::Value| record["value"]["source"]["table"] == table && record["value"]["op"] == op;
            records.iter().find(matches).ok_or_else(|| waltap_tests::Failure::new(format!("no {op} of {table}")))
        };
        ensure!(of("customers", "r")?["key"] == json!({ "email": DIGEST }), "{}", of("customers", "r")?);
        ensure!(of("customers", "r")?["value"]["after"] == masked, "{}", of("customers", "r")?);
        ensure!(of("customers", "u")?["value"]["before"] == masked, "{}", of("customers", "u")?);
        ensure!(of("customers", "u")?["value"]["after"]["card"].is_null(), "{}", of("customers", "u")?);
        // The key is told apart by its value, and written by its hash.
        ensure!(of("customers", "d")?["key"] == json!({ "email": DIGEST }), "{}", of("customers", "d")?);
        ensure!(of("customers", "c")?["key"] != json!({ "email": DIGEST }), "{}", of("customers", "c")?);
        ensure!(of("orders", "r")?["value"]["after"] == json!({"id": 1, "total": "9.50"}), "{}", of("orders", "r")?);
        ensure!(of("orders", "u")?["value"]["after"] == json!({"id": 1, "total": "10"}), "{}", of("orders", "u")?);
        let output = waltap.stdout();
        for hidden in ["example.com", "4111-2222", "internal", "secret", "long"] {
            ensure!(!output.contains(hidden), "`{hidden}` came out:\n{output}");
        }
        Ok(())
    })
}

#[test]
fn a_renamed_column_does_not_escape_its_mask() -> Result {
    run("records_columns_renamed", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE customers (id int PRIMARY KEY, email text); INSERT INTO customers VALUES (1, 'ann@example.com')")
            .await?;
        let mut waltap = capture(kit, &postgres, &["--mask-columns", "public.customers=email:constant:hidden"]).await?;
        shop.run("UPDATE customers SET id = 2; ALTER TABLE customers RENAME email TO mail; UPDATE customers SET mail = 'bob@example.com'").await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "waltap went on");
        let output = waltap.stdout();
        ensure!(output.contains("hidden") && !output.contains("example.com"), "the mask was escaped:\n{output}");
        ensure!(waltap.log().contains("WT0035") && waltap.log().contains("mail"), "{}", waltap.log());
        Ok(())
    })
}

#[test]
fn changes_from_before_a_rename_do_not_escape_the_mask_either() -> Result {
    run("records_columns_renamed_away", async |kit| {
        let postgres = kit.postgres().await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE customers (id int PRIMARY KEY, email text)").await?;
        let with = |masks: &[&'static str]| [&["--database", "shop"], masks].concat();
        let mut waltap = kit.capture(&postgres, &kafka, &with(&["--mask-columns", "public.customers=email:constant:hidden"]))?;
        waltap.wait_streaming().await?;
        waltap.stop_cleanly().await?;
        shop.run("INSERT INTO customers VALUES (1, 'ann@example.com')").await?;
        shop.run("ALTER TABLE customers RENAME email TO mail; INSERT INTO customers VALUES (2, 'bob@example.com')").await?;

        let new_name = ["--mask-columns", "public.customers=mail:constant:hidden"];
        let mut waltap = kit.capture(&postgres, &kafka, &with(&new_name))?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "waltap went on");
        ensure!(waltap.log().contains("WT0035"), "{}", waltap.log());
        // What the remedy says.
        let both_names = ["--mask-columns", "public.customers=mail:constant:hidden,emai[l]:constant:hidden"];
        let mut waltap = kit.capture(&postgres, &kafka, &with(&both_names))?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        let records = kafka.topics().read("shop.public.customers").await?;
        let values: Vec<String> = records.into_iter().filter_map(|record| record.value).collect();
        ensure!(values.len() == 2 && values.iter().all(|value| value.contains("hidden")), "{values:?}");
        ensure!(!values.iter().any(|value| value.contains("example.com")), "the mask was escaped: {values:?}");
        Ok(())
    })
}

#[test]
fn a_choice_of_columns_that_cannot_be_is_refused_at_the_start() -> Result {
    run("records_columns_refused", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE customers (id int PRIMARY KEY, email text)").await?;
        let source = postgres.url("postgres");
        let refused = async |flag: &str, value: &str, code: i32, words: &[&str]| {
            let flags = ["capture", "--source", &source, "--database", "shop", "--sink", "stdout", "--http", "off", flag, value];
            kit.output(&flags, &[], DEADLINE).await?.expect(code, words)
        };
        refused("--mask-columns", "public.customers=emial:constant:x", 1, &["WT0035", "public.customers=emial"]).await?;
        refused("--mask-columns", "public.customers=email:hash", 2, &["--mask-salt-file"]).await?;
        refused("--mask-columns", "public.customers=id:truncate:3", 1, &["WT0034", "masked"]).await?;
        refused("--exclude-columns", "public.*=id", 1, &["WT0034", "left out"]).await?;
        refused("--include-columns", "public.customers=email", 1, &["WT0034", "left out"]).await
    })
}
