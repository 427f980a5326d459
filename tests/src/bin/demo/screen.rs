//! What the reader of the demo sees.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use waltap_tests::oracle::TableReport;
use waltap_tests::{Record, Result, Topics};

/// An event is shown at most so often: a person reads along.
const EVENT_INTERVAL: Duration = Duration::from_millis(700);

/// Longer values are cut.
const VALUE_CHARACTERS: usize = 60;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// The screen; coloured when it is a terminal.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    coloured: bool,
}

/// Shows events until it is stopped.
pub(crate) struct Follower {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result>,
}

impl Follower {
    pub(crate) async fn stop(self) -> Result {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

impl Screen {
    pub(crate) fn new() -> Self {
        Screen { coloured: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A line about what happened.
    pub(crate) fn step(&self, text: &str) {
        println!("{} {text}", self.paint(BOLD, "==>"));
    }

    /// A command that is run.
    pub(crate) fn command(&self, text: &str) {
        println!("    {} {}", self.paint(DIM, "$"), self.paint(BOLD, text));
    }

    /// The good end.
    pub(crate) fn good(&self, text: &str) {
        println!("{}", self.paint(GREEN, text));
    }

    /// Shows some of the events that arrive, those of a kind not yet shown first.
    pub(crate) fn follow(&self, topics: Topics, databases: &[&str]) -> Follower {
        let stop = Arc::new(AtomicBool::new(false));
        let (screen, stopped) = (*self, stop.clone());
        let pattern = format!("^({})\\..*", databases.join("|"));
        let task = tokio::task::spawn_blocking(move || {
            let mut shown = HashSet::new();
            let mut last: Option<Instant> = None;
            topics.follow(&pattern, &mut |record| {
                if let Some(record) = record
                    && last.is_none_or(|last| last.elapsed() >= EVENT_INTERVAL)
                    && let Some((event, operation)) = parse(&record)
                {
                    let is_new = shown.insert((record.topic.clone(), operation));
                    let waited_long = last.is_some_and(|last| last.elapsed() >= EVENT_INTERVAL * 3);
                    if is_new || waited_long {
                        screen.event(&record, &event);
                        last = Some(Instant::now());
                    }
                }
                !stopped.load(Ordering::Relaxed)
            })
        });
        Follower { stop, task }
    }

    /// One event: what happened to which row, then the row.
    fn event(&self, record: &Record, event: &Value) {
        let (word, colour) = match event["op"].as_str() {
            Some("c") => ("insert", GREEN),
            Some("u") => ("update", YELLOW),
            Some("d") => ("delete", RED),
            Some("t") => ("truncate", RED),
            _ => ("snapshot", CYAN),
        };
        let key = record.key.as_deref().unwrap_or("no key");
        let place = format!("{} #{}", event["source"]["commit_lsn"].as_str().unwrap_or("?"), event["source"]["seq"]);
        println!(
            "    {} {} {} {}",
            self.paint(colour, &format!("{word:8}")),
            self.paint(BOLD, &record.topic),
            key,
            self.paint(DIM, &place)
        );
        let row = if event["after"].is_object() { &event["after"] } else { &event["before"] };
        for (name, value) in row.as_object().into_iter().flatten() {
            println!("             {} {}", self.paint(CYAN, &format!("{name}:")), short(value));
        }
        if let Some(unchanged) = event["unchanged"].as_array().filter(|unchanged| !unchanged.is_empty()) {
            let names: Vec<&str> = unchanged.iter().filter_map(Value::as_str).collect();
            println!("             {}", self.paint(DIM, &format!("({} unchanged, not sent)", names.join(", "))));
        }
    }

    /// The last table: rows here, rows there, equal or not.
    pub(crate) fn table(&self, reports: &[TableReport]) {
        let width = reports.iter().map(|report| report.topic.len()).max().unwrap_or(0);
        let head = format!("    {:width$}  {:>11}  {:>12}  {:>8}", "table", "source rows", "rebuilt rows", "events");
        println!("{}", self.paint(BOLD, &head));
        for report in reports {
            let verdict = if report.is_equal() { self.paint(GREEN, "equal") } else { self.paint(RED, "NOT EQUAL") };
            println!(
                "    {:width$}  {:>11}  {:>12}  {:>8}  {verdict}",
                report.topic, report.source_rows, report.rebuilt_rows, report.events
            );
            for difference in &report.differences {
                println!("        {difference}");
            }
        }
    }
}

fn parse(record: &Record) -> Option<(Value, String)> {
    let event: Value = serde_json::from_str(record.value.as_deref()?).ok()?;
    let operation = event["op"].as_str()?.to_owned();
    Some((event, operation))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARACTERS {
        return text;
    }
    format!("{}… ({} bytes)", text.chars().take(VALUE_CHARACTERS).collect::<String>(), text.len())
}
