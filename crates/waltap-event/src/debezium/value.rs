//! Values.

use super::conversion::Conversion;
use super::decimal::Decimal;
use super::jackson::{write_f32_text, write_f64_text, write_string, write_string_checked};
use super::options::{BinaryHandling, DecimalHandling, HstoreHandling, IntervalHandling};
use super::{conversion::MONEY_SCALE, geometry, java_map, temporal};
use crate::json::base64::{self, Alphabet};
use crate::json::{hexadecimal, number};
use crate::native::NotUtf8;
use crate::native::value::is_utf8;
use crate::record::shrink;
use crate::text::array::{self, Token};
use crate::text::{bytea, interval, money, unescape};

/// Above this, working space is given back.
const SCRATCH_KEPT_BYTES_MAX: usize = 1 << 20;

/// Writes values. Its working space is used again from value to value.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueWriter {
    /// For elements of arrays without their escapes, and for money.
    text: Vec<u8>,
    geometry: geometry::Scratch,
    hstore: java_map::Scratch,
}

impl ValueWriter {
    /// Appends the JSON of a value: as its conversion has it, or else its text in a string. Either the whole of it or, on an error, nothing.
    #[inline]
    pub(super) fn write(&mut self, conversion: &Conversion, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotUtf8> {
        if matches!(conversion, Conversion::Text) {
            return write_string_checked(text, out);
        }
        // What these accept is ASCII, so that the check for UTF-8 can be left out.
        if self.write_plain(conversion, text, out) {
            return Ok(());
        }
        if !is_utf8(text) {
            return Err(NotUtf8);
        }
        self.write_utf8(conversion, text, out);
        Ok(())
    }

    /// As [`ValueWriter::write`], for text that is known to be UTF-8.
    fn write_utf8(&mut self, conversion: &Conversion, text: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let written = match conversion {
            Conversion::Text => false,
            Conversion::Hstore(HstoreHandling::Json) => self.hstore.write_document(text, out),
            Conversion::Hstore(HstoreHandling::Map) => self.hstore.write_object(text, out),
            Conversion::Array { element, delimiter } => self.write_array(element, *delimiter, text, out).is_ok(),
            other => self.write_plain(other, text, out),
        };
        if !written {
            out.truncate(start);
            write_string(text, out);
        }
    }

    /// Writes what has no text in it. Gives false, and appends nothing, for others and for what is not as its type promises.
    pub(super) fn write_plain(&mut self, conversion: &Conversion, text: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let written = self.try_plain(conversion, text, out).is_some();
        if !written {
            out.truncate(start);
        }
        written
    }

    fn try_plain(&mut self, conversion: &Conversion, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match conversion {
            Conversion::Omitted | Conversion::Text | Conversion::Hstore(_) | Conversion::Array { .. } => return None,
            Conversion::Boolean => write_truth(text, [b"t", b"f"], out)?,
            Conversion::Bit => write_truth(text, [b"1", b"0"], out)?,
            Conversion::Integer if number::is_integer(text) => out.extend_from_slice(text),
            Conversion::Integer => return None,
            Conversion::Float => write_f32_text(text, out)?,
            Conversion::Double | Conversion::DecimalDouble => write_f64_text(text, out)?,
            Conversion::Bits => write_bits(text, out)?,
            Conversion::Decimal { scale } => Decimal::parse(text)?.write_scaled(*scale, out).then_some(())?,
            Conversion::VariableDecimal => Decimal::parse(text)?.write_with_scale(out),
            Conversion::DecimalText { .. } => write_decimal_text(text, out)?,
            Conversion::Money(handling) => self.write_money(*handling, text, out)?,
            Conversion::Bytea(handling) => write_bytea(*handling, text, out)?,
            Conversion::TextBytes(handling) => write_bytes(*handling, text, out),
            Conversion::Date => temporal::write_days(text, out)?,
            Conversion::IsoDate => temporal::write_iso_date(text, out)?,
            Conversion::Time(unit) => temporal::write_time(*unit, text, out)?,
            Conversion::IsoTime => temporal::write_iso_time(text, out)?,
            Conversion::Timestamp(unit) => temporal::write_timestamp(*unit, text, out)?,
            Conversion::IsoTimestamp => temporal::write_iso_timestamp(text, out)?,
            Conversion::ZonedTimestamp { digits } => temporal::write_zoned_timestamp(*digits, text, out)?,
            Conversion::ZonedTime => temporal::write_zoned_time(text, out)?,
            Conversion::Interval(IntervalHandling::Numeric) => temporal::write_interval_micros(&interval::interval(text)?, out),
            Conversion::Interval(IntervalHandling::String) => temporal::write_interval_text(&interval::interval(text)?, out),
            Conversion::Shape(shape) => self.geometry.write_shape(*shape, text, out).then_some(())?,
            Conversion::PostGis { extensions } => self.geometry.write_postgis(text, *extensions, out).then_some(())?,
            Conversion::Vector { floats } => geometry::write_vector(text, *floats, out).then_some(())?,
            Conversion::SparseVector => self.geometry.write_sparse_vector(text, out).then_some(())?,
        }
        Some(())
    }

    fn write_money(&mut self, handling: DecimalHandling, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let amount = &mut self.text;
        amount.clear();
        if !money::write_plain(text, amount) {
            return None;
        }
        match handling {
            DecimalHandling::Precise => Decimal::parse(amount)?.write_scaled(MONEY_SCALE, out).then_some(())?,
            DecimalHandling::Double => write_f64_text(amount, out)?,
            DecimalHandling::String => write_string(amount, out),
        }
        Some(())
    }

    fn write_array(
        &mut self,
        element: &Conversion,
        delimiter: u8,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), array::Malformed> {
        let mut lexer = array::Lexer::new(text, delimiter);
        while let Some(token) = lexer.next_token()? {
            match token {
                Token::Open => out.push(b'['),
                Token::Close => out.push(b']'),
                Token::Delimiter => out.push(b','),
                Token::Null => out.extend_from_slice(b"null"),
                Token::Element(text) => self.write_utf8(element, text, out),
                Token::Escaped(quoted) => {
                    let mut text = std::mem::take(&mut self.text);
                    text.clear();
                    unescape(quoted, &mut text);
                    self.write_utf8(element, &text, out);
                    self.text = text;
                }
            }
        }
        Ok(())
    }

    /// Gives back what memory was needed for something large.
    pub(super) fn give_back_memory(&mut self) {
        shrink(&mut self.text);
        if self.geometry.capacity() > SCRATCH_KEPT_BYTES_MAX {
            self.geometry.give_back_memory();
        }
        if self.hstore.capacity() > SCRATCH_KEPT_BYTES_MAX {
            self.hstore.give_back_memory();
        }
    }
}

/// Appends a boolean, written as one of these two.
fn write_truth(text: &[u8], [yes, no]: [&[u8]; 2], out: &mut Vec<u8>) -> Option<()> {
    let truth: &[u8] = match text {
        _ if text == yes => b"true",
        _ if text == no => b"false",
        _ => return None,
    };
    out.extend_from_slice(truth);
    Some(())
}

/// Appends a numeric's digits in a string; what is no number has the names of Debezium's `SpecialValueDecimal`.
fn write_decimal_text(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let special: &[u8] = match text {
        b"NaN" => b"NAN",
        b"Infinity" => b"POSITIVE_INFINITY",
        b"-Infinity" => b"NEGATIVE_INFINITY",
        _ => {
            Decimal::parse(text)?;
            text
        }
    };
    out.push(b'"');
    out.extend_from_slice(special);
    out.push(b'"');
    Some(())
}

/// Appends a bit string as the bytes of a number, low byte first, without the zeros at its end.
fn write_bits(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.iter().all(|bit| matches!(bit, b'0' | b'1')) {
        return None;
    }
    let first = text.iter().position(|bit| *bit == b'1').unwrap_or(text.len());
    let bits = text.get(first..)?;
    out.push(b'"');
    let mut piece = [0; base64::PIECE];
    let mut filled = 0;
    for byte in bits.rchunks(8) {
        let value = byte.iter().fold(0, |value, bit| value << 1 | (bit & 1));
        if filled == piece.len() {
            base64::write_piece(&piece, out);
            filled = 0;
        }
        *piece.get_mut(filled)? = value;
        filled += 1;
    }
    base64::write_piece(piece.get(..filled)?, out);
    out.push(b'"');
    Some(())
}

fn write_bytea(handling: BinaryHandling, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digits = bytea::digits(text)?;
    let mut valid = true;
    out.push(b'"');
    let mut piece = [0; base64::PIECE];
    for digits in digits.chunks(base64::PIECE) {
        let piece = piece.get_mut(..digits.len())?;
        valid &= bytea::decode(digits, piece);
        write_piece(handling, piece, out);
    }
    out.push(b'"');
    valid.then_some(())
}

/// Appends bytes in a string.
pub(super) fn write_bytes(handling: BinaryHandling, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for piece in bytes.chunks(base64::PIECE) {
        write_piece(handling, piece, out);
    }
    out.push(b'"');
}

// Its buffer is not for the values that need none.
#[inline(never)]
fn write_piece(handling: BinaryHandling, piece: &[u8], out: &mut Vec<u8>) {
    match handling {
        BinaryHandling::Bytes | BinaryHandling::Base64 => base64::write_piece(piece, out),
        BinaryHandling::Base64UrlSafe => base64::write_piece_in(Alphabet::UrlSafe, piece, out),
        BinaryHandling::Hex => {
            let mut digits = [[0; 2]; base64::PIECE];
            digits.iter_mut().zip(piece).for_each(|(digits, byte)| *digits = hexadecimal::digits(*byte));
            out.extend_from_slice(digits.get(..piece.len()).unwrap_or_default().as_flattened());
        }
    }
}
