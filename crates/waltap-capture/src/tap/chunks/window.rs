//! The window of a chunk: from before its rows are read until all of them are sent.
//!
//! The stream goes on meanwhile. A row that it tells of is not to be sent as it was read, since what was read may be older, or newer than the
//! stream is. What the stream has told whole is left out. Of an update that left a large value (TOAST) out, the row's other values are put in the
//! place of those that were read: the large value is the one that was read, or else the stream would have told it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use waltap_pgoutput::{Lsn, Value};

use super::key_text::KeyText;
use crate::sabotage::{Sabotage, is_on};

/// What a key takes in the map beside its text and its values.
const ENTRY_BYTES: usize = size_of::<Told>();

/// A row to be sent.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: KeyText,
    /// As it was read, in COPY's text format.
    pub(crate) line: Bytes,
    /// What the stream has told of it since.
    pub(crate) told: Option<Partly>,
}

/// What the stream has told of a row, without the large values that did not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partly {
    /// By column: none where it was not told, else its value, which may be null.
    values: Vec<Option<Option<Box<[u8]>>>>,
    /// Where it was told last.
    pub(crate) commit: Lsn,
}

impl Partly {
    pub(crate) fn new<'v>(values: impl IntoIterator<Item = Value<'v>>, commit: Lsn) -> Self {
        let own = |value| match value {
            Value::Unchanged => None,
            Value::Null => Some(None),
            Value::Text(text) | Value::Binary(text) => Some(Some(text.into())),
        };
        Partly { values: values.into_iter().map(own).collect(), commit }
    }

    /// The value of a column, where it was told.
    pub(crate) fn value(&self, column: usize) -> Option<Value<'_>> {
        let value = self.values.get(column)?.as_ref()?;
        Some(value.as_deref().map_or(Value::Null, Value::Text))
    }

    /// Takes what was told later.
    fn take(&mut self, later: Partly) {
        for (value, later) in self.values.iter_mut().zip(later.values) {
            if later.is_some() {
                *value = later;
            }
        }
        self.commit = later.commit;
    }

    fn bytes(&self) -> usize {
        let texts: usize = self.values.iter().flatten().flatten().map(|text| text.len()).sum();
        texts + self.values.len() * size_of::<Option<Option<Box<[u8]>>>>()
    }
}

/// What the stream has told of a key.
#[derive(Debug)]
enum Told {
    /// The whole row, or that there is none: nothing that was read of it is to be sent.
    Whole,
    Partly(Partly),
}

/// The window of one chunk.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Before the rows are there: what the stream has told.
    told: HashMap<KeyText, Told>,
    /// The rows in their order; none where one was left out or sent.
    rows: Vec<Option<Row>>,
    /// Where in `rows` a key is.
    places: HashMap<KeyText, usize>,
    /// How many of `rows` were sent or passed over.
    passed: usize,
    is_filled: bool,
    /// How much is noted, of so many keys: each counts once, however often it is told.
    noted_bytes: usize,
    noted_keys: usize,
    noted_bytes_max: usize,
    /// Before the rows are there: whether it was too much, so that it was forgotten, and the rows are to be read anew.
    is_overfull: bool,
}

impl Window {
    /// In which so much may be noted.
    pub(crate) fn new(noted_bytes_max: usize) -> Self {
        Window { noted_bytes_max, ..Window::default() }
    }

    /// The stream tells the whole row of a key, or that it is gone.
    pub(crate) fn told(&mut self, key: KeyText) {
        if is_on(Sabotage::IgnoreWindow) || self.is_overfull {
            return;
        }
        if self.is_filled {
            self.leave_out(&key);
            return;
        }
        let bytes = key.bytes() + ENTRY_BYTES;
        match self.told.insert(key, Told::Whole) {
            None => self.weigh(0, bytes),
            Some(Told::Whole) => {}
            Some(Told::Partly(partly)) => self.weigh(bytes + partly.bytes(), bytes),
        }
        self.relieve();
    }

    /// The stream tells the row of a key without some of its values.
    pub(crate) fn partly_told(&mut self, key: KeyText, partly: Partly) {
        if self.is_overfull {
            return;
        }
        if self.is_filled {
            if let Some(Some(row)) = self.row(&key) {
                let before = row.told.as_ref().map_or(0, Partly::bytes);
                note(&mut row.told, partly);
                let after = row.told.as_ref().map_or(0, Partly::bytes);
                self.weigh(before, after);
            }
            return;
        }
        let key_bytes = key.bytes() + ENTRY_BYTES;
        let (before, after) = match self.told.entry(key) {
            Entry::Vacant(entry) => {
                let bytes = key_bytes + partly.bytes();
                entry.insert(Told::Partly(partly));
                (0, bytes)
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                // The rest of it was told before.
                Told::Whole => (key_bytes, key_bytes),
                Told::Partly(told) => {
                    let before = told.bytes();
                    told.take(partly);
                    (key_bytes + before, key_bytes + told.bytes())
                }
            },
        };
        self.weigh(before, after);
        self.relieve();
    }

    /// What is noted of a key takes `after` bytes instead of `before`.
    fn weigh(&mut self, before: usize, after: usize) {
        self.noted_bytes = (self.noted_bytes + after).saturating_sub(before);
        self.noted_keys = (self.noted_keys + usize::from(after > 0)).saturating_sub(usize::from(before > 0));
    }

    /// Forgets what is noted once it is too much: the rows will be read anew, and they may be long in coming.
    fn relieve(&mut self) {
        if self.is_full() {
            (self.told, self.is_overfull) = (HashMap::new(), true);
        }
    }

    fn row(&mut self, key: &KeyText) -> Option<&mut Option<Row>> {
        let place = *self.places.get(key)?;
        self.rows.get_mut(place)
    }

    /// Takes the rows that were read, but for those that the stream has told whole.
    pub(crate) fn fill(&mut self, rows: impl IntoIterator<Item = (KeyText, Bytes)>) {
        self.is_filled = true;
        (self.noted_bytes, self.noted_keys) = (0, 0);
        for (key, line) in rows {
            let told = match self.told.remove(&key) {
                Some(Told::Whole) => continue,
                Some(Told::Partly(partly)) => Some(partly),
                None => None,
            };
            self.weigh(0, told.as_ref().map_or(0, Partly::bytes));
            self.places.insert(key.clone(), self.rows.len());
            self.rows.push(Some(Row { key, line, told }));
        }
        self.told = HashMap::new();
    }

    /// Whether the rows are there.
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled
    }

    /// Whether so much was noted that no more should be: before the rows are there they are to be read anew, afterwards to be sent soon.
    ///
    /// Not with what is noted of one key alone: that is no more than the event has which told it, and a chunk of one row is not to be given up.
    pub(crate) fn is_full(&self) -> bool {
        self.is_overfull || (self.noted_keys > 1 && self.noted_bytes > self.noted_bytes_max)
    }

    /// The next row to be sent.
    pub(crate) fn next_row(&mut self) -> Option<Row> {
        while let Some(place) = self.rows.get_mut(self.passed) {
            self.passed += 1;
            if let Some(row) = place.take() {
                self.weigh(row.told.as_ref().map_or(0, Partly::bytes), 0);
                return Some(row);
            }
        }
        None
    }

    /// Leaves a row out, and says whether it was still there to be sent.
    pub(crate) fn leave_out(&mut self, key: &KeyText) -> bool {
        let Some(row) = self.row(key).and_then(Option::take) else { return false };
        self.weigh(row.told.as_ref().map_or(0, Partly::bytes), 0);
        true
    }
}

fn note(told: &mut Option<Partly>, later: Partly) {
    match told {
        Some(told) => told.take(later),
        None => *told = Some(later),
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
