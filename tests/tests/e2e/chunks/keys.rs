//! Keys of every kind, keys that change places, and large values that stay.

use std::time::Duration;

use waltap_tests::{Result, ensure, run};

use super::{Writers, answered, ask, ensure_equal};

#[test]
fn keys_of_every_kind_that_change_meanwhile_are_read() -> Result {
    run("chunks_keys", async |kit| {
        let (postgres, kafka) = (kit.postgres().await?, kit.kafka().await?);
        let shop = postgres.create_database("shop").await?;
        shop.run(
            "CREATE TABLE pairs (a text COLLATE \"C\", b numeric, c date, v int, PRIMARY KEY (b, a, c));
             INSERT INTO pairs SELECT md5(g::text), (g % 50) / 10.0, '2000-01-01'::date + g % 300, 0 FROM generate_series(1, 9000) g;
             CREATE TABLE uuids (id uuid PRIMARY KEY, v int);
             INSERT INTO uuids SELECT md5(g::text)::uuid, 0 FROM generate_series(1, 6000) g;
             CREATE TABLE parted (id int, region text, v int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
             CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
             CREATE TABLE parted_b PARTITION OF parted FOR VALUES IN ('b', 'c');
             INSERT INTO parted SELECT g, chr(97 + g % 3), 0 FROM generate_series(1, 6000) g;
             CREATE TABLE swaps (id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, v int);
             ALTER TABLE swaps DROP CONSTRAINT swaps_pkey, ADD PRIMARY KEY (id);
             INSERT INTO swaps SELECT g, g FROM generate_series(1, 8000) g;
             CREATE TABLE hot (id int PRIMARY KEY, v int, body text);
             ALTER TABLE hot ALTER body SET STORAGE EXTERNAL;
             INSERT INTO hot SELECT g, 0, repeat(md5(g::text), 100) FROM generate_series(1, 3000) g;
             CREATE TABLE \"full\" (id int PRIMARY KEY, v int, body text);
             ALTER TABLE \"full\" REPLICA IDENTITY FULL;
             INSERT INTO \"full\" SELECT g, 0, repeat(md5(g::text), 100) FROM generate_series(1, 3000) g",
        )
        .await?;
        let flags = ["--database", "shop", "--snapshot", "never", "--snapshot-chunk-rows", "300"];
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        let writes = [
            "UPDATE pairs SET v = v + 1, b = b + 0.10 WHERE c = '2000-01-01'::date + (random() * 300)::int AND b < 100",
            "UPDATE uuids SET v = v + 1 WHERE id = md5((random() * 6000)::int::text)::uuid",
            "UPDATE parted SET v = v + 1, region = CASE region WHEN 'a' THEN 'b' ELSE 'a' END WHERE id = (random() * 6000)::int",
            // Two rows change places, and one goes from the end to the beginning and back.
            "BEGIN; UPDATE swaps SET id = -1 WHERE id = 10; UPDATE swaps SET id = 10 WHERE id = 7990; \
             UPDATE swaps SET id = 7990 WHERE id = -1; COMMIT; UPDATE swaps SET id = -id WHERE id = 5000 OR id = -5000",
            // Never with the large value.
            "UPDATE hot SET v = v + 1 WHERE id IN (1, 1500, 2999)",
            "UPDATE \"full\" SET v = v + 1 WHERE id IN (1, 1500, 2999)",
        ];
        let writers = Writers::start(&postgres, &writes, Duration::from_millis(5)).await?;
        // Out of what is not read yet into what is, and back, without the large value. A row that never rests would be waited for.
        let moves = ["UPDATE hot SET id = -id WHERE abs(id) % 500 = 0", "UPDATE \"full\" SET id = -id WHERE abs(id) % 500 = 0"];
        let movers = Writers::start(&postgres, &moves, Duration::from_secs(2)).await?;
        let tables = ["pairs", "uuids", "parted", "swaps", "hot", "full"];
        ask(&kafka, "1", "snapshot", &tables, None).await?;
        for table in tables {
            let answer = answered(&kafka, &waltap, table, "1").await?;
            ensure!(answer["refused"].is_null() && answer["rows"].as_u64() > Some(2_000), "{table}: {answer}");
        }
        let written = writers.stop().await? + movers.stop().await?;
        println!("{written} writes");
        ensure_equal(&postgres, &kafka, &mut waltap).await?;
        Ok(())
    })
}
