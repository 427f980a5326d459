//! How much log a slot keeps, judged.

use waltap_postgres::slot::{SlotState, WalStatus};

use crate::human_size::human_size;

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

/// Whether most of the log is not kept for what is still to be confirmed, but to decode transactions that were open then: `restart_lsn` is at
/// the oldest of these.
pub(super) fn kept_by_a_transaction(slot: &SlotState) -> bool {
    let unconfirmed = slot.confirmed_flush_lsn.map(|confirmed| slot.server_lsn.bytes_since(confirmed));
    unconfirmed.is_some_and(|unconfirmed| unconfirmed < slot.retained_bytes.unwrap_or(0) / 2)
}

/// What to say of a slot that the server is about to invalidate (`max_slot_wal_keep_size`).
pub(super) fn danger(slot: &SlotState) -> Option<String> {
    let left = slot.safe_wal_bytes.map(|left| u64::try_from(left).unwrap_or(0));
    let granted = left.unwrap_or(0) + slot.retained_bytes.unwrap_or(0);
    let is_scarce = left.is_some_and(|left| left < granted / 100 * SAFE_PERCENT);
    let is_ending = matches!(slot.wal_status, Some(WalStatus::Unreserved | WalStatus::Lost));
    (is_scarce || is_ending).then(|| {
        format!(
            "the server will remove log that the slot {} needs after {} more (wal_status {}): confirm events, or raise max_slot_wal_keep_size",
            slot.name,
            human_size(left.unwrap_or(0)),
            slot.wal_status.map_or("unknown", WalStatus::as_str)
        )
    })
}

#[cfg(test)]
mod tests {
    use waltap_pgoutput::Lsn;

    use super::*;

    fn slot(safe: Option<i64>, retained: u64, status: WalStatus) -> SlotState {
        SlotState {
            name: "waltap_waltap_shop".to_owned(),
            wal_status: Some(status),
            safe_wal_bytes: safe,
            retained_bytes: Some(retained),
            ..SlotState::default()
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
    fn log_that_is_kept_for_an_open_transaction_is_told_apart() {
        let place = |confirmed| SlotState {
            server_lsn: Lsn(1000),
            confirmed_flush_lsn: Some(Lsn(confirmed)),
            ..slot(None, 900, WalStatus::Extended)
        };
        assert!(kept_by_a_transaction(&place(990)));
        assert!(!kept_by_a_transaction(&place(100)));
    }

    #[test]
    fn danger_is_little_left_or_the_servers_word() {
        assert!(danger(&slot(None, 900, WalStatus::Extended)).is_none(), "no bound");
        assert!(danger(&slot(Some(700), 300, WalStatus::Reserved)).is_none());
        assert!(danger(&slot(Some(150), 850, WalStatus::Extended)).is_some());
        assert!(danger(&slot(Some(-5), 850, WalStatus::Unreserved)).unwrap().contains("unreserved"));
    }
}
