//! What progress is told of tables that are read in chunks.

use waltap_error::Result;

use super::super::super::chunks::{Sent, Written};
use super::super::Session;
use super::super::delivery::Delivery;
use crate::progress::{TableRecord, TableState};
use crate::sabotage::{Sabotage, is_on};

impl Session<'_> {
    /// Looks which chunks are confirmed.
    pub(super) fn settle_chunks(&mut self) {
        while let Some(sent) = self.chunks.sent.front()
            && (sent.counted.is_done() || is_on(Sabotage::RecordBeforeRows))
            && let Some(Sent { oid, record, are_keys, .. }) = self.chunks.sent.pop_front()
        {
            if let Some(job) = self.chunks.job(oid) {
                let is_read = job.confirmed.is_read || record.is_read;
                job.confirmed = crate::progress::ChunkRecord { is_read, ..record };
                job.unconfirmed = job.unconfirmed.saturating_sub(1);
                job.is_news = true;
            }
            if are_keys {
                self.stream.watch.end_again(oid, true);
            }
        }
    }

    /// What progress is to be told now.
    pub(in super::super) fn chunk_records(&mut self) -> Vec<Written> {
        let (mut records, mut over) = (Vec::new(), Vec::new());
        let current = self.chunks.current.as_ref().map(|current| current.oid);
        for job in &mut self.chunks.jobs {
            let watch = &mut self.stream.watch;
            if !(job.is_news || watch.has_news(job.oid)) {
                continue;
            }
            let Some(before) = self.progress.table(job.oid) else { continue };
            if watch.is_over(job.oid) {
                tracing::warn!(
                    database = self.context.database,
                    table = job.name,
                    "too many rows changed their key and left large values out: the table is read from its beginning"
                );
                job.begin_anew();
                over.push(job.oid);
                watch.close_table(job.oid);
            }
            // Keys that wait are read whatever became of the request.
            let is_over = (job.refused.is_some() || job.record.is_read) && !watch.has_again(job.oid) && !watch.is_over(job.oid);
            let ended = is_over && job.unconfirmed == 0 && current != Some(job.oid);
            let record = job.next_record(before, watch.again(job.oid), ended);
            watch.take_news(job.oid);
            job.is_news = false;
            records.push(Written { oid: job.oid, record, ended });
        }
        for oid in over {
            self.chunks.forget_current(oid);
            self.chunks.forget_sent(oid);
        }
        records
    }

    /// Progress has records.
    pub(in super::super) fn chunks_recorded(&mut self, written: Vec<Written>) {
        let ended: Vec<u32> = written.iter().filter(|written| written.ended).map(|written| written.oid).collect();
        let records: Vec<(u32, TableRecord)> = written.into_iter().map(|Written { oid, record, .. }| (oid, record)).collect();
        let is_unread = records.iter().any(|(_, record)| record.state == TableState::Reading);
        self.progress.note_tables(records);
        if ended.is_empty() {
            return;
        }
        for oid in ended {
            if let Some(job) = self.chunks.job(oid).filter(|job| job.refused.is_none()) {
                let (table, rows) = (&job.name, job.record.rows);
                tracing::info!(
                    database = self.context.database,
                    table,
                    rows,
                    "every row of the table that was to be read is confirmed"
                );
            }
            self.stream.watch.close_table(oid);
            self.chunks.remove(oid);
        }
        self.refresh_tables();
        self.show_chunks();
        if is_unread {
            self.export_unread();
        }
    }

    /// Waits until progress has been told of chunks what it was being told, so that other records of the tables come behind.
    pub(in super::super) async fn settle_chunk_records(&mut self) -> Result<()> {
        if self.chunks.is_idle() {
            return Ok(());
        }
        if let Delivery::ExactlyOnce(_) = self.delivery {
            return self.commit().await;
        }
        loop {
            if let Some((written, result)) = self.chunks.written().await {
                result?;
                self.chunks_recorded(written);
            }
            // Keys that were noted since are not to be forgotten either.
            let written = self.chunk_records();
            if written.is_empty() {
                return Ok(());
            }
            self.chunks.write(self.progress.store().clone(), written);
        }
    }
}
