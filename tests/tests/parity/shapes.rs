//! Tables of every shape and every kind of event.

use waltap_tests::{Result, Sql};

pub(super) const SETUP: &str = r#"
    CREATE TABLE identity_default (id int PRIMARY KEY, name text NOT NULL, note text, amount numeric(6,2) NOT NULL);
    CREATE TABLE identity_full (id int PRIMARY KEY, name text NOT NULL, note text, amount numeric(6,2) NOT NULL);
    ALTER TABLE identity_full REPLICA IDENTITY FULL;
    CREATE TABLE identity_index (id int PRIMARY KEY, code text NOT NULL, note text NOT NULL);
    CREATE UNIQUE INDEX identity_index_code ON identity_index (code);
    ALTER TABLE identity_index REPLICA IDENTITY USING INDEX identity_index_code;
    CREATE TABLE identity_nothing (id int PRIMARY KEY, note text);
    ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
    CREATE TABLE full_without_key (a int, b text);
    ALTER TABLE full_without_key REPLICA IDENTITY FULL;
    CREATE TABLE without_key (a int, b text);
    CREATE TABLE index_without_key (note text, code text NOT NULL);
    CREATE UNIQUE INDEX index_without_key_code ON index_without_key (code);
    ALTER TABLE index_without_key REPLICA IDENTITY USING INDEX index_without_key_code;
    CREATE TABLE two_columns_key (a int, v text, b text, PRIMARY KEY (b, a));
    CREATE TABLE many_types_key (d date, n numeric(6,2), u uuid, z timestamptz, y bytea, m mood, o bool, v text,
        PRIMARY KEY (u, n, d, z, y, m, o));
    CREATE TABLE "Odd Table é" ("Odd Column" int PRIMARY KEY, "é 😀" text, "select" int);
    CREATE TABLE generated (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, z text);
    CREATE TABLE with_defaults (id serial PRIMARY KEY, n int DEFAULT 7, t text NOT NULL DEFAULT 'x', b boolean DEFAULT true,
        amount numeric(6,2) DEFAULT 1.5, moment timestamptz NOT NULL DEFAULT '2024-01-01 00:00:00+00');
    CREATE TABLE emptied (id int PRIMARY KEY);
    CREATE TABLE emptied_too (id int PRIMARY KEY, emptied int REFERENCES emptied);
    CREATE TABLE only_key (id int PRIMARY KEY);
    CREATE TABLE parted (id int, place text, v text, PRIMARY KEY (id, place)) PARTITION BY LIST (place);
    CREATE TABLE parted_north PARTITION OF parted FOR VALUES IN ('north');
    CREATE TABLE parted_south (v text, place text NOT NULL, id int NOT NULL, PRIMARY KEY (id, place));
    ALTER TABLE parted ATTACH PARTITION parted_south FOR VALUES IN ('south');
    CREATE TABLE ancestor (id int PRIMARY KEY, v text);
    CREATE TABLE heir (more int, PRIMARY KEY (id)) INHERITS (ancestor);
    CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
    CREATE SCHEMA "Other";
    CREATE TABLE "Other".things (id int PRIMARY KEY, v text);

    -- Large values out of line, which an update of `n` leaves where they are.
    CREATE TABLE large (id int PRIMARY KEY, n int, text_v text, varchar_v varchar, char_v char(9000), bytea_v bytea, json_v json,
        jsonb_v jsonb, xml_v xml, numeric_v numeric, hstore_v hstore, citext_v citext, ltree_v ltree, tsvector_v tsvector,
        path_v path, polygon_v polygon, varbit_v varbit, text_vs text[], varchar_vs varchar[], char_vs char(9)[],
        bytea_vs bytea[], json_vs json[], jsonb_vs jsonb[], int_vs int[], bigint_vs bigint[], smallint_vs smallint[],
        date_vs date[], uuid_vs uuid[], numeric_vs numeric[], double_vs float8[], boolean_vs boolean[],
        timestamptz_vs timestamptz[], timestamp_vs timestamp[], mood_vs mood[], label_v label, tags_v tags, range_v numrange,
        pair_v pair, numeric_scaled numeric(1000,2), inet_vs inet[], citext_vs citext[]);
    CREATE FUNCTION set_external(name text) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE attribute name;
        BEGIN
            FOR attribute IN SELECT attname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
                WHERE attrelid = name::regclass AND attnum > 0 AND typlen = -1 AND typstorage <> 'p' LOOP
                EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE EXTERNAL', name, attribute);
            END LOOP;
        END $$;
    SELECT set_external('large');
    CREATE TABLE large_full (LIKE large INCLUDING ALL);
    ALTER TABLE large_full REPLICA IDENTITY FULL;
    CREATE TABLE large_not_null (id int PRIMARY KEY, n int, text_v text NOT NULL, bytea_v bytea NOT NULL, int_vs int[] NOT NULL);
    SELECT set_external('large_not_null');
    INSERT INTO large SELECT 1, 1, long, long, 'c', long::bytea, to_json(long), to_jsonb(long), xmlelement(name a, long),
        ('9' || repeat('1234', 4000))::numeric, hstore('k', long), long, array_to_string(array_fill('label'::text, ARRAY[800]), '.')::ltree,
        to_tsvector('simple', (SELECT string_agg('word' || n, ' ') FROM generate_series(1, 2000) n)),
        ('[' || repeat('(1,2),', 999) || '(1,2)]')::path, ('(' || repeat('(1,2),', 999) || '(1,2))')::polygon, repeat('10', 40000)::varbit,
        ARRAY[long], ARRAY[long], array_fill('c'::char(9), ARRAY[2000]), ARRAY[long::bytea], ARRAY[to_json(long)], ARRAY[to_jsonb(long)],
        array_fill(1, ARRAY[5000]), array_fill(1::bigint, ARRAY[5000]), array_fill(1::smallint, ARRAY[9000]),
        array_fill('2024-01-01'::date, ARRAY[5000]), array_fill('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, ARRAY[2000]),
        array_fill(1.5::numeric, ARRAY[3000]), array_fill(1.5::float8, ARRAY[3000]), array_fill(true, ARRAY[9000]),
        array_fill('2024-01-01 00:00:00+00'::timestamptz, ARRAY[2000]), array_fill('2024-01-01'::timestamp, ARRAY[2000]),
        array_fill('ok'::mood, ARRAY[5000]), 'label', ARRAY[long], numrange(('1' || repeat('0', 9000))::numeric, NULL), ROW(1, long)::pair,
        ('9' || repeat('12', 450))::numeric, array_fill('10.0.0.1'::inet, ARRAY[2000]), ARRAY[long::citext]
        FROM (SELECT repeat('0123456789abcdef', 1000) AS long) longs;
    INSERT INTO large_full SELECT * FROM large;
    INSERT INTO large_not_null SELECT id, n, text_v, bytea_v, int_vs FROM large;

    INSERT INTO identity_default VALUES (1, 'one', 'n', 1), (2, 'two', NULL, 2);
    INSERT INTO full_without_key VALUES (1, 'one'), (2, 'two'), (NULL, NULL);
    INSERT INTO without_key VALUES (1, 'one');
    INSERT INTO index_without_key VALUES ('n', 'c');
    INSERT INTO two_columns_key VALUES (1, 'v', 'b');
    INSERT INTO "Odd Table é" VALUES (1, 'v', 3);
    INSERT INTO generated (id, a, z) VALUES (1, 2, 'z');
    INSERT INTO with_defaults (n, b, amount) VALUES (NULL, NULL, NULL);
    INSERT INTO "Other".things VALUES (1, 'v');
"#;

/// Each a transaction.
const CHANGES: &[&str] = &[
    "INSERT INTO identity_default VALUES (3, 'three', NULL, 3.10)",
    "UPDATE identity_default SET note = 'changed' WHERE id = 3",
    "UPDATE identity_default SET id = 4 WHERE id = 3",
    "UPDATE identity_default SET id = 4 WHERE id = 4",
    "UPDATE identity_default SET id = id + 10, note = 'both' WHERE id IN (1, 2)",
    "DELETE FROM identity_default WHERE id = 4",
    "INSERT INTO identity_full VALUES (1, 'one', NULL, 1), (2, 'two', 'n', 2)",
    "UPDATE identity_full SET note = 'changed' WHERE id = 1",
    "UPDATE identity_full SET id = 3 WHERE id = 1",
    "DELETE FROM identity_full",
    "INSERT INTO identity_index VALUES (1, 'a', 'n'), (2, 'b', 'n')",
    "UPDATE identity_index SET note = 'changed' WHERE id = 1",
    "UPDATE identity_index SET code = 'c' WHERE id = 1",
    "UPDATE identity_index SET id = 3 WHERE id = 1",
    "UPDATE identity_index SET id = 4, code = 'd' WHERE id = 3",
    "DELETE FROM identity_index",
    "INSERT INTO identity_nothing VALUES (1, 'n')",
    "INSERT INTO full_without_key VALUES (3, 'three')",
    "UPDATE full_without_key SET b = 'changed' WHERE a = 3",
    "DELETE FROM full_without_key WHERE a = 3",
    "INSERT INTO without_key VALUES (2, 'two'), (NULL, NULL)",
    "INSERT INTO index_without_key VALUES (NULL, 'd')",
    "UPDATE index_without_key SET note = 'changed' WHERE code = 'd'",
    "UPDATE index_without_key SET code = 'e' WHERE code = 'd'",
    "DELETE FROM index_without_key WHERE code = 'e'",
    "INSERT INTO two_columns_key VALUES (1, 'v', 'c')",
    "UPDATE two_columns_key SET v = 'changed' WHERE b = 'c'",
    "UPDATE two_columns_key SET a = 2 WHERE b = 'c'",
    "DELETE FROM two_columns_key WHERE b = 'c'",
    "INSERT INTO many_types_key VALUES ('2024-01-01', 1.10, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-01-01 00:00:00+00',
        '\\x00ff', 'a \"quoted\", one', true, 'v')",
    "UPDATE many_types_key SET v = 'changed'",
    "UPDATE many_types_key SET d = '2024-01-02', m = 'ü'",
    "DELETE FROM many_types_key",
    "INSERT INTO \"Odd Table é\" VALUES (2, 'v', 3)",
    "UPDATE \"Odd Table é\" SET \"Odd Column\" = 3 WHERE \"Odd Column\" = 2",
    "DELETE FROM \"Odd Table é\" WHERE \"Odd Column\" = 3",
    "INSERT INTO generated (id, a, z) VALUES (2, 3, 'z')",
    "UPDATE generated SET a = 5 WHERE id = 2",
    "INSERT INTO with_defaults (n, b, amount) VALUES (NULL, NULL, NULL), (1, false, 2)",
    "UPDATE with_defaults SET n = NULL WHERE n = 1",
    "DELETE FROM with_defaults",
    "INSERT INTO only_key VALUES (1)",
    "UPDATE only_key SET id = 2",
    "DELETE FROM only_key",
    "INSERT INTO \"Other\".things VALUES (2, 'v')",
    "INSERT INTO parted VALUES (1, 'north', 'n'), (2, 'south', 's')",
    "UPDATE parted SET v = 'changed'",
    "UPDATE parted SET place = 'south' WHERE id = 1",
    "UPDATE parted SET id = 3 WHERE id = 2",
    "DELETE FROM parted",
    "INSERT INTO ancestor VALUES (1, 'v'); INSERT INTO heir VALUES (2, 'v', 3)",
    "UPDATE ancestor SET v = 'changed'",
    "DELETE FROM ancestor",
    "INSERT INTO emptied VALUES (1); INSERT INTO emptied_too VALUES (1, 1)",
    "TRUNCATE emptied CASCADE",
    "INSERT INTO emptied VALUES (2); TRUNCATE emptied, emptied_too, only_key RESTART IDENTITY; INSERT INTO emptied VALUES (3)",
    "UPDATE large SET n = 2",
    "UPDATE large SET id = 2",
    "UPDATE large SET n = 3, text_v = 'short'",
    "UPDATE large_full SET n = 2",
    "UPDATE large_full SET id = 2",
    "UPDATE large_not_null SET n = 2",
    "UPDATE large_not_null SET id = 2",
    "DELETE FROM large; DELETE FROM large_full; DELETE FROM large_not_null",
    "SELECT pg_logical_emit_message(true, 'foo', 'bar')",
    "INSERT INTO only_key VALUES (3); SELECT pg_logical_emit_message(true, 'é \"quoted\"', '\\x00fffb'::bytea);
     INSERT INTO only_key VALUES (4)",
    "SELECT pg_logical_emit_message(false, 'foo', 'not in a transaction')",
    "SELECT pg_logical_emit_message(true, '', '')",
    // Before what was going on: it is at once in the stream, the rows are when they are committed.
    "INSERT INTO only_key VALUES (5); SELECT pg_logical_emit_message(false, 'early', 'bird'); INSERT INTO only_key VALUES (6)",
    // What is taken back is not there.
    "INSERT INTO only_key VALUES (7); SAVEPOINT s; INSERT INTO only_key VALUES (8); ROLLBACK TO s; INSERT INTO only_key VALUES (9)",
];

pub(super) async fn change(sql: &Sql) -> Result {
    for statements in CHANGES {
        sql.run(&format!("BEGIN; {statements}; COMMIT")).await?;
    }
    Ok(())
}
