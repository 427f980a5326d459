//! What can be wrong with a message.

use std::fmt;

/// Bytes that are no message of the protocol.
///
/// It holds no byte of a row's values, so it can be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The first byte of the frame, which says what kind of message it is; none if the frame is empty.
    pub tag: Option<u8>,
    /// Where in the frame that was given to `decode` the first byte stands that is wrong or missing.
    pub offset: usize,
    /// What was due there.
    pub what: Malformed,
}

/// The way in which a message is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The tag names no message that is known here.
    UnknownTag,
    /// The frame ends within a field, or before it.
    Truncated {
        /// The field that is cut short.
        field: &'static str,
    },
    /// A string has no terminating zero before the end of the frame.
    Unterminated {
        /// The string's field.
        field: &'static str,
    },
    /// A string is not UTF-8, though that is the encoding that every connection asks for.
    NotUtf8 {
        /// The string's field.
        field: &'static str,
    },
    /// A field has a value that the protocol does not define.
    Unexpected {
        /// The field.
        field: &'static str,
        /// What the protocol allows there.
        expected: &'static str,
        /// What stands there instead.
        found: i32,
    },
    /// The message is complete, and bytes follow it in its frame.
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            Some(tag) => write!(f, "malformed replication message '{}' at byte {}: ", tag.escape_ascii(), self.offset)?,
            None => write!(f, "malformed replication message at byte {}: ", self.offset)?,
        }
        match &self.what {
            Malformed::UnknownTag => f.write_str("no message has this tag"),
            Malformed::Truncated { field } => write!(f, "expected {field}, but the frame ends"),
            Malformed::Unterminated { field } => write!(f, "expected a zero byte after {field}, but the frame ends"),
            Malformed::NotUtf8 { field } => write!(f, "{field} is not UTF-8"),
            Malformed::Unexpected { field, expected, found } => write!(f, "expected {field} to be {expected}, found {found}"),
            Malformed::TrailingBytes { count } => write!(f, "expected the end of the frame, found {count} more bytes"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_which_message_where_and_why() {
        let error = Error { tag: Some(b'I'), offset: 5, what: Malformed::Truncated { field: "column count" } };
        assert_eq!(error.to_string(), "malformed replication message 'I' at byte 5: expected column count, but the frame ends");
        let error = Error { tag: Some(0), offset: 0, what: Malformed::UnknownTag };
        assert_eq!(error.to_string(), r"malformed replication message '\x00' at byte 0: no message has this tag");
    }
}
