//! The bytes of a record.

use crate::{Failure, Header, RecordSink};

/// How large a buffer is kept from event to event. Rows are small; after one of 200 MB its memory is given back.
const BUFFER_KEPT_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Record {
    /// The key, if the table has one.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        if self.key.is_empty() { None } else { Some(&self.key) }
    }

    pub(crate) fn give<S: RecordSink>(&self, headers: &[Header<'_>], sink: &mut S) -> Result<(), Failure<S::Error>> {
        give(self.key(), Some(&self.value), headers, sink)
    }

    /// Gives a record with the key and no value, if there is a key.
    pub(crate) fn give_tombstone<S: RecordSink>(&self, headers: &[Header<'_>], sink: &mut S) -> Result<(), Failure<S::Error>> {
        match self.key() {
            Some(key) => give(Some(key), None, headers, sink),
            None => Ok(()),
        }
    }

    pub(crate) fn give_back_memory(&mut self) {
        shrink(&mut self.key);
        shrink(&mut self.value);
    }
}

fn give<S: RecordSink>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
    sink: &mut S,
) -> Result<(), Failure<S::Error>> {
    match headers {
        [] => sink.record(key, value),
        headers => sink.record_with_headers(key, value, headers),
    }
    .map_err(Failure::Sink)
}

/// Gives back the memory of a buffer that had to hold something large.
pub(crate) fn shrink(buffer: &mut Vec<u8>) {
    if buffer.capacity() > BUFFER_KEPT_BYTES_MAX {
        *buffer = Vec::new();
    }
}
