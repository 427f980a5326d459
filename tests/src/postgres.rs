//! A private PostgreSQL cluster.

mod pair;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

pub use self::pair::Pair;
use self::programs::Programs;
pub use self::programs::repository;
use crate::process::give_to;
use crate::{Certificates, Failure, Launch, Process, Result, SmallDisk, Sql, TempFolder, free_port, wait_until};

/// A start is a second; recovery after a crash under load takes some more.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// What differs from one cluster to another.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Settings, which win over the kit's own.
    pub settings: Vec<(String, String)>,
    /// Lines put before the rule that trusts everybody, such as `host all app 127.0.0.1/32 scram-sha-256`.
    pub hba: Vec<String>,
    /// The major version; the one that is installed, 15 first, when none is given.
    pub major: Option<u32>,
}

impl PostgresOptions {
    /// Adds a setting.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes connections with TLS too.
    pub fn with_certificate(self, certificates: &Certificates) -> Self {
        let own = self.set("ssl", "on").set("ssl_cert_file", &certificates.server().display().to_string());
        own.set("ssl_key_file", &certificates.key().display().to_string())
    }

    /// Asks a user for a password.
    pub fn ask_password(mut self, user: &str) -> Self {
        self.hba.push(format!("host all {user} 127.0.0.1/32 scram-sha-256"));
        self
    }
}

/// A cluster with `wal_level=logical`, its superuser `postgres` without password, on a free port. Its files go with it.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    folder: TempFolder,
    log: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    disk: Option<SmallDisk>,
    server: Option<Process>,
}

impl Postgres {
    /// Makes a cluster and starts it; returns when it takes connections. The log is written to the given file.
    pub async fn start(options: PostgresOptions, log: PathBuf) -> Result<Self> {
        let programs = Programs::find(options.major)?;
        let folder = TempFolder::new()?;
        give_to(folder.path(), programs.user())?;
        if let Some((_, key)) = options.settings.iter().find(|(name, _)| name == "ssl_key_file") {
            give_to(Path::new(key), programs.user())?;
        }
        let port = free_port()?;
        let mut settings = Self::kit_settings(port, folder.path());
        settings.extend(options.settings);
        let mut cluster = Postgres { programs, folder, log, port, settings, disk: None, server: None };
        cluster.init(&options.hba).await?;
        cluster.start_again().await?;
        Ok(cluster)
    }

    fn kit_settings(port: u16, folder: &Path) -> Vec<(String, String)> {
        let socket_folder = folder.display().to_string();
        let port = port.to_string();
        let settings = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", socket_folder.as_str()),
            ("wal_level", "logical"),
            ("max_replication_slots", "20"),
            ("max_wal_senders", "20"),
            ("shared_buffers", "64MB"),
            ("log_line_prefix", "%m [%p] %q%u@%d/%a "),
            // A process that is killed loses nothing that it has handed to the kernel: only a machine's crash would.
            ("fsync", "off"),
        ];
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    async fn init(&self, hba: &[String]) -> Result {
        let data = self.data().display().to_string();
        let launch = Launch::new(self.programs.path("initdb"), &self.log).arguments(&[
            "-D",
            &data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        let launch = Launch { user: self.programs.user(), stdout: None, ..launch };
        let mut initdb = Process::start("initdb", &launch)?;
        let status = initdb.wait(START_DEADLINE).await?;
        crate::ensure!(status.success(), "initdb failed:\n{}", initdb.log_tail(20));
        let rules = self.data().join("pg_hba.conf");
        let trust = fs::read_to_string(&rules)?;
        fs::write(&rules, format!("{}\n{trust}", hba.join("\n")))?;
        Ok(())
    }

    /// Starts the server on the data that is there, on the same port; returns when it takes connections.
    pub async fn start_again(&mut self) -> Result {
        let data = self.data().display().to_string();
        let mut launch = Launch::new(self.programs.path("postgres"), &self.log).arguments(&["-D", &data]);
        launch.user = self.programs.user();
        launch.outer = self.disk.as_ref().map(SmallDisk::enter).unwrap_or_default();
        for (name, value) in &self.settings {
            launch = launch.arguments(&["-c", &format!("{name}={value}")]);
        }
        let port = self.port;
        let server = self.server.insert(Process::start("PostgreSQL", &launch)?);
        wait_until("PostgreSQL takes connections", START_DEADLINE, async || {
            if server.ended()?.is_some() {
                // No use in waiting on: the reason is in its log.
                return Ok(true);
            }
            Sql::connect(port, "postgres", "postgres", "").await.map(|_| true)
        })
        .await?;
        server.ensure_running()
    }

    /// Changes a setting; it counts from the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Puts a small disk in the place of a folder of its data, from the next start on. False: this machine cannot.
    pub async fn put_on_small_disk(&mut self, folder: &str, bytes: u64) -> Result<bool> {
        self.disk = SmallDisk::mount(&self.data().join(folder), bytes, self.log.with_extension("disk.log")).await?;
        Ok(self.disk.is_some())
    }

    /// The small disk, where there is one.
    pub fn disk(&self) -> Result<&SmallDisk> {
        self.disk.as_ref().ok_or_else(|| Failure::new("PostgreSQL is on no small disk"))
    }

    fn server(&mut self) -> Result<&mut Process> {
        self.server.as_mut().ok_or_else(|| Failure::new("PostgreSQL is not running"))
    }

    /// The number of its first process, of which all others are children; none while it is not running.
    pub fn id(&self) -> Option<u32> {
        self.server.as_ref().map(Process::id)
    }

    /// Stops it as an administrator would (`-m fast`): sessions are ended, walsenders send what is left.
    pub async fn stop_fast(&mut self) -> Result {
        self.stop(Signal::INT).await
    }

    /// Stops it without a checkpoint (`-m immediate`): the next start recovers.
    pub async fn stop_immediate(&mut self) -> Result {
        self.stop(Signal::QUIT).await
    }

    async fn stop(&mut self, signal: Signal) -> Result {
        let server = self.server()?;
        server.signal(signal)?;
        server.wait(Duration::from_secs(60)).await?;
        self.server = None;
        Ok(())
    }

    /// Kills every process of it with -9.
    pub async fn kill(&mut self) -> Result {
        self.server()?.kill_all().await?;
        self.server = None;
        Ok(())
    }

    /// Stops every process of it in its tracks.
    pub fn pause(&mut self) -> Result {
        self.server()?.pause()
    }

    /// Lets them go on.
    pub fn resume(&mut self) -> Result {
        self.server()?.resume()
    }

    /// A program that speaks to it: one of its own by name, such as `psql`, or another by path. It runs as the server's user, and the
    /// environment tells it where to connect, as superuser.
    pub fn client(&self, program: impl AsRef<Path>, log: impl Into<PathBuf>) -> Launch {
        let program = program.as_ref();
        let program = if program.is_absolute() { program.to_owned() } else { self.programs().join(program) };
        let mut launch = Launch::new(program, log);
        launch.user = self.programs.user();
        let port = self.port.to_string();
        let address = [("PGHOST", "127.0.0.1"), ("PGPORT", port.as_str()), ("PGUSER", "postgres")];
        launch.environment = address.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        launch
    }

    /// The folder of its programs.
    pub fn programs(&self) -> &Path {
        self.programs.folder()
    }

    /// Makes a folder into which the server and its clients may write. It goes with the cluster.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::create_dir(&path)?;
        give_to(&path, self.programs.user())?;
        Ok(path)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its unix socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The URL of a user, for `--source`, through its own port.
    pub fn url(&self, user: &str) -> String {
        self.url_through(user, self.port)
    }

    /// The URL of a user through another port: a proxy's.
    pub fn url_through(&self, user: &str, port: u16) -> String {
        format!("postgres://{user}@127.0.0.1:{port}")
    }

    /// Connects as superuser.
    pub async fn sql(&self, database: &str) -> Result<Sql> {
        Sql::connect(self.port, database, "postgres", "").await
    }

    /// Connects as somebody else.
    pub async fn sql_as(&self, database: &str, user: &str, password: &str) -> Result<Sql> {
        Sql::connect(self.port, database, user, password).await
    }

    /// Makes a database and connects to it.
    pub async fn create_database(&self, name: &str) -> Result<Sql> {
        self.sql("postgres").await?.run(&format!("CREATE DATABASE \"{name}\"")).await?;
        self.sql(name).await
    }

    /// How far the slots of a database are confirmed: the least of them, in bytes; None where there is no slot.
    pub async fn confirmed(&self, database: &str) -> Result<Option<u64>> {
        let query = format!(
            "SELECT min(confirmed_flush_lsn) - '0/0' FROM pg_replication_slots WHERE database = '{database}' AND NOT temporary"
        );
        let value = self.sql("postgres").await?.value(&query).await?;
        if value.is_empty() { Ok(None) } else { Ok(Some(value.parse()?)) }
    }

    /// The end of what is written now, or replayed by a standby, in bytes.
    pub async fn written(&self) -> Result<u64> {
        const END: &str = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END";
        Ok(self.sql("postgres").await?.value(&format!("SELECT {END} - '0/0'")).await?.parse()?)
    }

    /// Waits until all that is written now is confirmed in every named database.
    pub async fn wait_confirmed(&self, databases: &[&str], deadline: Duration) -> Result {
        let target = self.written().await?;
        for database in databases {
            let what = format!("the slot of {database} is confirmed up to {target}");
            wait_until(&what, deadline, async || {
                Ok(self.confirmed(database).await?.is_some_and(|confirmed| confirmed >= target))
            })
            .await?;
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate stop also gives back the little shared memory that a kill would leave behind.
        if let Some(server) = &mut self.server {
            server.end(Some(Signal::QUIT));
        }
    }
}
