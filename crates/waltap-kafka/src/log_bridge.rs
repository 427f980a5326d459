//! librdkafka's log lines as tracing events, without the spam of a broker that is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;

/// How long lines like one that was shown are only counted. librdkafka repeats "connection refused" for each broker, twice a second.
const QUIET: Duration = Duration::from_secs(60);

/// How many different lines are remembered; beyond that the memory starts anew, at the price of a repeated line.
const REMEMBERED_MAX: usize = 256;

/// Passes librdkafka's log on to tracing, under the target `librdkafka`.
#[derive(Debug, Default)]
pub(crate) struct LogBridge {
    shown: Mutex<HashMap<String, Shown>>,
}

#[derive(Debug)]
struct Shown {
    at: Instant,
    suppressed: u64,
}

impl LogBridge {
    pub(crate) fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if is_noise(facility, message) {
            return;
        }
        let message = without_thread(message);
        // Debug lines come when somebody asked for them with the property `debug`: all of them.
        if matches!(level, RDKafkaLogLevel::Debug) {
            tracing::debug!(target: "librdkafka", facility, "{message}");
            return;
        }
        let Some(suppressed) = self.admit(facility, message, Instant::now()) else { return };
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, suppressed, "{message}");
            }
            // A broker that is away is an error to librdkafka and a wait to us.
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "librdkafka", facility, suppressed, "{message}");
            }
            _ => tracing::info!(target: "librdkafka", facility, suppressed, "{message}"),
        }
    }

    /// Whether to show a line, and how many like it were not shown since the last.
    fn admit(&self, facility: &str, message: &str, now: Instant) -> Option<u64> {
        let kind: String = facility.chars().chain(message.chars().filter(|character| !character.is_ascii_digit())).collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() >= REMEMBERED_MAX {
            shown.clear();
        }
        match shown.get_mut(&kind) {
            Some(last) if now.duration_since(last.at) < QUIET => {
                last.suppressed += 1;
                None
            }
            Some(last) => {
                let suppressed = std::mem::take(&mut last.suppressed);
                last.at = now;
                Some(suppressed)
            }
            None => {
                shown.insert(kind, Shown { at: now, suppressed: 0 });
                Some(0)
            }
        }
    }
}

/// Lines that say nothing to our users: a producer's property that a reader ignores; that the transaction of an earlier run is still being
/// ended, which is waited for.
fn is_noise(facility: &str, message: &str) -> bool {
    facility == "CONFWARN" || (facility == "GETPID" && message.ends_with("retrying"))
}

/// The line without librdkafka's leading `[thrd:localhost:9092/bootstrap]: `.
pub(crate) fn without_thread(message: &str) -> &str {
    message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_counted_and_not_shown() {
        let bridge = LogBridge::default();
        let start = Instant::now();
        let line =
            |milliseconds| format!("localhost:9092/bootstrap: Connect failed: Connection refused (after {milliseconds}ms)");
        assert_eq!(bridge.admit("FAIL", &line(0), start), Some(0));
        for second in 1..50 {
            assert_eq!(bridge.admit("FAIL", &line(second), start + Duration::from_secs(second)), None);
        }
        assert_eq!(bridge.admit("FAIL", "SASL authentication error", start), Some(0), "another line is shown at once");
        assert_eq!(bridge.admit("FAIL", &line(1), start + QUIET), Some(49));
        assert_eq!(bridge.admit("FAIL", &line(1), start + QUIET * 2), Some(0));
    }

    #[test]
    fn the_memory_is_bounded() {
        let bridge = LogBridge::default();
        for letter in 0..10_000_u32 {
            let name: String = std::iter::repeat_n('x', letter as usize % 1000).chain(char::from_u32(0x4e00 + letter)).collect();
            bridge.admit("FAIL", &name, Instant::now());
        }
        assert!(bridge.shown.lock().unwrap().len() <= REMEMBERED_MAX);
    }

    #[test]
    fn the_thread_is_cut_off() {
        assert_eq!(
            without_thread("[thrd:localhost:1/bootstrap]: localhost:1/bootstrap: failed"),
            "localhost:1/bootstrap: failed"
        );
        assert_eq!(without_thread("plain"), "plain");
    }
}
