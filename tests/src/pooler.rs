//! PgBouncer before a PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::process::give_to;
use crate::{Failure, Postgres, Process, Result, TempFolder, ensure, free_port, wait_until};

/// Where Debian's package puts it, which may not be on everybody's path.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A running pooler. Clients come in as whoever they say they are.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    // Ends before its folder is removed.
    _process: Process,
    _folder: TempFolder,
}

impl Pooler {
    /// Starts one with settings of its own, such as `pool_mode = transaction`; returns when it takes connections.
    pub async fn start(postgres: &Postgres, settings: &[&str], log: PathBuf) -> Result<Self> {
        ensure!(Path::new(PROGRAM).exists(), "there is no {PROGRAM}: run scripts/install-pooler.sh");
        let folder = TempFolder::new()?;
        let port = free_port()?;
        let (users, file) = (folder.path().join("users.txt"), folder.path().join("pgbouncer.ini"));
        fs::write(&users, "\"postgres\" \"\"\n")?;
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\n{}\n",
            postgres.port(),
            users.display(),
            settings.join("\n")
        );
        fs::write(&file, configuration)?;
        // It refuses to run as root, as PostgreSQL does.
        let launch = postgres.client(PROGRAM, log).arguments(&[file.display().to_string()]);
        for path in [folder.path(), &users, &file] {
            give_to(path, launch.user)?;
        }
        let mut process = Process::start("PgBouncer", &launch)?;
        wait_until("PgBouncer takes connections", Duration::from_secs(20), async || {
            process.ensure_running()?;
            Ok(TcpStream::connect(("127.0.0.1", port)).await.is_ok())
        })
        .await
        .map_err(|failure: Failure| failure.while_doing(process.log_tail(20)))?;
        Ok(Pooler { port, _process: process, _folder: folder })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}
