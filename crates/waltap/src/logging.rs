//! Log lines, to standard error: for people or for machines, and in peace with a progress bar.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::MultiProgress;
use tracing_subscriber::fmt::MakeWriter;
use waltap_error::Result;

use crate::configuration::{Configuration, LogFormat};

/// What a long-running command logs unless told otherwise.
pub(crate) const LEVEL_OF_CAPTURE: &str = "info";

/// What a command logs that prints its answer and ends.
pub(crate) const LEVEL_OF_OTHERS: &str = "warn";

static FORMAT: OnceLock<LogFormat> = OnceLock::new();
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Starts logging as configured.
pub(crate) fn start(configuration: &Configuration, default_level: &str) -> Result<()> {
    let format = configuration.log_format()?;
    let filter = configuration.log_filter(default_level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Beside);
    // Logging is started once a process; a second start, which only a test could make, changes nothing.
    let _ = match format {
        LogFormat::Text => {
            let coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_target(false).with_ansi(coloured).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    let _ = FORMAT.set(format);
    Ok(())
}

/// Whether log lines are JSON, so that nothing else may be written beside them.
pub(crate) fn writes_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// The progress bars, on standard error. Lines that are logged meanwhile stand above them.
pub(crate) fn bars() -> &'static MultiProgress {
    BARS.get_or_init(MultiProgress::new)
}

/// Prints a text to standard error, above the progress bars. There is nowhere to complain when that fails.
pub(crate) fn print_error(text: &str) {
    let _ = Beside.write_all(text.as_bytes());
}

/// Standard error beside the progress bars, if there are any.
#[derive(Clone, Copy)]
struct Beside;

impl Write for Beside {
    /// A log line comes in one write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match BARS.get() {
            Some(bars) => bars.suspend(|| io::stderr().lock().write_all(bytes))?,
            None => io::stderr().lock().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Beside {
    type Writer = Beside;

    fn make_writer(&self) -> Beside {
        Beside
    }
}
