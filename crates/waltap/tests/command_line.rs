//! The program itself, in the cases that need no server: exit codes, what is printed where.

// clippy's exception for tests does not reach the functions that they share.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// waltap with an environment of its own.
fn waltap(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waltap"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    waltap(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A file that is gone at the end of the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("waltap-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn wrong_usage_exits_with_2_and_a_hint() {
    let output = run(&["capture", "--tabel", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--table"), "{}", stderr(&output));
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["capture", "--snapshot", "later"]).status.code(), Some(2));
    assert_eq!(run(&["capture", "--format", "avro"]).status.code(), Some(2));
}

#[test]
fn an_unknown_key_exits_with_2_and_its_line() {
    let file = File::new("unknown.yaml", "source: postgres://db\n\nbroker: localhost:9092\n");
    let output = run(&["capture", "--config", file.path()]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        format!(
            "error[WT0031]: {}:3: the key `broker` is unknown\nfix: did you mean `brokers`?\nmore: waltap explain WT0031\n",
            file.path()
        )
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unknown_variable_exits_with_2() {
    let output = waltap(&["check"]).env("WALTAP_BROKER", "localhost:9092").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("error[WT0031]: the environment variable `WALTAP_BROKER` is unknown"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_bad_value_exits_with_2_and_its_place() {
    let output = waltap(&["capture", "--source", "postgres://db"])
        .env("WALTAP_QUEUE_BYTES", "much")
        .env("WALTAP_BROKERS", "k:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error[WT0032]: WALTAP_QUEUE_BYTES: `much` is not a size"), "{}", stderr(&output));
}

#[test]
fn a_bad_url_exits_with_2_and_keeps_the_password() {
    let output = run(&["check", "--source", "postgres://u:hunter2@db:port", "--brokers", "k:9092"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error[WT0004]: --source: "), "{}", stderr(&output));
    assert!(!stderr(&output).contains("hunter2"));
}

#[test]
fn a_missing_file_exits_with_2() {
    let output = waltap(&["topics", "list"]).env("WALTAP_CONFIG", "/nonexistent.yaml").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("WT0030") && stderr(&output).contains("cause: "), "{}", stderr(&output));
}

#[test]
fn an_address_in_use_is_found_before_anything_else() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // Nothing listens on port 1: were the source asked first, the error would be another.
    let output = run(&["capture", "--source", "postgres://u@127.0.0.1:1", "--brokers", "127.0.0.1:1", "--http", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("error[WT0050]: the status server cannot listen on {address}")),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_last_word_is_json_when_the_log_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        run(&["capture", "--source", "postgres://u@127.0.0.1:1", "--sink", "stdout", "--http", &address, "--log-format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((last["level"].as_str(), last["code"].as_str()), (Some("ERROR"), Some("WT0050")));
}

#[test]
fn no_capture_that_answers_exits_with_1() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["status", "--http", &free]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with(&format!("error[WT0051]: no running capture answers on {free}")), "{}", stderr(&output));
}

#[test]
fn codes_are_explained() {
    let output = run(&["explain", "wt7"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).starts_with("# WT0007: wal_level is not logical\n"));
    assert!(stdout(&output).contains("ALTER SYSTEM SET wal_level = logical;"));
    let list = stdout(&run(&["explain"]));
    assert!(list.contains("WT0007  wal_level is not logical\n") && list.lines().count() > 40);
    assert_eq!(run(&["explain", "WT9999"]).status.code(), Some(2));
}

#[test]
fn help_version_and_completions_go_to_standard_output() {
    assert!(stdout(&run(&["--version"])).starts_with("waltap "));
    assert!(stdout(&run(&["capture", "--help"])).contains("WALTAP_KAFKA_SASL_PASSWORD"));
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && stdout(&output).contains("exclude-table"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = waltap(&["explain", "WT0010"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(child.wait().unwrap().success(), "{complaint}");
    assert_eq!(complaint, "");
}

#[test]
fn a_capture_that_waits_for_its_source_says_so_and_stops_when_asked() {
    // Nothing listens on port 1.
    let source = "postgres://scott:hunter2@127.0.0.1:1";
    let arguments = ["capture", "--source", source, "--sink", "stdout", "--http", "127.0.0.1:0"];
    let mut child = waltap(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    while !log.contains("cannot start yet") {
        assert!(lines.read_line(&mut log).unwrap() > 0, "it ended before it was asked to:\n{log}");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    lines.read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
    for part in ["the password of the source stands on the command line", "the status server listens", "WT0001", "SIGTERM"] {
        assert!(log.contains(part), "{part} is not in the log:\n{log}");
    }
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_build_that_can_be_broken_on_purpose_takes_no_unknown_way() {
    let mut command = waltap(&["capture", "--source", "postgres://a@127.0.0.1:1", "--brokers", "127.0.0.1:1"]);
    let output = command.env("WALTAP_SABOTAGE", "everything").output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    // A release does not know the variable at all.
    assert!(stderr(&output).contains("WALTAP_SABOTAGE"), "{}", stderr(&output));
}
