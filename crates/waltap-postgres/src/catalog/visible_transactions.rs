//! Which transactions a snapshot sees.

use tokio_postgres::Client;
use waltap_error::{Code, Error, Result};

use crate::refusal::refused;

/// What a snapshot of the server sees, as `pg_current_snapshot()` tells it. Ids are those of top-level transactions, with their epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisibleTransactions {
    /// Every transaction before this one had ended.
    pub xmin: u64,
    /// This one and all after it had not ended.
    pub xmax: u64,
    /// Those in between that had not ended, in order.
    pub in_progress: Vec<u64>,
}

impl VisibleTransactions {
    /// Whether a transaction had ended for the snapshot, so that it sees what was committed by it. The log has ids without an epoch: it
    /// follows from the ids of now, of which none that still matters is half of all away.
    pub fn sees(&self, xid: u32) -> bool {
        let since_xmax = i64::from(xid.wrapping_sub(self.xmax as u32) as i32);
        let Some(xid) = self.xmax.checked_add_signed(since_xmax) else { return true };
        xid < self.xmin || (xid < self.xmax && self.in_progress.binary_search(&xid).is_err())
    }

    /// Reads `xmin:xmax:xip,xip`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (xmin, xmax, list) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let mut in_progress: Vec<u64> =
            list.split(',').filter(|xid| !xid.is_empty()).map(str::parse).collect::<Result<_, _>>().ok()?;
        in_progress.sort_unstable();
        parts.next().is_none().then_some(VisibleTransactions { xmin, xmax, in_progress })
    }
}

/// What the session's snapshot sees: in a transaction of REPEATABLE READ, that of the whole transaction.
pub async fn visible_transactions(client: &Client) -> Result<VisibleTransactions> {
    let doing = "asking what the snapshot sees";
    let row = client.query_one("SELECT pg_current_snapshot()::text", &[]).await.map_err(|error| refused(doing, error))?;
    let text: &str = row.try_get(0).map_err(|error| refused(doing, error))?;
    VisibleTransactions::parse(text)
        .ok_or_else(|| Error::configuration(Code::INTERNAL, format!("the server describes its snapshot as {text:?}")))
}

/// Takes an id of a transaction of its own. Once a snapshot's `xmin` is beyond it, the snapshot sees every transaction that had written
/// its commit before: those of the log and those that are visible are not quite the same for as long as a commit takes.
pub async fn take_transaction_id(client: &Client) -> Result<u64> {
    let doing = "taking the id of a transaction";
    let row = client.query_one("SELECT pg_current_xact_id()::text", &[]).await.map_err(|error| refused(doing, error))?;
    let text: &str = row.try_get(0).map_err(|error| refused(doing, error))?;
    text.parse().map_err(|_| Error::configuration(Code::INTERNAL, format!("the server calls a transaction {text:?}")))
}

/// Whether commits may wait for a standby after they were logged, which keeps them invisible for as long as that takes.
pub async fn commits_wait_for_standbys(client: &Client) -> Result<bool> {
    client
        .query_one("SELECT current_setting('synchronous_standby_names') <> ''", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| refused("asking for synchronous standbys", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_or_later_is_not_seen() {
        let visible = VisibleTransactions::parse("10:20:10,14,12").expect("a snapshot");
        assert_eq!(visible.in_progress, [10, 12, 14]);
        let seen: Vec<u32> = (5..25).filter(|xid| visible.sees(*xid)).collect();
        assert_eq!(seen, [5, 6, 7, 8, 9, 11, 13, 15, 16, 17, 18, 19]);
        assert_eq!(VisibleTransactions::parse("7:7:"), Some(VisibleTransactions { xmin: 7, xmax: 7, in_progress: vec![] }));
        for bad in ["", "1:2", "1:2:x", "1:2:3:4", "a:2:"] {
            assert_eq!(VisibleTransactions::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_wrap_around() {
        let epoch = 1 << 32;
        let visible = VisibleTransactions { xmin: epoch - 3, xmax: epoch + 5, in_progress: vec![epoch - 3, epoch + 3] };
        let seen = |xid: u64| visible.sees(xid as u32);
        assert_eq!(
            [epoch - 4, epoch - 3, epoch - 2, epoch + 3, epoch + 4, epoch + 5].map(seen),
            [true, false, true, false, true, false]
        );
        // One of the epoch before, far away.
        assert!(visible.sees(u32::MAX - 1_000_000));
        assert!(VisibleTransactions { xmin: 3, xmax: 3, in_progress: vec![] }.sees(u32::MAX));
    }
}
