//! A moment by the server's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds from 1970-01-01 to 2000-01-01, both at midnight UTC: 10 957 days.
const UNIX_TO_POSTGRES_EPOCH_MICROS: i64 = 10_957 * 86_400 * 1_000_000;

/// A moment as PostgreSQL sends it: microseconds since 2000-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgTime(pub i64);

impl PgTime {
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    ///
    /// The last 30 of the 292 000 years that the wire can hold do not fit and become `i64::MAX`; PostgreSQL has no timestamps there.
    pub fn unix_micros(self) -> i64 {
        self.0.saturating_add(UNIX_TO_POSTGRES_EPOCH_MICROS)
    }

    /// The moment that is so many microseconds after 1970-01-01 00:00:00 UTC.
    pub fn from_unix_micros(micros: i64) -> Self {
        PgTime(micros.saturating_sub(UNIX_TO_POSTGRES_EPOCH_MICROS))
    }

    /// How long after `earlier` it is; zero when it is not.
    pub fn since(self, earlier: PgTime) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }
}

impl From<SystemTime> for PgTime {
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        PgTime::from_unix_micros(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epochs_are_thirty_years_apart() {
        // date --date='2000-01-01 UTC' +%s
        assert_eq!(PgTime(0).unix_micros(), 946_684_800_000_000);
        assert_eq!(PgTime::from_unix_micros(946_684_800_000_001), PgTime(1));
        assert_eq!(PgTime::from(UNIX_EPOCH + Duration::from_secs(946_684_800)), PgTime(0));
        assert_eq!(PgTime::from(UNIX_EPOCH - Duration::from_micros(1)), PgTime(-946_684_800_000_001));
    }

    #[test]
    fn nothing_is_before_what_came_earlier() {
        assert_eq!(PgTime(7).since(PgTime(-3)), Duration::from_micros(10));
        assert_eq!(PgTime(-3).since(PgTime(7)), Duration::ZERO);
        assert_eq!(PgTime(i64::MIN).since(PgTime(i64::MAX)), Duration::ZERO);
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        assert_eq!(PgTime(i64::MAX).unix_micros(), i64::MAX);
        assert_eq!(PgTime::from_unix_micros(i64::MIN), PgTime(i64::MIN));
    }
}
