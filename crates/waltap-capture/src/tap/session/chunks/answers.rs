//! What comes of the questions for rows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waltap_error::{Kind, Result};
use waltap_postgres::copy::{KeyChunk, RowParser};

use super::super::super::chunks::{Answer, Counted, Current, Due, KeyText, Looked, Phase, Rows};
use super::super::Session;
use crate::options::SnapshotMode;
use crate::sabotage::{Sabotage, is_on};

/// How long a chunk may be read in vain before it is said why.
const PATIENCE: Duration = Duration::from_secs(10);

impl Session<'_> {
    /// Takes what has come of the last question, or of the last record.
    pub(in super::super) fn take_due(&mut self, due: Due) -> Result<()> {
        match due {
            Due::Time => Ok(()),
            Due::Written(written, result) => {
                result?;
                self.chunks_recorded(written);
                Ok(())
            }
            Due::Answer(answer) => {
                self.take_answer(answer);
                Ok(())
            }
        }
    }

    fn take_answer(&mut self, answer: Result<Answer>) {
        let Some(Current { oid, phase }) = self.chunks.current.take() else { return };
        let watch = &mut self.stream.watch;
        let Some(job) = self.chunks.jobs.iter_mut().find(|job| job.oid == oid) else { return };
        let answer = match answer {
            Ok(answer) => answer,
            // A condition may fail by what is in the rows: trying again would not help.
            Err(error) if error.kind() != Kind::Transient && job.record.condition.is_some() && job.refused.is_none() => {
                watch.close_window();
                watch.end_again(oid, false);
                tracing::warn!(
                    database = self.context.database,
                    table = job.name,
                    error = error.report(),
                    "the rows that were asked for cannot be read"
                );
                job.refused = Some(error.report());
                job.is_news = true;
                self.stream.note_progress();
                return;
            }
            Err(error) => {
                watch.close_window();
                watch.end_again(oid, false);
                job.failed(error.report());
                tracing::warn!(
                    database = self.context.database,
                    table = job.name,
                    error = error.report(),
                    remedy = error.remedy_text(),
                    "rows of this table cannot be read now; trying again"
                );
                self.show_chunks();
                return;
            }
        };
        match (answer, phase) {
            (Answer::Settled(before, waits), _) => self.chunks.set_settling(oid, before, waits),
            (Answer::Looked(Looked::Table(table), _), _) if job.wants_end() && !watch.has_table(oid, &table.key_columns) => {
                // The last key counts that there is once its changes are noted: it is looked at again.
                watch.open_table(oid, Arc::clone(&table.key_columns), job.record.again.iter().cloned());
            }
            (Answer::Looked(Looked::Table(table), end), _) => {
                let is_anew = job.looked(Arc::clone(&table), end);
                watch.open_table(oid, Arc::clone(&table.key_columns), job.record.again.iter().cloned());
                if job.is_news {
                    self.stream.note_progress();
                }
                if is_anew {
                    self.chunks.forget_sent(oid);
                }
            }
            (Answer::Looked(Looked::Gone, _), _) => {
                tracing::info!(database = self.context.database, table = job.name, "the table is gone: its rows are not read");
                watch.close_table(oid);
                self.chunks.remove(oid);
            }
            (Answer::Looked(Looked::Unfit(reason), _), _) => {
                tracing::warn!(database = self.context.database, table = job.name, reason, "the table cannot be read in chunks");
                job.is_for_snapshot = job.record.condition.is_none() && self.context.options().snapshot == SnapshotMode::Initial;
                job.refused = Some(match job.is_for_snapshot {
                    true => format!("{reason}: its rows are read under an exported snapshot"),
                    false => reason.to_owned(),
                });
                job.is_news = true;
                watch.close_table(oid);
                self.stream.note_progress();
            }
            (Answer::Changed, _) => {
                watch.close_window();
                watch.end_again(oid, false);
                job.in_vain(false);
                job.table = None;
            }
            (Answer::Locked(what), _) => {
                watch.close_window();
                watch.end_again(oid, false);
                if job.locked(what.clone()) {
                    tracing::warn!(
                        database = self.context.database,
                        table = job.name,
                        reason = what,
                        "rows of this table wait; other tables and the stream go on"
                    );
                }
                self.show_chunks();
            }
            (Answer::Chunk(chunk), Phase::Reading(mark, are_keys)) => {
                let unseen = match self.chunks.shows_earlier(oid, &chunk.visible) {
                    _ if is_on(Sabotage::TrustSnapshot) => None,
                    Err(in_progress) => Some(in_progress),
                    Ok(()) => self.stream.watch.ring.unseen(mark, &chunk.visible).map(|xid| vec![u64::from(xid)]),
                };
                self.take_chunk(oid, chunk, are_keys, unseen);
            }
            (Answer::Chunk(_), _) => {}
        }
    }

    /// Takes the rows of a chunk, unless transactions that the stream has passed are not shown in it.
    fn take_chunk(&mut self, oid: u32, chunk: KeyChunk, are_keys: bool, unseen: Option<Vec<u64>>) {
        let watch = &mut self.stream.watch;
        let Some(job) = self.chunks.jobs.iter_mut().find(|job| job.oid == oid) else { return };
        let KeyChunk { high, rows, last_key, at_end, .. } = chunk;
        let count = rows.len() as u64;
        let is_taken = unseen.is_none()
            && watch.has_window()
            && watch.fill_window(rows.into_iter().map(|row| (KeyText::from(row.key.as_slice()), row.line)));
        if !is_taken {
            watch.close_window();
            watch.end_again(oid, false);
            // Without a transaction that is not shown, it was more that the stream told than can be noted.
            let waited = job.in_vain(unseen.is_none());
            if let Some(unseen) = unseen.filter(|_| waited >= PATIENCE) {
                let what = format!("rows wait for transactions that are committed and not visible yet: {unseen:?}");
                if job.waits.as_ref() != Some(&what) {
                    tracing::warn!(database = self.context.database, table = job.name, "{what}");
                }
                job.waits = Some(what);
            }
            self.show_chunks();
            return;
        }
        let Some(table) = job.table.clone() else { return };
        job.succeeded();
        self.chunks.pace.note(count, Instant::now());
        let number = self.chunks.next_number();
        let counted = Counted::open(&self.reports, number);
        let parser = RowParser::new(table.columns.len());
        let rows =
            Rows { table, high, last_key, at_end, are_keys, is_reached: false, parser, counted, rows: 0, records: 0, bytes: 0 };
        self.chunks.current = Some(Current { oid, phase: Phase::Read(Box::new(rows)) });
    }
}
