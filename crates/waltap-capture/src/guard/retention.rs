//! How much log a slot keeps, judged.

use waltap_postgres::slot::{SlotState, WalStatus};

/// From this share of the bound on, in percent, it is said.
const NEAR_PERCENT: u64 = 80;

/// With less than this share of what the server grants left, in percent, a slot is in danger.
const SAFE_PERCENT: u64 = 20;

/// Where the log that a slot keeps stands beside the bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Retention {
    #[default]
    Within,
    Near,
    Beyond,
}

impl Retention {
    pub(super) fn of(retained: u64, bound: u64) -> Self {
        match retained {
            _ if retained > bound => Retention::Beyond,
            _ if retained >= bound / 100 * NEAR_PERCENT => Retention::Near,
            _ => Retention::Within,
        }
    }
}

/// What to say of a slot that the server is about to invalidate (`max_slot_wal_keep_size`).
pub(super) fn is_in_danger(slot: &SlotState) -> Option<String> {
    let left = slot.safe_wal_bytes.map(|left| u64::try_from(left).unwrap_or(0));
    let granted = left.unwrap_or(0) + slot.retained_bytes.unwrap_or(0);
    let is_scarce = left.is_some_and(|left| left < granted / 100 * SAFE_PERCENT);
    let is_ending = matches!(slot.wal_status, Some(WalStatus::Unreserved | WalStatus::Lost));
    (is_scarce || is_ending).then(|| {
        format!(
            "the server will remove log that the slot {} needs after {} more (wal_status {}): confirm events, or raise max_slot_wal_keep_size",
            slot.name,
            sized(left.unwrap_or(0)),
            slot.wal_status.map_or("unknown", WalStatus::as_str)
        )
    })
}

/// A size for people.
pub(super) fn sized(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use waltap_pgoutput::Lsn;

    use super::*;

    fn slot(safe: Option<i64>, retained: u64, status: WalStatus) -> SlotState {
        SlotState {
            name: "waltap_waltap_shop".to_owned(),
            plugin: None,
            database: None,
            temporary: false,
            active: false,
            two_phase: false,
            active_pid: None,
            restart_lsn: None,
            confirmed_flush_lsn: None,
            wal_status: Some(status),
            safe_wal_bytes: safe,
            invalidation: None,
            retained_bytes: Some(retained),
            server_lsn: Lsn(0),
        }
    }

    #[test]
    fn a_bound_is_told_before_it_is_reached() {
        assert_eq!(Retention::of(799, 1000), Retention::Within);
        assert_eq!(Retention::of(800, 1000), Retention::Near);
        assert_eq!(Retention::of(1000, 1000), Retention::Near);
        assert_eq!(Retention::of(1001, 1000), Retention::Beyond);
    }

    #[test]
    fn danger_is_little_left_or_the_servers_word() {
        assert!(is_in_danger(&slot(None, 900, WalStatus::Extended)).is_none(), "no bound");
        assert!(is_in_danger(&slot(Some(700), 300, WalStatus::Reserved)).is_none());
        assert!(is_in_danger(&slot(Some(150), 850, WalStatus::Extended)).is_some());
        assert!(is_in_danger(&slot(Some(-5), 850, WalStatus::Unreserved)).unwrap().contains("unreserved"));
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(sized(512), "512 B");
        assert_eq!(sized(64 << 20), "64.0 MiB");
        assert_eq!(sized(3 << 29), "1.5 GiB");
    }
}
