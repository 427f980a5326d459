//! Reading fields off the front of a frame.

use crate::{Error, Lsn, Malformed, PgTime};

/// A frame and how far it has been read. The names of fields are for errors alone.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    frame: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(frame: &'a [u8]) -> Self {
        Reader { frame, offset: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// What has been read since `start`, an earlier [`Reader::offset`].
    pub(crate) fn read_since(&self, start: usize) -> &'a [u8] {
        self.frame.get(start..self.offset).unwrap_or_default()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.unread();
        self.offset = self.frame.len();
        rest
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.unread().is_empty()
    }

    /// Ends the message: nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.unread().len() {
            0 => Ok(()),
            count => Err(self.error(self.offset, Malformed::TrailingBytes { count })),
        }
    }

    pub(crate) fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Error> {
        let Some((bytes, _)) = self.unread().split_at_checked(count) else {
            // The first byte that is missing is the one past the end of the frame.
            return Err(self.error(self.frame.len(), Malformed::Truncated { field }));
        };
        self.offset += count;
        Ok(bytes)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Error> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, Error> {
        self.array(field).map(i32::from_be_bytes)
    }

    /// A length or a count: an `Int32` that may not be negative.
    pub(crate) fn length(&mut self, field: &'static str) -> Result<usize, Error> {
        let start = self.offset;
        let found = self.i32(field)?;
        usize::try_from(found).map_err(|_| self.error(start, Malformed::Unexpected { field, expected: "zero or more", found }))
    }

    pub(crate) fn lsn(&mut self, field: &'static str) -> Result<Lsn, Error> {
        self.array(field).map(|bytes| Lsn(u64::from_be_bytes(bytes)))
    }

    pub(crate) fn time(&mut self, field: &'static str) -> Result<PgTime, Error> {
        self.array(field).map(|bytes| PgTime(i64::from_be_bytes(bytes)))
    }

    /// A string that ends with a zero byte, which is not part of it.
    pub(crate) fn string(&mut self, field: &'static str) -> Result<&'a str, Error> {
        let start = self.offset;
        let Some(length) = self.unread().iter().position(|byte| *byte == 0) else {
            return Err(self.error(self.frame.len(), Malformed::Unterminated { field }));
        };
        let bytes = self.bytes(length, field)?;
        self.offset += 1;
        str::from_utf8(bytes).map_err(|invalid| self.error(start + invalid.valid_up_to(), Malformed::NotUtf8 { field }))
    }

    /// The error for the byte that was read last, which is none of those allowed.
    #[cold]
    pub(crate) fn unexpected(&self, found: u8, field: &'static str, expected: &'static str) -> Error {
        self.error(self.offset.saturating_sub(1), Malformed::Unexpected { field, expected, found: i32::from(found) })
    }

    /// The error for a tag that names no message.
    #[cold]
    pub(crate) fn unknown_tag(&self) -> Error {
        self.error(0, Malformed::UnknownTag)
    }

    #[cold]
    fn error(&self, offset: usize, what: Malformed) -> Error {
        Error { tag: self.frame.first().copied(), offset, what }
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let Some(array) = self.unread().first_chunk::<N>() else {
            return Err(self.error(self.frame.len(), Malformed::Truncated { field }));
        };
        self.offset += N;
        Ok(*array)
    }

    /// What is left, which stays there.
    #[inline]
    pub(crate) fn unread(&self) -> &'a [u8] {
        self.frame.get(self.offset..).unwrap_or_default()
    }
}
