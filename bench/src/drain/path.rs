//! What lies between the server and those who drain it.

use std::path::PathBuf;
use std::time::Duration;

use waltap_tests::{Certificates, Kit, Launch, Postgres, PostgresOptions, Process, Result, ensure, wait_until};

use super::DATABASE;

/// The network of the path with a delay, of those that are set aside for benchmarks (RFC 2544): the machine's own address in it, and the one
/// that leads back to it late.
const OWN: &str = "198.18.77.1";
const LATE: &str = "198.18.77.2";
const NETWORK: &str = "198.18.77.0/24";

/// The name of its device.
const DEVICE: &str = "waltap-delay";

/// A device is there at once, or not at all.
const DEADLINE: Duration = Duration::from_secs(10);

/// One way to the server, for everybody who comes by TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Loopback.
    Direct,
    /// The same, each packet late by so many milliseconds on each way.
    Delayed(u64),
    /// Loopback, encrypted.
    Tls,
}

pub(crate) const PATHS: [Path; 4] = [Path::Direct, Path::Delayed(1), Path::Delayed(20), Path::Tls];

impl Path {
    pub(crate) fn name(&self) -> String {
        match self {
            Path::Direct => "direct".to_owned(),
            Path::Delayed(millis) => format!("delay-{millis}ms"),
            Path::Tls => "tls".to_owned(),
        }
    }

    /// What stands for it in names of slots.
    pub(crate) fn slug(&self) -> String {
        match self {
            Path::Direct => String::new(),
            Path::Delayed(millis) => format!("d{millis}_"),
            Path::Tls => "tls_".to_owned(),
        }
    }
}

/// Options of a server that can be reached by all of the paths.
pub(crate) fn reachable(
    mut options: PostgresOptions,
    paths: &[Path],
    kit: &Kit,
) -> Result<(PostgresOptions, Option<Certificates>)> {
    if paths.iter().any(|path| matches!(path, Path::Delayed(_))) {
        options = options.set("listen_addresses", "*");
        options.hba.push(format!("host all all {NETWORK} trust"));
    }
    if !paths.contains(&Path::Tls) {
        return Ok((options, None));
    }
    let certificates = Certificates::make(kit.folder())?;
    Ok((options.with_certificate(&certificates), Some(certificates)))
}

/// A path that is open, in the words of each who goes by it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) path: Path,
    host: &'static str,
    port: u16,
    authority: Option<PathBuf>,
    /// Holds packets back, as long as it lives.
    _delay_line: Option<Process>,
}

impl Route {
    /// Opens it, and closes it when it is dropped.
    pub(crate) async fn open(path: Path, kit: &Kit, postgres: &Postgres, certificates: Option<&Certificates>) -> Result<Self> {
        let (port, mut host, mut delay_line) = (postgres.port(), "127.0.0.1", None);
        if let Path::Delayed(millis) = path {
            host = LATE;
            let program = std::env::current_exe()?.with_file_name("delay-line");
            let micros = (millis * 1_000).to_string();
            let launch = Launch::new(program, kit.folder().join("delay-line.log")).arguments(&[DEVICE, OWN, &micros]);
            let line = delay_line.insert(Process::start("the delay line, which only root can start", &launch)?);
            wait_until("the delayed path leads to the server", DEADLINE, async || {
                if line.ended()?.is_some() {
                    return Ok(true);
                }
                Ok(tokio::net::TcpStream::connect((LATE, port)).await.is_ok())
            })
            .await?;
            line.ensure_running()?;
        }
        let authority = (path == Path::Tls).then(|| certificates.map(Certificates::authority)).flatten();
        ensure!(path != Path::Tls || authority.is_some(), "there is no certificate");
        Ok(Route { path, host, port, authority, _delay_line: delay_line })
    }

    /// What libpq and waltap take.
    pub(crate) fn connection(&self, database: &str) -> String {
        let Route { host, port, .. } = self;
        let tls = match &self.authority {
            Some(authority) => format!("sslmode=verify-full sslrootcert={}", authority.display()),
            // Or a server that has TLS would be asked for it.
            None => "sslmode=disable".to_owned(),
        };
        format!("host={host} port={port} user=postgres dbname={database} {tls}")
    }

    /// What the bare client takes.
    pub(crate) fn address(&self) -> String {
        let authority = self.authority.as_ref().map(|authority| format!("?{}", authority.display()));
        format!("{}:{}{}", self.host, self.port, authority.unwrap_or_default())
    }

    /// What pg_recvlogical takes.
    pub(crate) fn drained_database(&self) -> String {
        self.connection(DATABASE)
    }
}
