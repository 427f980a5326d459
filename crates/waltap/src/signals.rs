//! SIGTERM and SIGINT: the first asks for an orderly end, a second one or the deadline ends at once.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use waltap_error::{Code, Error, Result};

use crate::failure;

/// How long an orderly end may take. Supervisors send SIGKILL after 10 (docker) to 90 seconds (systemd): better to end in our own words.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// Signals within this time of the first are the same wish: some tools (`timeout`, a terminal's Ctrl-C before a shell) tell both a process and its
/// group.
const REPEAT_TIME: Duration = Duration::from_millis(500);

/// Listens from now on. The receiver turns true when waltap is to stop.
pub(crate) fn listen() -> Result<watch::Receiver<bool>> {
    let mut signals = Signals::new()?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping: sending what was read and acknowledging it; a second signal ends at once");
        // Without a receiver the capture is over already, and so will the process be.
        let _ = sender.send(true);
        watch_deadline();
        let asked = Instant::now();
        while asked.elapsed() < REPEAT_TIME {
            signals.next().await;
        }
        end_at_once("a second signal came before everything was acknowledged");
    });
    Ok(receiver)
}

/// A thread of its own: it must come to its end even when every other one hangs.
fn watch_deadline() {
    let watchdog = std::thread::Builder::new().name("waltap-deadline".to_owned()).spawn(|| {
        std::thread::sleep(STOP_TIME_MAX);
        end_at_once("not everything was acknowledged within 10 seconds");
    });
    if let Err(error) = watchdog {
        tracing::warn!(error = %error, "no thread can be started to watch the deadline of stopping");
    }
}

fn end_at_once(why: &str) -> ! {
    let error =
        Error::transient(Code::SHUTDOWN_TIMEOUT, why).remedy("start waltap again: it sends again what was not acknowledged");
    std::process::exit(failure::report_and_number(&error).into())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let handler = |kind| {
            signal(kind)
                .map_err(|error| Error::configuration(Code::INTERNAL, "a signal handler cannot be installed").source(error))
        };
        Ok(Signals { interrupt: handler(SignalKind::interrupt())?, terminate: handler(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Waits for a signal that ends a command which only looks.
pub(crate) async fn interrupted() -> Result<()> {
    Signals::new()?.next().await;
    Ok(())
}
