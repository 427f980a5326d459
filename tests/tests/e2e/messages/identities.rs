//! Insert, update and delete under every replica identity, with values that are too large to be sent again.

use waltap_tests::{Result, run};

use crate::watched::Watched;

/// As large as makes PostgreSQL move a value out of its row, and kept from being compressed.
const LARGE: usize = 9000;

/// `id` is the primary key, `code` is unique, `big` is stored outside of the row.
fn tables() -> String {
    let identities =
        [("plain", "DEFAULT"), ("whole", "FULL"), ("indexed", "USING INDEX indexed_code_key"), ("nothing", "NOTHING")];
    let mut statements = String::new();
    for (table, identity) in identities {
        statements += &format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, code text NOT NULL UNIQUE, v text, big text);
             ALTER TABLE {table} ALTER big SET STORAGE EXTERNAL; ALTER TABLE {table} REPLICA IDENTITY {identity};"
        );
    }
    statements
        + "CREATE TABLE keyless (id int, v text); CREATE TABLE keyless_full (id int, v text);
           ALTER TABLE keyless_full REPLICA IDENTITY FULL"
}

const TABLES: [&str; 4] = ["plain", "whole", "indexed", "nothing"];

#[test]
fn each_identity_tells_what_it_can() -> Result {
    run("messages_identities", async |kit| {
        let postgres = kit.postgres().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run(&tables()).await?;
        let mut native = Watched::start(kit, &postgres, "shop", &[]).await?;
        let mut flat = Watched::start(kit, &postgres, "shop", &["--name", "flat", "--format", "flat"]).await?;
        for table in TABLES {
            shop.run(&format!("INSERT INTO {table} VALUES (1, 'a', 'x', repeat('z', {LARGE}))")).await?;
            shop.run(&format!("UPDATE {table} SET v = 'y'")).await?;
            shop.run(&format!("UPDATE {table} SET id = 2")).await?;
            shop.run(&format!("UPDATE {table} SET code = 'b'")).await?;
            shop.run(&format!("DELETE FROM {table}")).await?;
        }
        for table in ["keyless", "keyless_full"] {
            shop.run(&format!("INSERT INTO {table} VALUES (1, 'x'), (1, 'x')")).await?;
            shop.run(&format!("UPDATE {table} SET v = NULL WHERE ctid = '(0,1)'; DELETE FROM {table}")).await?;
        }
        native.reached(&shop).await?;
        flat.reached(&shop).await?;

        let big = format!("\"{}\"", "z".repeat(LARGE));
        let row = |id: u32, code: &str, v: &str| format!(r#"{{"big":{big},"code":"{code}","id":{id},"v":"{v}"}}"#);
        let bare = |id: u32, code: &str, v: &str| format!(r#"{{"code":"{code}","id":{id},"v":"{v}"}}"#);
        let expect = |table: &str, expected: &[String]| {
            native.expect(&format!("public.{table}"), &expected.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let unchanged = r#" unchanged ["big"]"#;
        expect(
            "plain",
            &[
                format!(r#"c {{"id":1}} null {}"#, row(1, "a", "x")),
                format!(r#"u {{"id":1}} null {}{unchanged}"#, bare(1, "a", "y")),
                r#"d {"id":1} {"id":1} null"#.to_owned(),
                format!(r#"c {{"id":2}} null {}{unchanged}"#, bare(2, "a", "y")),
                format!(r#"u {{"id":2}} null {}{unchanged}"#, bare(2, "b", "y")),
                r#"d {"id":2} {"id":2} null"#.to_owned(),
            ],
        )?;
        // The old row is whole, and the large value is taken from it.
        expect(
            "whole",
            &[
                format!(r#"c {{"id":1}} null {}"#, row(1, "a", "x")),
                format!(r#"u {{"id":1}} {} {}"#, row(1, "a", "x"), row(1, "a", "y")),
                format!(r#"d {{"id":1}} {} null"#, row(1, "a", "y")),
                format!(r#"c {{"id":2}} null {}"#, row(2, "a", "y")),
                format!(r#"u {{"id":2}} {} {}"#, row(2, "a", "y"), row(2, "b", "y")),
                format!(r#"d {{"id":2}} {} null"#, row(2, "b", "y")),
            ],
        )?;
        expect(
            "indexed",
            &[
                format!(r#"c {{"code":"a"}} null {}"#, row(1, "a", "x")),
                format!(r#"u {{"code":"a"}} null {}{unchanged}"#, bare(1, "a", "y")),
                format!(r#"u {{"code":"a"}} null {}{unchanged}"#, bare(2, "a", "y")),
                r#"d {"code":"a"} {"code":"a"} null"#.to_owned(),
                format!(r#"c {{"code":"b"}} null {}{unchanged}"#, bare(2, "b", "y")),
                r#"d {"code":"b"} {"code":"b"} null"#.to_owned(),
            ],
        )?;
        // Their updates and deletes work, and are not told.
        expect("nothing", &[format!("c null null {}", row(1, "a", "x"))])?;
        let pair = r#"c null null {"id":1,"v":"x"}"#;
        native.expect("public.keyless", &[pair, pair])?;
        native.expect(
            "public.keyless_full",
            &[
                pair,
                pair,
                r#"u null {"id":1,"v":"x"} {"id":1,"v":null}"#,
                r#"d null {"id":1,"v":"x"} null"#,
                r#"d null {"id":1,"v":null} null"#,
            ],
        )?;

        // flat: the same, in another layout.
        let flat_of = |table: &str| -> Result<Vec<String>> {
            let topic = format!("public.{table}");
            let events = flat.all()?.into_iter().filter(|event| event.topic == topic);
            Ok(events
                .map(|event| {
                    let value = &event.value;
                    let big = value["big"].as_str().map_or(0, str::len);
                    format!("{} {} {} {} {big} {}", value["_op"], event.key, value["id"], value["v"], value["_unchanged"])
                })
                .collect())
        };
        let expected = [
            r#""c" {"id":1} 1 "x" 9000 null"#,
            r#""u" {"id":1} 1 "y" 0 ["big"]"#,
            r#""d" {"id":1} 1 null 0 null"#,
            r#""c" {"id":2} 2 "y" 0 ["big"]"#,
            r#""u" {"id":2} 2 "y" 0 ["big"]"#,
            r#""d" {"id":2} 2 null 0 null"#,
        ];
        let found = flat_of("plain")?;
        waltap_tests::ensure!(found == expected, "{found:#?}");
        let found = flat_of("whole")?;
        let expected = [
            r#""c" {"id":1} 1 "x" 9000 null"#,
            r#""u" {"id":1} 1 "y" 9000 null"#,
            r#""d" {"id":1} 1 "y" 9000 null"#,
            r#""c" {"id":2} 2 "y" 9000 null"#,
            r#""u" {"id":2} 2 "y" 9000 null"#,
            r#""d" {"id":2} 2 "y" 9000 null"#,
        ];
        waltap_tests::ensure!(found == expected, "{found:#?}");
        native.stop().await?;
        flat.stop().await
    })
}
