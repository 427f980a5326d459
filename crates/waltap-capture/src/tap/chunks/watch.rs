//! What the stream notes for tables that are read in chunks: which rows it tells of, and which have still to be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use waltap_event::TableShape;
use waltap_pgoutput::{Lsn, OldRow, Tuple, Value};

use super::key_text::KeyText;
use super::ring::{Mark, Ring};
use super::window::{Partly, Row, Window};
use crate::sabotage::{Sabotage, is_on};

/// How many keys of a table may wait to be read again. They stand in the table's progress record, which is to stay small.
const AGAIN_MAX: usize = 10_000;

/// The values of a key's columns.
pub(crate) type Key = Vec<String>;

/// What a change does to a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch<'a> {
    pub(crate) oid: u32,
    pub(crate) old: Option<OldRow<'a>>,
    pub(crate) new: Option<Tuple<'a>>,
    pub(crate) commit: Lsn,
}

/// What the stream notes of all tables.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) ring: Ring,
    /// Those that are read in chunks now: few.
    tables: Vec<Watched>,
    window: Option<OpenWindow>,
    /// Tables of these that were emptied.
    emptied: Vec<u32>,
}

/// A table that is read in chunks.
struct Watched {
    oid: u32,
    /// The names of the key's columns.
    key: Arc<[String]>,
    layout: Option<Layout>,
    /// Keys of rows whose large values nobody was told: under another key they had not been read, and under this one they are not read any more.
    again: BTreeSet<Key>,
    /// Those of them that are being read.
    reading: Vec<Key>,
    /// Whether progress has other keys than these.
    is_new: bool,
    /// Whether there were more of them than may wait, or one that cannot be named.
    is_over: bool,
}

struct OpenWindow {
    oid: u32,
    /// The columns of the chunk's rows.
    columns: Arc<[String]>,
    window: Window,
    /// Whether something was told of a key that is not known.
    is_spoiled: bool,
}

/// Where the columns of the key are in the rows of the stream.
struct Layout {
    shape: Arc<TableShape>,
    key: Option<Vec<usize>>,
}

impl Watched {
    /// Where the key is in rows of such a shape; `None` where some of it is not.
    fn key_places(&mut self, shape: &Arc<TableShape>) -> Option<Vec<usize>> {
        if self.layout.as_ref().is_none_or(|layout| !Arc::ptr_eq(&layout.shape, shape)) {
            let place = |name: &String| shape.columns.iter().position(|column| column.name == *name);
            let key = self.key.iter().map(place).collect();
            self.layout = Some(Layout { shape: Arc::clone(shape), key });
        }
        self.layout.as_ref().and_then(|layout| layout.key.clone())
    }

    /// Notes a key to be read. Says whether progress has to be told.
    fn read_again(&mut self, key: &KeyText) -> bool {
        if is_on(Sabotage::ForgetUnchanged) {
            return false;
        }
        match key.values() {
            Some(values) if self.again.len() < AGAIN_MAX => drop(self.again.insert(values)),
            _ => self.is_over = true,
        }
        self.is_new = true;
        true
    }

    /// The whole row of a key was told, or that there is none.
    fn told(&mut self, open: Option<&mut OpenWindow>, key: &KeyText) {
        if let Some(open) = open {
            open.window.told(key.clone());
        }
        if self.again.is_empty() && self.reading.is_empty() {
            return;
        }
        if let Some(values) = key.values() {
            // Progress may keep it: it is read once too often then.
            self.again.remove(&values);
            self.reading.retain(|reading| *reading != values);
        }
    }
}

impl Watch {
    /// Whether no table is read in chunks.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.tables.is_empty()
    }

    /// Begins to note what is told of a table. What was noted of it by the same key is not forgotten.
    pub(crate) fn open_table(&mut self, oid: u32, key: Arc<[String]>, again: impl IntoIterator<Item = Key>) {
        let before = self.tables.iter().position(|table| table.oid == oid && table.key == key);
        let before = before.map(|place| self.tables.swap_remove(place));
        self.close_table(oid);
        let mut table = Watched {
            oid,
            key,
            layout: None,
            again: again.into_iter().collect(),
            reading: Vec::new(),
            is_new: false,
            is_over: false,
        };
        if let Some(before) = before {
            table.again.extend(before.again.into_iter().chain(before.reading));
            (table.is_new, table.is_over) = (before.is_new, before.is_over);
        }
        self.tables.push(table);
    }

    /// Whether it is noted what is told of a table by this key.
    pub(crate) fn has_table(&self, oid: u32, key: &[String]) -> bool {
        self.tables.iter().any(|table| table.oid == oid && *table.key == *key)
    }

    /// Ends it.
    pub(crate) fn close_table(&mut self, oid: u32) {
        self.tables.retain(|table| table.oid != oid);
        self.emptied.retain(|emptied| *emptied != oid);
        if self.window.as_ref().is_some_and(|open| open.oid == oid) {
            self.window = None;
        }
    }

    /// Notes a change. Says whether there is a key to be read that progress does not know of: the slot may not pass the change before it does.
    pub(crate) fn touch(&mut self, touch: &Touch<'_>, shape: &Arc<TableShape>) -> bool {
        let Some(table) = self.tables.iter_mut().find(|table| table.oid == touch.oid) else { return false };
        let mut open = self.window.as_mut().filter(|open| open.oid == touch.oid);
        let Some(change) = table.key_places(shape).and_then(|places| Change::read(touch, &places)) else {
            return open.is_some_and(|open| open.spoil(table));
        };
        if let Some(old) = &change.gone {
            table.told(open.as_deref_mut(), old);
        }
        let Some(new) = change.new else { return false };
        if !change.is_partial {
            table.told(open, &new);
            return false;
        }
        match open {
            // Its large values are in the topic under the old key, if at all.
            _ if change.gone.is_some() => {}
            None => return false,
            Some(ref mut open) if shape.columns.iter().map(|column| &column.name).eq(open.columns.iter()) => {
                open.window.partly_told(new, Partly::new(change.values, touch.commit));
                return false;
            }
            // What was told cannot be put in the place of what was read.
            Some(_) => {}
        }
        let may_be_read = open.is_some_and(|open| {
            let is_there = !open.window.is_filled() || open.window.leave_out(&new);
            open.window.told(new.clone());
            is_there
        });
        // Otherwise the chunk has no such row, or it was told already.
        (may_be_read || change.gone.is_some()) && table.read_again(&new)
    }

    /// Notes that a table was emptied: of what was read of it nothing is to be sent any more, and what it holds since is told.
    pub(crate) fn empty(&mut self, oid: u32) {
        if self.tables.iter().any(|table| table.oid == oid) {
            if self.window.as_ref().is_some_and(|open| open.oid == oid) {
                self.window = None;
            }
            self.emptied.push(oid);
        }
    }

    /// The tables that were emptied since this was asked last.
    pub(crate) fn take_emptied(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.emptied)
    }

    /// Opens the window of a chunk that is about to be read, with rows of such columns. So much may be noted in it.
    pub(crate) fn open_window(&mut self, oid: u32, columns: Arc<[String]>, noted_bytes_max: usize) -> Mark {
        self.window = Some(OpenWindow { oid, columns, window: Window::new(noted_bytes_max), is_spoiled: false });
        self.ring.mark()
    }

    /// Whether a window is open.
    pub(crate) fn has_window(&self) -> bool {
        self.window.is_some()
    }

    /// Takes the rows of the chunk. Says whether they can be sent; otherwise the window is closed, and they are to be read again.
    pub(crate) fn fill_window(&mut self, rows: impl IntoIterator<Item = (KeyText, Bytes)>) -> bool {
        match &mut self.window {
            Some(open) if !open.is_spoiled && !open.window.is_full() => {
                open.window.fill(rows);
                true
            }
            _ => {
                self.window = None;
                false
            }
        }
    }

    /// Whether so much is noted that the rows are to be sent at once.
    pub(crate) fn is_pressed(&self) -> bool {
        self.window.as_ref().is_some_and(|open| open.window.is_filled() && open.window.is_full())
    }

    /// The next row to be sent. One that waited to be read again does so no more.
    pub(crate) fn next_row(&mut self) -> Option<Row> {
        let open = self.window.as_mut()?;
        let row = open.window.next_row()?;
        let oid = open.oid;
        if let Some(table) = self.tables.iter_mut().find(|table| table.oid == oid)
            && !table.again.is_empty()
            && let Some(values) = row.key.values()
        {
            table.again.remove(&values);
        }
        Some(row)
    }

    pub(crate) fn close_window(&mut self) {
        self.window = None;
    }

    /// Takes some of the keys that are to be read again.
    pub(crate) fn begin_again(&mut self, oid: u32, most: usize) -> Vec<Key> {
        let Some(table) = self.tables.iter_mut().find(|table| table.oid == oid) else { return Vec::new() };
        while table.reading.len() < most
            && let Some(key) = table.again.pop_first()
        {
            table.reading.push(key);
        }
        table.reading.clone()
    }

    /// The keys that were taken last were read, or not.
    pub(crate) fn end_again(&mut self, oid: u32, were_read: bool) {
        if let Some(table) = self.tables.iter_mut().find(|table| table.oid == oid) {
            let reading = std::mem::take(&mut table.reading);
            if !were_read {
                table.again.extend(reading);
            }
        }
    }

    /// The keys that are still to be read.
    pub(crate) fn again(&self, oid: u32) -> Vec<Key> {
        let table = self.tables.iter().find(|table| table.oid == oid);
        table.map(|table| table.again.iter().chain(&table.reading).cloned().collect()).unwrap_or_default()
    }

    /// Whether any are.
    pub(crate) fn has_again(&self, oid: u32) -> bool {
        self.tables.iter().any(|table| table.oid == oid && !(table.again.is_empty() && table.reading.is_empty()))
    }

    /// Whether progress is to be told of keys.
    pub(crate) fn has_news(&self, oid: u32) -> bool {
        self.tables.iter().any(|table| table.oid == oid && table.is_new)
    }

    /// Progress is being told.
    pub(crate) fn take_news(&mut self, oid: u32) {
        self.tables.iter_mut().filter(|table| table.oid == oid).for_each(|table| table.is_new = false);
    }

    /// Whether the table is to be read from its beginning, since it is not known any more what of it is to be read again.
    pub(crate) fn is_over(&self, oid: u32) -> bool {
        self.tables.iter().any(|table| table.oid == oid && table.is_over)
    }
}

impl OpenWindow {
    /// Something was told of a key that is not known: the chunk is read anew, or, when some of it was sent, the rest of it by its keys. Says whether
    /// there are such keys.
    fn spoil(&mut self, table: &mut Watched) -> bool {
        if !self.window.is_filled() {
            self.is_spoiled = true;
            return false;
        }
        let mut is_new = false;
        while let Some(row) = self.window.next_row() {
            is_new |= table.read_again(&row.key);
        }
        is_new
    }
}

/// What a change tells of rows.
struct Change<'a> {
    /// A key that no row has any more.
    gone: Option<KeyText>,
    /// The key of the row that is there now.
    new: Option<KeyText>,
    /// Its values.
    values: Vec<Value<'a>>,
    /// Whether some of them were left out.
    is_partial: bool,
}

impl<'a> Change<'a> {
    /// `None` where a key is not told: a large value of it did not change, and was left out.
    fn read(touch: &Touch<'a>, key: &[usize]) -> Option<Self> {
        let old: Vec<Value<'a>> = touch.old.iter().flat_map(|old| old.tuple()).collect();
        let key_of = |row: &[Value<'a>]| {
            let text = |place: &usize| match row.get(*place) {
                Some(Value::Text(text) | Value::Binary(text)) => Some(*text),
                _ => None,
            };
            key.iter().map(text).collect::<Option<Vec<&[u8]>>>().map(KeyText::new)
        };
        let old_key = match touch.old {
            Some(_) => Some(key_of(&old)?),
            None => None,
        };
        let Some(new) = touch.new else {
            return Some(Change { gone: old_key, new: None, values: Vec::new(), is_partial: false });
        };
        // Where the old row came along, what is left out of the new one is in there; of its key at least.
        let is_full = matches!(touch.old, Some(OldRow::Full(_)));
        let in_full = |(place, value): (usize, Value<'a>)| match (value, old.get(place)) {
            (Value::Unchanged, Some(old)) if is_full || key.contains(&place) => *old,
            _ => value,
        };
        let values: Vec<Value<'a>> = new.iter().enumerate().map(in_full).collect();
        let new_key = key_of(&values)?;
        let is_partial = values.contains(&Value::Unchanged);
        Some(Change { gone: old_key.filter(|old| *old != new_key), new: Some(new_key), values, is_partial })
    }
}
