//! What waltap's log says of time.

use std::time::Duration;

/// A clock's day, which a benchmark may begin before midnight and end behind.
const DAY: Duration = Duration::from_secs(86_400);

/// How long it was from the first line that holds a text to the last one that holds another.
pub fn between(log: &str, from: &str, to: &str) -> Option<Duration> {
    let began = time_of_day(log.lines().find(|line| line.contains(from))?)?;
    let ended = time_of_day(log.lines().rfind(|line| line.contains(to))?)?;
    Some(if ended < began { ended + DAY - began } else { ended - began })
}

/// Of `2026-11-22T12:04:41.055219Z  INFO …`.
fn time_of_day(line: &str) -> Option<Duration> {
    let (_, time) = line.split_once('Z')?.0.split_once('T')?;
    let mut parts = time.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = hours.parse::<u64>().ok()? * 3_600 + minutes.parse::<u64>().ok()? * 60;
    Some(Duration::from_secs(whole) + Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_across_midnight() {
        let log = "2026-11-22T23:59:59.500000Z  INFO starting\n2026-11-23T00:00:01.250000Z  INFO done\n";
        assert_eq!(between(log, "starting", "done"), Some(Duration::from_millis(1_750)));
        assert_eq!(between(log, "starting", "never"), None);
    }
}
