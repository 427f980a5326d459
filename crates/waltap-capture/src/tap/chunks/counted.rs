//! Which rows of a chunk Kafka has confirmed.

use std::sync::Arc;

use crate::sink::{Reports, TableCount};

/// The account of a chunk's rows. Dropping it closes it, whatever became of the chunk: reports that still come are nobody's.
#[derive(Debug)]
pub(crate) struct Counted {
    reports: Reports,
    number: u32,
    count: Arc<TableCount>,
}

impl Counted {
    /// Opens an account, under a number that no other has.
    pub(crate) fn open(reports: &Reports, number: u32) -> Self {
        let count = Arc::new(TableCount::new(1));
        reports.open_table(number, Arc::clone(&count));
        Counted { reports: reports.clone(), number, count }
    }

    /// What its records carry.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// All rows are handed over, as so many records.
    pub(crate) fn handed_over(&self, records: u64) {
        self.count.chunk_read(records);
    }

    /// Whether all of them are confirmed.
    pub(crate) fn is_done(&self) -> bool {
        self.count.is_done()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.reports.close_table(self.number);
    }
}

#[cfg(test)]
mod tests {
    use waltap_kafka::DeliveryObserver;

    use super::*;
    use crate::sink::Account;

    #[test]
    fn an_account_is_closed_whatever_becomes_of_its_chunk() {
        let mut reports = Reports::default();
        let confirmed = Counted::open(&reports, 1);
        let given_up = Counted::open(&reports, 2);
        confirmed.handed_over(2);
        reports.confirmed(&[(Account::Snapshot(1).to_opaque(), 2), (Account::Snapshot(2).to_opaque(), 1)]);
        assert!(confirmed.is_done() && !given_up.is_done());
        assert_eq!(reports.open_tables(), 2);
        drop((confirmed, given_up));
        assert_eq!(reports.open_tables(), 0);
    }
}
