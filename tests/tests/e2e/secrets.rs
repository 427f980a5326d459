//! Secrets stay secret: whatever goes right or wrong, at the loudest log, none of them stands anywhere.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use waltap_tests::{Kafka, KafkaOptions, Kit, PROGRESS, Postgres, PostgresOptions, Resource, Result, Waltap, ensure, run};

const DEADLINE: Duration = Duration::from_secs(60);

/// Each has a place of its own, so that a leak tells where it comes from.
const RIGHT: &str = "rightful@one/9f3e";
const RIGHT_IN_URL: &str = "rightful%40one%2F9f3e";
const SASL: &str = "sasl word 51c0";
const KEY: &str = "key-of-the-key-77aa";
const SALT: &str = "salt-for-masks-3d02";
const WRONG_URL: &str = "wrong-in-url-b81f";
const WRONG_VARIABLE: &str = "wrong-in-variable-04cd";
const WRONG_FILE: &str = "wrong-in-file-6e6e";
const WRONG_SASL: &str = "wrong-sasl-c3c3";
const MISTYPED: &str = "mistyped-d00d";

const SECRETS: [&str; 11] =
    [RIGHT, RIGHT_IN_URL, SASL, KEY, SALT, WRONG_URL, WRONG_VARIABLE, WRONG_FILE, WRONG_SASL, MISTYPED, "%40one%2f9f3e"];

fn nothing_secret(what: &str, text: &str) -> Result {
    for secret in SECRETS {
        if let Some(at) = text.find(secret) {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let shown: String = text[line..].chars().take(600).collect();
            return Err(waltap_tests::Failure::new(format!("{secret:?} stands in {what}: {shown}")));
        }
    }
    Ok(())
}

/// Runs a command that must fail with a code, and looks at all that it said.
async fn fails(kit: &Kit, arguments: &[&str], environment: &[(&str, &str)], code: &str) -> Result {
    let arguments = [arguments, &["--log-level", "trace"]].concat();
    let output = kit.output(&arguments, environment, DEADLINE * 2).await?;
    let said = format!("{}{}", output.stdout, output.stderr);
    nothing_secret(&format!("what was said with {code}"), &said)?;
    ensure!(output.code != 0 && said.contains(code), "{} and no {code}:\n{said}", output.code);
    Ok(())
}

async fn servers(kit: &Kit) -> Result<(Postgres, Kafka)> {
    let postgres = kit.postgres_with(PostgresOptions::default().ask_password("tap")).await?;
    let users = vec![("tap".to_owned(), SASL.to_owned())];
    let kafka = kit.kafka_with(KafkaOptions { users, ..KafkaOptions::default() }).await?;
    for (resource, prefix) in [(Resource::Topic, "shop."), (Resource::Topic, PROGRESS), (Resource::Topic, "waltap.dead")] {
        kafka.grant("tap", resource, prefix).await?;
    }
    let admin = postgres.sql("postgres").await?;
    admin.run(&format!("CREATE ROLE tap LOGIN SUPERUSER REPLICATION PASSWORD '{RIGHT}'")).await?;
    let shop = postgres.create_database("shop").await?;
    shop.run("CREATE TABLE docs (id int PRIMARY KEY, who text, body text); INSERT INTO docs VALUES (1, 'me', 'x')").await?;
    Ok((postgres, kafka))
}

/// All that a running capture shows.
async fn pages(waltap: &mut Waltap) -> Result<String> {
    let mut all = fs::read_to_string(format!("/proc/{}/cmdline", waltap.process().id()))?;
    for path in ["/status", "/metrics", "/readyz", "/healthz", "/nonesuch"] {
        all += &waltap.get(path).await?.body;
    }
    Ok(all)
}

#[test]
fn no_secret_is_told_by_a_capture_that_works() -> Result {
    run("secrets_at_work", async |kit| {
        let (postgres, kafka) = servers(kit).await?;
        let salt = kit.folder().join("salt");
        fs::write(&salt, SALT)?;
        let (salt, brokers) = (salt.display().to_string(), kafka.guarded_brokers());
        let mut arguments = vec!["capture", "--brokers", &brokers, "--database", "shop", "--log-level", "trace"];
        arguments.extend(["--on-bad-event", "dead-letter", "--mask-columns", "docs=who:hash", "--mask-salt-file", &salt]);
        for property in ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=tap", "debug=all"] {
            arguments.extend(["--kafka-property", property]);
        }
        let source = postgres.url("tap").replace("tap@", &format!("tap:{RIGHT_IN_URL}@"));
        let environment =
            [("WALTAP_SOURCE", source.as_str()), ("WALTAP_KAFKA_SASL_PASSWORD", SASL), ("WALTAP_KAFKA_SSL_KEY_PASSWORD", KEY)];
        let mut waltap = kit.waltap(&arguments, &environment)?;
        waltap.wait_streaming().await?;
        let sql = postgres.sql("shop").await?;
        sql.run("INSERT INTO docs SELECT 2, 'you', string_agg(md5(i::text), '') FROM generate_series(1, 96000) i").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        nothing_secret("its pages", &pages(&mut waltap).await?)?;

        // An outage on either side, and what is shown meanwhile.
        let mut kafka = kafka;
        kafka.kill().await?;
        sql.run("INSERT INTO docs VALUES (3, 'her', 'x')").await?;
        waltap.wait_log("waiting for Kafka", DEADLINE).await?;
        nothing_secret("its pages without Kafka", &pages(&mut waltap).await?)?;
        kafka.start_again().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        sql.run(
            "ALTER ROLE tap PASSWORD 'another'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tap'",
        )
        .await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "it went on without a password");
        let log = waltap.log();
        ensure!(log.contains("TRACE") && log.contains("WT0002"), "the log is not that of such a run");
        nothing_secret("its log", &log)?;
        nothing_secret("its standard output", &waltap.stdout())?;
        for topic in kafka.topics().names().await? {
            for record in kafka.topics().read(&topic).await? {
                nothing_secret(&topic, &format!("{:?}", record))?;
            }
        }
        // Where a look would have found it.
        ensure!(nothing_secret("a control", &format!("x{SASL}x")).is_err(), "nothing is ever found");
        Ok(())
    })
}

#[test]
fn no_secret_is_told_by_what_fails() -> Result {
    run("secrets_of_failures", async |kit| {
        let (postgres, kafka) = servers(kit).await?;
        let (plain, guarded) = (kafka.brokers(), kafka.guarded_brokers());
        let source = postgres.url("tap");
        let with = |password: &str| source.replace("tap@", &format!("tap:{password}@"));
        let capture = ["capture", "--database", "shop", "--http", "off", "--brokers", &plain];

        // A login that is refused, with the password from each place.
        let wrong = with(WRONG_URL);
        fails(kit, &capture, &[("WALTAP_SOURCE", &wrong)], "WT0002").await?;
        let from_variable = [("WALTAP_SOURCE", source.as_str()), ("PGPASSWORD", WRONG_VARIABLE)];
        fails(kit, &capture, &from_variable, "WT0002").await?;
        let file = kit.folder().join("password");
        fs::write(&file, WRONG_FILE)?;
        let file = file.display().to_string();
        let from_file = [&capture[..], &["--source-password-file", &file]].concat();
        fails(kit, &from_file, &[("WALTAP_SOURCE", &source)], "WT0002").await?;
        // On the command line it is everybody's; waltap says so, and does not repeat it.
        fails(kit, &[&capture[..], &["--source", &wrong]].concat(), &[], "WT0002").await?;

        // A host that is not there, and a text that is no URL.
        let nowhere = format!("postgres://tap:{WRONG_URL}@nonesuch.invalid/shop");
        let check = ["check", "--database", "shop", "--http", "off", "--brokers", &plain];
        fails(kit, &check, &[("WALTAP_SOURCE", &nowhere)], "WT0001").await?;
        for text in ["postgres://tap:{}@db:port/shop", "postgres:/tap:{}@db/shop", "host=db password={} port=x", "password={}"] {
            let text = text.replace("{}", MISTYPED);
            fails(kit, &check, &[("WALTAP_SOURCE", &text)], "WT0004").await?;
        }

        // Kafka refuses the login; a key that its password does not open; properties with a slip of the pen.
        let right = with(RIGHT_IN_URL);
        let mut sasl = vec!["capture", "--database", "shop", "--http", "off", "--brokers", &guarded];
        for property in ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=tap", "debug=all"] {
            sasl.extend(["--kafka-property", property]);
        }
        let environment = [("WALTAP_SOURCE", right.as_str()), ("WALTAP_KAFKA_SASL_PASSWORD", WRONG_SASL)];
        fails(kit, &sasl, &environment, "WT0021").await?;
        let key = kit.folder().join("key.pem");
        fs::write(&key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")?;
        let key = format!("ssl.key.location={}", key.display());
        let tls = [&check[..], &["--kafka-property", "security.protocol=SSL", "--kafka-property", &key]].concat();
        let environment = [("WALTAP_SOURCE", right.as_str()), ("WALTAP_KAFKA_SSL_KEY_PASSWORD", KEY)];
        fails(kit, &tls, &environment, "WT0026").await?;
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{MISTYPED}\n-----END PRIVATE KEY-----\n");
        let environment = [("WALTAP_SOURCE", right.as_str()), ("WALTAP_KAFKA_SSL_KEY_PEM", pem.as_str())];
        fails(kit, &[&check[..], &["--kafka-property", "security.protocol=SSL"]].concat(), &environment, "WT0026").await?;
        let slip = format!("sasl.passwrod={MISTYPED}");
        fails(kit, &[&check[..], &["--kafka-property", &slip]].concat(), &[("WALTAP_SOURCE", &right)], "WT0026").await?;

        // Files that cannot be read as they are meant.
        for (name, text, code) in [
            (
                "indented",
                format!("source: postgres://tap@db\nkafka-property:\n  sasl.password: {MISTYPED}\n sasl.username: x\n"),
                "WT0030",
            ),
            ("unclosed", format!("kafka-property: {{sasl.password: \"{MISTYPED}\n"), "WT0030"),
            ("misplaced", format!("sasl.password: {MISTYPED}\n"), "WT0031"),
            ("listed", format!("kafka-property:\n  - sasl.password: {MISTYPED}\n  - [{MISTYPED}]\n"), ""),
            ("nested", format!("source:\n  password: {MISTYPED}\n"), ""),
        ] {
            let file = kit.folder().join(format!("{name}.yaml"));
            fs::write(&file, text)?;
            fails(kit, &["check", "--config", &file.display().to_string()], &[], code).await?;
        }
        Ok(())
    })
}

#[test]
fn the_memory_of_a_capture_is_for_nobody_else() -> Result {
    run("secrets_in_memory", async |kit| {
        let (postgres, kafka) = servers(kit).await?;
        // Somebody who is not root, where we may choose.
        let nobody = ["setpriv", "--reuid", "65534", "--clear-groups", "--"];
        let is_root = fs::metadata("/proc/self")?.uid() == 0;
        let outer = if is_root { &nobody[..] } else { &[] };
        for (more, is_private) in [(&[] as &[&str], true), (&["--core-dumps"], false)] {
            let mut waltap = kit.capture_within(outer, &postgres, &kafka, &[&["--database", "shop"], more].concat())?;
            waltap.wait_streaming().await?;
            // The kernel gives these to root, and writes no core, when a process is not to be looked into.
            let owner = fs::metadata(format!("/proc/{}/environ", waltap.process().id()))?.uid();
            ensure!((owner == 0) == is_private, "with {more:?} its memory belongs to {owner}");
            waltap.stop_cleanly().await?;
        }
        Ok(())
    })
}
