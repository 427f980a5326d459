//! Lines of COPY's text format. Pure: bytes in, borrowed values out.

use std::fmt;

use waltap_pgoutput::Value;

/// Parts what COPY sent into its rows. A line break inside a value is escaped, so each one ends a row; `\.` ends the data and is no row.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &[][..]),
        };
        rest = after;
        Some(line)
    })
    .filter(|line| *line != br"\.")
}

/// A line is not a row of the expected width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// How many columns the row should have.
    pub expected: usize,
    /// How many it has.
    pub found: usize,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a copied row has {} columns where {} were asked for", self.found, self.expected)
    }
}

impl std::error::Error for RowError {}

/// Parses rows of one width into buffers that it keeps.
#[derive(Debug)]
pub struct RowParser {
    columns: usize,
    fields: Vec<Field>,
    /// Values that had escapes, with these undone, one behind the other.
    unescaped: Vec<u8>,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug)]
enum Field {
    Null,
    /// In the line as it came.
    Line {
        start: usize,
        end: usize,
    },
    /// In the buffer of unescaped values.
    Unescaped {
        start: usize,
        end: usize,
    },
}

/// A parsed row.
#[derive(Clone, Copy, Debug)]
pub struct CopyRow<'a> {
    line: &'a [u8],
    unescaped: &'a [u8],
    fields: &'a [Field],
}

/// The values of a [`CopyRow`]: [`Value::Null`] or [`Value::Text`].
#[derive(Clone, Debug)]
pub struct CopyValues<'a> {
    row: CopyRow<'a>,
    next: usize,
}

impl RowParser {
    /// A parser for rows of so many columns.
    pub fn new(columns: usize) -> Self {
        RowParser { columns, fields: Vec::with_capacity(columns), unescaped: Vec::new() }
    }

    /// Parses one line, with or without its line break.
    pub fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<CopyRow<'a>, RowError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        self.fields.clear();
        self.unescaped.clear();
        // An empty line is one empty value, or a row of a table without columns.
        if !(line.is_empty() && self.columns == 0) {
            let mut start = 0;
            // A tab inside a value is escaped, so each one parts two values, and only a few lines have a backslash at all.
            let escapes = memchr::memchr(b'\\', line).is_some();
            for end in memchr::memchr_iter(b'\t', line).chain(std::iter::once(line.len())) {
                let field = match escapes {
                    true => self.field(line, start, end),
                    false => Field::Line { start, end },
                };
                self.fields.push(field);
                start = end + 1;
            }
        }
        match self.fields.len() == self.columns {
            true => Ok(CopyRow { line, unescaped: &self.unescaped, fields: &self.fields }),
            false => Err(RowError { expected: self.columns, found: self.fields.len() }),
        }
    }

    fn field(&mut self, line: &[u8], start: usize, end: usize) -> Field {
        let raw = &line[start..end];
        if raw == br"\N" {
            return Field::Null;
        }
        match memchr::memchr(b'\\', raw) {
            None => Field::Line { start, end },
            Some(first) => {
                let start = self.unescaped.len();
                unescape(raw, first, &mut self.unescaped);
                Field::Unescaped { start, end: self.unescaped.len() }
            }
        }
    }
}

impl<'a> CopyRow<'a> {
    /// How many columns it has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no columns.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The value of a column.
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        let value = match *self.fields.get(index)? {
            Field::Null => Value::Null,
            Field::Line { start, end } => Value::Text(&self.line[start..end]),
            Field::Unescaped { start, end } => Value::Text(&self.unescaped[start..end]),
        };
        Some(value)
    }

    /// Its values in order.
    pub fn iter(&self) -> CopyValues<'a> {
        CopyValues { row: *self, next: 0 }
    }
}

impl<'a> IntoIterator for CopyRow<'a> {
    type Item = Value<'a>;
    type IntoIter = CopyValues<'a>;

    fn into_iter(self) -> CopyValues<'a> {
        self.iter()
    }
}

impl<'a> Iterator for CopyValues<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.row.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for CopyValues<'_> {}

/// Appends `raw` with its escapes undone as COPY FROM undoes them; `first` is the place of the first backslash.
fn unescape(raw: &[u8], first: usize, into: &mut Vec<u8>) {
    let mut rest = raw;
    let mut backslash = Some(first);
    while let Some(at) = backslash {
        into.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let (byte, taken) = escaped_byte(rest);
        into.push(byte);
        rest = &rest[taken..];
        backslash = memchr::memchr(b'\\', rest);
    }
    into.extend_from_slice(rest);
}

/// What the text after a backslash stands for, and how much of it that takes.
fn escaped_byte(text: &[u8]) -> (u8, usize) {
    match *text {
        // A backslash at the very end stands for itself.
        [] => (b'\\', 0),
        [b'b', ..] => (0x08, 1),
        [b'f', ..] => (0x0c, 1),
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'v', ..] => (0x0b, 1),
        [b'0'..=b'7', ..] => {
            let digits = leading(text, 3, |byte| matches!(byte, b'0'..=b'7'));
            (number(digits, 8), digits.len())
        }
        [b'x', ref after @ ..] => match leading(after, 2, |byte| byte.is_ascii_hexdigit()) {
            [] => (b'x', 1),
            digits => (number(digits, 16), 1 + digits.len()),
        },
        [other, ..] => (other, 1),
    }
}

fn leading(text: &[u8], most: usize, wanted: impl Fn(u8) -> bool) -> &[u8] {
    let count = text.iter().take(most).take_while(|byte| wanted(**byte)).count();
    &text[..count]
}

/// The low eight bits of a number: `\777` wraps in PostgreSQL too.
fn number(digits: &[u8], radix: u32) -> u8 {
    let value =
        digits.iter().filter_map(|digit| char::from(*digit).to_digit(radix)).fold(0, |value, digit| value * radix + digit);
    (value & 0xff) as u8
}
