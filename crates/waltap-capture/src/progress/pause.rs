//! Tables that are paused: what progress says of them.

use serde::{Deserialize, Serialize};

use waltap_postgres::catalog::Table;

use super::{Progress, TableRecord, TableState};
use crate::clock::unix_millis;
use crate::position::Position;

/// That changes of a table are withheld, or were and are still to be sent.
///
/// What stands before `from` is in Kafka as far as changes of other tables are. What stands there and behind it is withheld, and comes again from
/// the slot, which is not confirmed beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PauseRecord {
    /// From here on its changes are withheld.
    pub(crate) from: Position,
    /// Whether it is over: what was withheld is being sent, and then the table goes with the others again.
    #[serde(default)]
    pub(crate) resumed: bool,
    /// When it began, in milliseconds since 1970.
    pub(crate) paused_at: u64,
}

impl Progress {
    /// The tables that are paused, or were and have not caught up; with how far they are in Kafka.
    pub(crate) fn behind(&self) -> impl Iterator<Item = (u32, &TableRecord, PauseRecord)> {
        let places = self.slot.as_ref().map(|record| &record.behind);
        self.tables.iter().filter_map(move |(oid, record)| {
            let paused = record.paused?;
            let from = places.and_then(|places| places.get(oid)).copied().unwrap_or(paused.from);
            Some((*oid, record, PauseRecord { from, ..paused }))
        })
    }

    /// Takes tables as going on whose own records say nothing of a pause, though the slot's says that they are behind. A record of an earlier
    /// session may have come late, over the one of the pause; or they had caught up just before a crash. Nothing of what was withheld is lost so.
    pub(super) fn put_back_pauses(&mut self) {
        let places = self.slot.as_ref().map(|record| record.behind.clone()).unwrap_or_default();
        for (oid, from) in places {
            if let Some(record) = self.tables.get_mut(&oid) {
                record.paused.get_or_insert_with(|| PauseRecord { from, resumed: true, paused_at: unix_millis() });
            }
        }
    }

    /// The names of [`Progress::behind`].
    pub(crate) fn names_behind(&self) -> Vec<String> {
        self.behind().map(|(_, record, _)| record.display_name()).collect()
    }

    /// Whether a table is paused, or was and has not caught up.
    pub(crate) fn is_behind(&self, oid: u32) -> bool {
        self.table(oid).is_some_and(|record| record.paused.is_some())
    }

    /// Whether no rows of a table are to be read, by its record.
    pub(crate) fn reads_nothing(&self, table: &Table, record: &TableRecord) -> bool {
        let is_known = self.table(table.oid).is_none() || self.new_leaves(table).next().is_none();
        record.state == TableState::Done && record.chunks.is_none() && is_known
    }

    /// The records of tables that have caught up.
    pub(crate) fn caught_up(&self, oids: &[u32]) -> Vec<(u32, TableRecord)> {
        let record = |oid: &u32| Some((*oid, TableRecord { paused: None, ..self.table(*oid)?.clone() }));
        oids.iter().filter_map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use waltap_pgoutput::Lsn;

    use super::super::{SlotRecord, Store, json, parse};
    use super::*;

    fn record(resumed: Option<bool>) -> TableRecord {
        let from = Position::after_message(Lsn(0x20));
        let paused = resumed.map(|resumed| PauseRecord { from, resumed, paused_at: 1 });
        TableRecord { paused, ..parse("k", br#"{"schema":"public","table":"t","state":"done","since":"0/10"}"#).unwrap() }
    }

    #[tokio::test]
    async fn a_table_is_where_the_slot_record_says() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        progress.set_tables(vec![(1, record(Some(false))), (2, record(Some(true))), (3, record(None))]).await.unwrap();
        let places = |progress: &Progress| -> Vec<(u32, Lsn, bool)> {
            progress.behind().map(|(oid, _, paused)| (oid, paused.from.commit_lsn, paused.resumed)).collect()
        };
        assert_eq!(places(&progress), [(1, Lsn(0x20), false), (2, Lsn(0x20), true)]);
        let behind = BTreeMap::from([(2, Position::after_transaction(Lsn(0x30)))]);
        progress.slot = Some(SlotRecord { behind, delivered: Some(Lsn(0x40)), ..SlotRecord::intended("7", "s") });
        assert_eq!(places(&progress), [(1, Lsn(0x20), false), (2, Lsn(0x30), true)]);
        assert_eq!(progress.caught_up(&[2, 9]), [(2, record(None))]);
        let text = json(progress.slot.as_ref().unwrap()).unwrap();
        assert_eq!(parse::<SlotRecord>("k", &text).unwrap(), *progress.slot.as_ref().unwrap());
        assert_eq!(parse::<TableRecord>("k", &json(&record(Some(true))).unwrap()).unwrap(), record(Some(true)));
    }

    #[tokio::test]
    async fn a_late_record_of_a_table_loses_nothing_of_what_was_withheld() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        progress.set_tables(vec![(1, record(None)), (2, record(Some(false))), (3, record(None))]).await.unwrap();
        let place = Position::after_transaction(Lsn(0x30));
        let behind = BTreeMap::from([(1, place), (2, place), (9, place)]);
        progress.slot = Some(SlotRecord { behind, ..SlotRecord::intended("7", "s") });
        progress.put_back_pauses();
        let places: Vec<_> = progress.behind().map(|(oid, _, paused)| (oid, paused.from, paused.resumed)).collect();
        assert_eq!(places, [(1, place, true), (2, place, false)]);
    }

    #[tokio::test]
    async fn a_pause_ends_with_its_table_and_with_the_slot() {
        let mut progress = Progress::load(Store::new(None, "waltap", "shop")).await.unwrap();
        progress.set_tables(vec![(1, record(Some(false))), (2, record(Some(false)))]).await.unwrap();
        assert_eq!(progress.keep(|oid| oid == 1, Lsn(0x50), Lsn(0x20)).await.unwrap(), ["public.t"]);
        assert!(progress.table(2).unwrap().paused.unwrap().resumed && !progress.table(1).unwrap().paused.unwrap().resumed);
        progress.read_everything_again(1).await.unwrap();
        assert!(!progress.is_behind(1));
    }

    #[test]
    fn what_the_slot_record_says_of_the_others_goes_once_the_slot_is_past_it() {
        let mut record = SlotRecord { acknowledged: Some(Lsn(0x20)), ..SlotRecord::intended("7", "s") };
        let behind = BTreeMap::from([(1, Position::after_message(Lsn(0x20)))]);
        record.note_behind(behind.clone(), Some(Lsn(0x40)));
        record.note_behind(behind.clone(), None);
        assert_eq!((record.behind.clone(), record.delivered), (behind, Some(Lsn(0x40))));
        record.note_behind(BTreeMap::new(), None);
        assert_eq!(record.delivered, Some(Lsn(0x40)), "the slot is before it");
        record.acknowledged = Some(Lsn(0x41));
        record.note_behind(BTreeMap::new(), None);
        assert_eq!(record.delivered, None);
    }
}
