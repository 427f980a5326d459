//! waltap itself, as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use crate::postgres::repository;
use crate::{Failure, Launch, Process, Response, Result, ensure, free_port, get, wait_until};

/// Beginnings of the variables that would change what waltap does.
const FOREIGN_VARIABLES: [&str; 3] = ["PG", "WALTAP_", "RUST_"];

/// The program: `E2E_WALTAP`, or else cargo builds the debug one, once a process.
pub fn waltap_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("E2E_WALTAP") {
        return Ok(path.into());
    }
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo).args(["build", "--quiet", "-p", "waltap"]).current_dir(repository()).output();
        match build {
            Ok(output) if output.status.success() => {
                let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
                Ok(target.join("debug/waltap"))
            }
            Ok(output) => Err(format!("waltap does not build:\n{}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => Err(format!("cargo cannot be run: {error}")),
        }
    });
    built.clone().map_err(Failure::new)
}

/// How long it may take to stream or to be ready: seconds, but a minute and more on a machine that has much else to do.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// How long it may take to stop: it has ten seconds to drain, and some grace here for a busy machine to end it.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// What a command that ran to its end said.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Fails unless the exit code is this one and standard error names each of the words.
    pub fn expect(&self, code: i32, words: &[&str]) -> Result {
        ensure!(self.code == code, "exit code {} instead of {code}:\n{}{}", self.code, self.stdout, self.stderr);
        for word in words {
            ensure!(self.stderr.contains(word), "standard error does not say {word:?}:\n{}", self.stderr);
        }
        Ok(())
    }
}

/// A waltap that was started with `--http` on a port of its own.
#[derive(Debug)]
pub struct Waltap {
    launch: Launch,
    http_port: u16,
    process: Process,
    deaths: u32,
}

impl Waltap {
    /// Starts `waltap ARGUMENTS --http 127.0.0.1:PORT`; its logs and its standard output go to `NAME.log` and `NAME.out` of the
    /// folder.
    pub fn start(arguments: &[&str], environment: &[(&str, &str)], folder: &Path, name: &str) -> Result<Self> {
        Self::start_within(&[], arguments, environment, folder, name)
    }

    /// The same, started by another program with its arguments, of which waltap and its own are the last. It must become waltap in the end
    /// and not stay as its parent.
    pub fn start_within(
        outer: &[&str],
        arguments: &[&str],
        environment: &[(&str, &str)],
        folder: &Path,
        name: &str,
    ) -> Result<Self> {
        let http_port = free_port()?;
        let mut launch = Self::launch(arguments, environment, folder, name)?;
        if let Some((program, before)) = outer.split_first() {
            let inner = std::mem::replace(&mut launch.program, program.into()).display().to_string();
            let before = before.iter().map(|argument| (*argument).to_owned());
            launch.arguments.splice(0..0, before.chain([inner]));
        }
        launch = launch.arguments(&["--http", &format!("127.0.0.1:{http_port}")]);
        let process = Process::start("waltap", &launch)?;
        Ok(Waltap { launch, http_port, process, deaths: 0 })
    }

    /// Runs a command to its end.
    pub async fn output(
        arguments: &[&str],
        environment: &[(&str, &str)],
        folder: &Path,
        name: &str,
        deadline: Duration,
    ) -> Result<Output> {
        let launch = Self::launch(arguments, environment, folder, name)?;
        let mut process = Process::start("waltap", &launch)?;
        let code = process.wait(deadline).await.map_err(|failure| failure.while_doing(process.log_tail(20)))?.code();
        let read = |path: Option<&PathBuf>| path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        Ok(Output { code: code.unwrap_or(-1), stdout: read(launch.stdout.as_ref()), stderr: read(Some(&launch.log)) })
    }

    fn launch(arguments: &[&str], environment: &[(&str, &str)], folder: &Path, name: &str) -> Result<Launch> {
        let mut launch = Launch::new(waltap_binary()?, folder.join(format!("{name}.log"))).arguments(arguments);
        launch.stdout = Some(folder.join(format!("{name}.out")));
        let foreign = std::env::vars_os().filter_map(|(variable, _)| variable.into_string().ok());
        let foreign = foreign.filter(|variable| FOREIGN_VARIABLES.iter().any(|beginning| variable.starts_with(beginning)));
        launch.environment = foreign.map(|variable| (variable, String::new())).collect();
        launch.environment.extend(environment.iter().map(|(variable, value)| ((*variable).to_owned(), (*value).to_owned())));
        Ok(launch)
    }

    /// Waits until every tap streams: the rows that were there are in Kafka.
    pub async fn wait_streaming(&mut self) -> Result {
        self.wait_streaming_within(START_DEADLINE).await
    }

    /// The same, with a time of one's own.
    pub async fn wait_streaming_within(&mut self, deadline: Duration) -> Result {
        let port = self.http_port;
        let process = &mut self.process;
        wait_until("every tap streams", deadline, async || {
            if process.ended()?.is_some() {
                return Ok(true);
            }
            let status: serde_json::Value = serde_json::from_str(&get(port, "/status").await?.body)?;
            let taps = status["taps"].as_array().map(Vec::as_slice).unwrap_or_default();
            // A database without a table is idle: there is nothing to stream.
            let done = taps.iter().filter(|tap| matches!(tap["state"].as_str(), Some("streaming" | "idle"))).count();
            ensure!(done == taps.len(), "{}", status["taps"]);
            Ok(done > 0)
        })
        .await
        .map_err(|failure| failure.while_doing(process.log_tail(20)))?;
        process.ensure_running()
    }

    /// Waits until `/readyz` says yes: every tap works, be it at the snapshot still.
    pub async fn wait_ready(&mut self) -> Result {
        self.wait_ready_within(START_DEADLINE).await
    }

    /// The same, with a time of one's own.
    pub async fn wait_ready_within(&mut self, deadline: Duration) -> Result {
        let port = self.http_port;
        let process = &mut self.process;
        wait_until("waltap is ready", deadline, async || {
            if process.ended()?.is_some() {
                return Ok(true);
            }
            Ok(get(port, "/readyz").await?.status == 200)
        })
        .await
        .map_err(|failure| failure.while_doing(process.log_tail(20)))?;
        process.ensure_running()
    }

    /// Kills it with -9. [`Waltap::start_again`] brings it back.
    pub async fn kill(&mut self) -> Result {
        self.deaths += 1;
        self.process.kill_all().await
    }

    /// Starts it again with the same arguments, and the same port for its status.
    pub fn start_again(&mut self) -> Result {
        ensure!(self.process.ended()?.is_some(), "waltap is still running");
        self.process = Process::start("waltap", &self.launch)?;
        Ok(())
    }

    /// How often it was killed.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }

    /// Asks it to stop, as a service manager does, and gives its exit code.
    pub async fn terminate(&mut self) -> Result<i32> {
        self.process.signal(Signal::TERM)?;
        self.wait_exit(STOP_DEADLINE).await
    }

    /// The same, and fails unless it stops as asked: with exit code 0.
    pub async fn stop_cleanly(&mut self) -> Result {
        let code = self.terminate().await?;
        ensure!(code == 0, "waltap did not stop as asked, but with exit code {code}:\n{}", self.process.log_tail(20));
        Ok(())
    }

    /// Waits until it ends by itself and gives its exit code; -1 when a signal ended it.
    pub async fn wait_exit(&mut self, deadline: Duration) -> Result<i32> {
        let status = self.process.wait(deadline).await;
        Ok(status.map_err(|failure| failure.while_doing(self.process.log_tail(20)))?.code().unwrap_or(-1))
    }

    /// The process, for its memory and for pausing it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// All that it logged, in all its lives.
    pub fn log(&self) -> String {
        fs::read(&self.launch.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// All the lines that it wrote to standard output, without one that it is still at.
    pub fn stdout(&self) -> String {
        let read = self.launch.stdout.as_ref().and_then(|path| fs::read(path).ok());
        read.map(|out| String::from_utf8_lossy(whole_lines(&out)).into_owned()).unwrap_or_default()
    }

    /// Waits until its log holds a text.
    pub async fn wait_log(&mut self, text: &str, deadline: Duration) -> Result {
        let what = format!("waltap logs {text:?}");
        wait_until(&what, deadline, async || Ok(self.log().contains(text)))
            .await
            .map_err(|failure| failure.while_doing(self.log()))
    }

    /// Asks its status server.
    pub async fn get(&self, path: &str) -> Result<Response> {
        get(self.http_port, path).await
    }

    /// The port of its status server.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }
}

/// What is read while it is being written may end within a line, or even within a character.
fn whole_lines(written: &[u8]) -> &[u8] {
    let end = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    written.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_still_being_written_is_left_out() {
        for (written, expected) in [("", ""), ("{\"a", ""), ("{}\n{\"b", "{}\n"), ("{}\n{}\n", "{}\n{}\n")] {
            assert_eq!(whole_lines(written.as_bytes()), expected.as_bytes(), "{written:?}");
        }
    }
}
