//! Rows of a chunk on their way to Kafka.

use tokio::time::Instant;
use waltap_error::Result;

use super::super::super::chunks::{Current, Phase, Rows, Sent};
use super::super::Session;
use super::super::delivery::Delivery;
use super::SLICE_ROWS;

impl Session<'_> {
    /// Sends some rows of a chunk, if the stream has reached it. What the stream tells of the others until they are sent goes on to count.
    pub(in super::super) async fn send_slice(&mut self, rows_max: usize) -> Result<()> {
        if !self.chunks.is_sending() {
            return Ok(());
        }
        self.chunks.sends_slice(Instant::now());
        self.stream.begin_batch();
        self.tell_version().await?;
        for _ in 0..rows_max {
            let Some(row) = self.stream.watch.next_row() else {
                self.end_chunk();
                break;
            };
            if let Some(Current { phase: Phase::Read(rows), .. }) = &mut self.chunks.current {
                self.stream.send_chunk_row(&mut self.chunks.encoder, rows, &row)?;
            }
            if !self.stream.staged.is_empty() {
                self.hand_over().await?;
            }
        }
        self.note_events(Instant::now());
        self.stream.sink.flush().await
    }

    /// Sends all that is left of a chunk that is being sent.
    pub(in super::super) async fn finish_chunk(&mut self) -> Result<()> {
        while self.chunks.is_sending() {
            self.send_slice(SLICE_ROWS).await?;
        }
        Ok(())
    }

    /// With too much noted of what the stream tells, a chunk that is being sent is sent at once, and another one read anew, with fewer rows.
    pub(in super::super) async fn relieve_chunk(&mut self) -> Result<()> {
        if self.chunks.is_sending() {
            return self.finish_chunk().await;
        }
        if let Some(Current { oid, phase: Phase::Read(_) }) = self.chunks.current.take() {
            self.stream.watch.close_window();
            self.stream.watch.end_again(oid, false);
            self.chunks.job(oid).map(|job| job.in_vain(true));
        }
        Ok(())
    }

    async fn tell_version(&mut self) -> Result<()> {
        let Some(Current { oid, phase: Phase::Read(rows) }) = &mut self.chunks.current else { return Ok(()) };
        let Some(job) = self.chunks.jobs.iter_mut().find(|job| job.oid == *oid) else { return Ok(()) };
        if std::mem::replace(&mut job.is_told, true) {
            return Ok(());
        }
        self.stream.tell_chunk_version(rows)?;
        match self.stream.staged.is_empty() {
            true => Ok(()),
            false => self.hand_over().await,
        }
    }

    /// Every row of a chunk is sent.
    fn end_chunk(&mut self) {
        let Some(Current { oid, phase: Phase::Read(rows) }) = self.chunks.current.take() else { return };
        self.stream.watch.close_window();
        self.chunks.pace.sent(self.stream.events(), Instant::now());
        rows.counted.handed_over(rows.records);
        let is_exactly_once = matches!(self.delivery, Delivery::ExactlyOnce(_));
        let table = &rows.table.table;
        self.context.shared.metrics.op(&self.context.database, &table.schema, &table.name, "r").add(rows.rows, rows.bytes);
        self.context.board.facts().chunk_rows += rows.rows;
        let Some(job) = self.chunks.jobs.iter_mut().find(|job| job.oid == oid) else { return };
        job.sent();
        job.record.rows += rows.rows;
        if !rows.are_keys {
            job.record.is_read |= rows.at_end;
            if rows.last_key.is_some() {
                job.record.after = rows.last_key;
            }
        }
        if is_exactly_once {
            job.confirmed = job.record.clone();
            job.is_news = true;
            if rows.are_keys {
                self.stream.watch.end_again(oid, true);
            }
            self.stream.note_progress();
        } else {
            job.unconfirmed += 1;
            let record = job.record.clone();
            let Rows { counted, are_keys, .. } = *rows;
            self.chunks.sent.push_back(Sent { oid, counted, record, are_keys });
        }
        self.show_chunks();
    }
}
