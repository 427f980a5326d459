//! One clock for writers and readers, which are one process.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since the benchmark began.
pub(crate) fn now_micros() -> u64 {
    BEGINNING.elapsed().as_micros() as u64
}

/// The number behind `"sent":` in a record's value: when its commit was sent.
pub(crate) fn sent(value: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"sent\":";
    let place = value.windows(NAME.len()).rposition(|window| window == NAME)?;
    let digits = value.get(place + NAME.len()..)?.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// When something is sent, whatever became of what was sent before: one that is late does not make the others later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) rate: u32,
    pub(crate) count: u32,
    began: Instant,
}

impl Schedule {
    /// From now on, so many a second.
    pub(crate) fn begin(rate: u32, count: u32) -> Self {
        Schedule { rate, count, began: Instant::now() }
    }

    /// Waits until one is due, and says by how many microseconds its time has passed.
    pub(crate) fn wait_for(&self, number: u32) -> u64 {
        let due = self.began + Duration::from_secs(1) * number / self.rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        Instant::now().saturating_duration_since(due).as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_found_in_a_record() {
        assert_eq!(sent(br#"{"before":null,"after":{"id":7,"sent":123456}}"#), Some(123_456));
        assert_eq!(sent(b"{}"), None);
    }
}
