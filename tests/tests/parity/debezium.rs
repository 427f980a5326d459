//! A running Debezium: one Java process with a connector for each mode.

use std::fs;
use std::path::PathBuf;

use waltap_tests::{Kit, Launch, Process, Result, Sql, ensure, wait_until};

use crate::modes::{MODES, Mode};
use crate::{DATABASE, DEADLINE};

/// What `scripts/install-debezium.sh` fetches and builds.
const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/debezium");

/// A small Java that starts quickly. Debezium shows ranges of timestamptz in the zone of its session, which is that of Java.
const JAVA_OPTIONS: [&str; 9] = [
    "-Xmx1g",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Duser.timezone=UTC",
    "-Dfile.encoding=UTF-8",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-cp",
];

/// The same in every mode. A value that it cannot write must not end its run: it is logged, and the event or the value is missing.
const SETTINGS: &[(&str, &str)] = &[
    ("name", "parity"),
    ("task.id", "0"),
    ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
    ("database.hostname", "127.0.0.1"),
    ("database.user", "postgres"),
    ("database.password", "none"),
    ("database.dbname", DATABASE),
    ("topic.prefix", DATABASE),
    ("plugin.name", "pgoutput"),
    ("publication.name", "debezium"),
    ("publication.autocreate.mode", "disabled"),
    ("poll.interval.ms", "20"),
    ("event.processing.failure.handling.mode", "warn"),
    ("event.converting.failure.handling.mode", "warn"),
    ("schemas.enable", "false"),
];

/// What stands before the name of a property: some are those of the converter.
fn owner(property: &str) -> &'static str {
    match property {
        "schemas.enable" | "replace.null.with.default" => "value.converter.",
        _ => "",
    }
}

pub(super) struct Debezium {
    folder: PathBuf,
    process: Process,
}

impl Debezium {
    /// Starts the connectors of all modes.
    pub(super) fn start(kit: &Kit, port: u16) -> Result<Self> {
        ensure!(fs::exists(format!("{HOME}/classes"))?, "there is no Debezium in {HOME}: run scripts/install-debezium.sh");
        let folder = kit.folder().join("debezium");
        fs::create_dir(&folder)?;
        for mode in MODES {
            // Their metrics have a name each: connectors of one name in one process wait for each other's to go.
            let tags = format!("mode={}", mode.name);
            let own = [("database.port", port.to_string()), ("slot.name", slot(mode)), ("custom.metric.tags", tags)];
            let own = own.iter().map(|(name, value)| (*name, value.as_str()));
            let all = SETTINGS.iter().chain(mode.properties).copied().chain(own);
            let text: String = all.map(|(name, value)| format!("{}{name}={value}\n", owner(name))).collect();
            fs::write(folder.join(format!("{}.properties", mode.name)), text)?;
        }
        let launch = Launch::new("java", kit.folder().join("debezium.log"));
        let launch = launch.arguments(&JAVA_OPTIONS).arguments(&[&format!("{HOME}/classes:{HOME}/libs/*"), "DebeziumToLines"]);
        let process = Process::start("Debezium", &launch.arguments(&[folder.display().to_string()]))?;
        Ok(Debezium { folder, process })
    }

    /// Waits until all have read what was there. They read their slots from then on.
    pub(super) async fn wait_streaming(&mut self, sql: &Sql) -> Result {
        let slots: Vec<String> = MODES.iter().map(|mode| format!("'{}'", slot(mode))).collect();
        let slots = slots.join(", ");
        let query = format!("SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name IN ({slots})");
        wait_until("every connector reads its slot", DEADLINE, async || {
            // No use in waiting on for one that has ended.
            Ok(self.process.ended()?.is_some() || sql.number(&query).await? == MODES.len() as i64)
        })
        .await?;
        self.process.ensure_running()
    }

    pub(super) fn ensure_running(&mut self) -> Result {
        self.process.ensure_running()
    }

    /// All that a connector has written.
    pub(super) fn lines(&self, mode: &Mode) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join(format!("{}.lines", mode.name)))?)
    }
}

fn slot(mode: &Mode) -> String {
    format!("debezium_{}", mode.name)
}
