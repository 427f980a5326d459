//! `waltap capture`: the job itself, with its status server, its signals and its progress bars.

use std::io::IsTerminal;
use std::process::ExitCode;

use waltap_capture::{Capture, Options, SinkOptions};
use waltap_error::Result;

use super::block_on;
use crate::configuration::{self, SettingFlags, scope};
use crate::status_server::StatusServer;
use crate::{logging, memory, output, progress, signals};

pub(super) fn run(settings: SettingFlags<{ scope::CAPTURE }>) -> Result<ExitCode> {
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_CAPTURE)?;
    if configuration.core_dumps()? {
        memory::open();
    }
    let options = configuration.capture()?;
    let server = configuration.served_http()?.map(StatusServer::bind).transpose()?;
    if configuration.password_is_exposed() {
        tracing::warn!(
            "the password of the source stands on the command line, where every user of this machine can read it: \
             give it by PGPASSWORD, ~/.pgpass or --source-password-file"
        );
    }
    block_on(Box::pin(capture(options, server)))?;
    Ok(ExitCode::SUCCESS)
}

async fn capture(options: Options, server: Option<StatusServer>) -> Result<()> {
    let shutdown = signals::listen()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), capture = options.name, source = %options.source, "starting");
    // Bars among lines of data on one terminal would spoil both.
    let shows_progress = !(matches!(options.sink, SinkOptions::Stdout) && std::io::stdout().is_terminal());
    let capture = Capture::new(options);
    let handle = capture.handle();
    if let Some(server) = server {
        let address = server.address();
        tracing::info!(%address, "the status server listens");
        server.serve(handle.clone())?;
    }
    if shows_progress {
        progress::show(handle);
    }
    match capture.run(shutdown).await {
        Err(error) if output::reader_is_gone(&error) => tracing::info!("the reader of standard output is gone: stopped"),
        result => {
            result?;
            tracing::info!("stopped");
        }
    }
    Ok(())
}
