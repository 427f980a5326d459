//! hstore in the order of a Java `HashMap`, which is the order in which Debezium writes it.

use std::ops::Range;

use super::jackson::{write_escaped, write_string};
use crate::text::{hstore, unescape};

/// The smallest table of a `HashMap`, and how full one may be: three quarters.
const TABLE_MIN: usize = 16;

/// Working space, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// Keys and values without their escapes, one after the other.
    text: Vec<u8>,
    entries: Vec<Entry>,
    json: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Entry {
    hash: u32,
    key: Range<usize>,
    value: Option<Range<usize>>,
}

impl Scratch {
    pub(super) fn give_back_memory(&mut self) {
        *self = Scratch::default();
    }

    /// The largest that a buffer is.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity().max(self.json.capacity()).max(self.entries.capacity() * size_of::<Entry>())
    }

    /// Appends an hstore as an object. False, and nothing: the text is not that of one.
    pub(super) fn write_object(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.read(text) {
            return false;
        }
        write_entries(&self.text, &self.entries, true, out);
        true
    }

    /// Appends an hstore as a string that holds JSON.
    pub(super) fn write_document(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.read(text) {
            return false;
        }
        self.json.clear();
        write_entries(&self.text, &self.entries, false, &mut self.json);
        write_string(&self.json, out);
        true
    }

    fn read(&mut self, text: &[u8]) -> bool {
        self.text.clear();
        self.entries.clear();
        let mut pairs = hstore::Pairs::new(text);
        loop {
            let (key, value) = match pairs.next_pair() {
                Ok(Some(pair)) => pair,
                Ok(None) => break,
                Err(hstore::Malformed) => return false,
            };
            let key = self.keep(key);
            let value = value.map(|value| self.keep(value));
            let hash = self.text.get(key.clone()).map_or(0, java_hash);
            self.entries.push(Entry { hash, key, value });
        }
        let mut table = Table::default();
        table.grow(self.entries.len());
        // Within a bucket the order is that of insertion. Java makes a tree of one with more than eight entries; its order is not rebuilt.
        self.entries.sort_by_key(|entry| entry.hash as usize & (table.0 - 1));
        true
    }

    fn keep(&mut self, quoted: hstore::Quoted<'_>) -> Range<usize> {
        let start = self.text.len();
        if quoted.escapes {
            unescape(quoted.text, &mut self.text);
        } else {
            self.text.extend_from_slice(quoted.text);
        }
        start..self.text.len()
    }
}

fn write_entries(text: &[u8], entries: &[Entry], to_bytes: bool, out: &mut Vec<u8>) {
    let quoted = |place: &Range<usize>, out: &mut Vec<u8>| {
        out.push(b'"');
        write_escaped(text.get(place.clone()).unwrap_or_default(), to_bytes, out);
        out.push(b'"');
    };
    out.push(b'{');
    for (index, Entry { key, value, .. }) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quoted(key, out);
        out.push(b':');
        match value {
            Some(value) => quoted(value, out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

/// A table of a `HashMap` that has grown to hold so many entries at once; it does not shrink.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table(usize);

impl Default for Table {
    fn default() -> Self {
        Table(TABLE_MIN)
    }
}

impl Table {
    /// Makes room.
    pub(super) fn grow(&mut self, entries: usize) {
        while entries > self.0 / 4 * 3 {
            self.0 *= 2;
        }
    }

    /// Where a key comes in the map's order. Keys of one place come in the order in which they were put there.
    pub(super) fn place(self, key: &str) -> usize {
        java_hash(key.as_bytes()) as usize & (self.0 - 1)
    }
}

/// `String.hashCode`, spread as `HashMap` does. What is not UTF-8 does not come here.
fn java_hash(text: &[u8]) -> u32 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        // jshell> "key".hashCode(), "Ünïcode 😀".hashCode()
        assert_eq!(java_hash(b"key"), 106_079 ^ (106_079 >> 16));
        let hash = (-671_399_495_i32).cast_unsigned();
        assert_eq!(java_hash("Ünïcode 😀".as_bytes()), hash ^ (hash >> 16));
        assert_eq!(java_hash(b""), 0);
    }

    fn order(keys: &[&str]) -> Vec<String> {
        let text = keys.iter().map(|key| format!("\"{key}\"=>NULL")).collect::<Vec<_>>().join(", ");
        let mut scratch = Scratch::default();
        assert!(scratch.read(text.as_bytes()));
        scratch.entries.iter().map(|entry| String::from_utf8(scratch.text[entry.key.clone()].to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_order_is_that_of_a_hash_map() {
        // What `new HashMap<>()` gave, filled in this order.
        let keys = ["zebra", "a", "Aa", "BB", "é", "😀", "key 1", "", "b", "name"];
        assert_eq!(order(&keys), ["zebra", "Aa", "BB", "", "a", "b", "key 1", "😀", "name", "é"]);
        let many: Vec<String> = (0..13).map(|number| format!("k{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(order(&many[..12]), ["k0", "k1", "k2", "k3", "k4", "k5", "k11", "k6", "k10", "k7", "k8", "k9"]);
        assert_eq!(order(&many), ["k0", "k1", "k2", "k3", "k4", "k5", "k11", "k6", "k10", "k7", "k8", "k12", "k9"]);
    }
}
