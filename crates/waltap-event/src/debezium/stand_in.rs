//! What stands where the server sent no value.

use md5::{Digest, Md5};

use super::conversion::{Conversion, MONEY_SCALE};
use super::decimal::Decimal;
use super::geometry::{self, Shape};
use super::jackson::{write_escaped, write_string};
use super::options::{BinaryHandling, DecimalHandling, HstoreHandling, IntervalHandling, Options};
use crate::json::base64::{self, Alphabet};
use crate::json::hexadecimal;
use crate::json::number::write_i64;
use crate::{BaseType, ExtensionType};

/// The JSON for a large value that an update did not touch.
pub(super) fn unavailable(base: &BaseType, conversion: &Conversion, options: &Options) -> Vec<u8> {
    let bytes = options.unavailable_value.bytes();
    let text = String::from_utf8_lossy(bytes);
    let string = |out: &mut Vec<u8>| write_string(text.as_bytes(), out);
    let mut out = Vec::new();
    match base {
        BaseType::BuiltIn(17) => write_bytes(options.binary, bytes, &mut out),
        _ if *conversion == Conversion::TextBytes(BinaryHandling::Bytes) => base64::write(bytes, &mut out),
        BaseType::Extension(ExtensionType::Hstore) => {
            let mut object = b"{\"".to_vec();
            write_escaped(text.as_bytes(), options.hstore == HstoreHandling::Map, &mut object);
            let end = object.len();
            object.extend_from_slice(b"\":\"");
            object.extend_from_within(2..end);
            object.extend_from_slice(b"\"}");
            match options.hstore {
                HstoreHandling::Map => out = object,
                HstoreHandling::Json => write_string(&object, &mut out),
            }
        }
        BaseType::Array { element, .. } => match **element {
            // text, character, character varying, json, jsonb.
            BaseType::BuiltIn(25 | 1042 | 1043 | 114 | 3802) => in_array(&mut out, string),
            BaseType::BuiltIn(17) => in_array(&mut out, |out| write_bytes(options.binary, bytes, out)),
            BaseType::BuiltIn(2950) => in_array(&mut out, |out| write_uuid(bytes, out)),
            // bigint, integer, date: the bytes, which have signs in Java.
            BaseType::BuiltIn(20 | 23 | 1082) => {
                out.push(b'[');
                for (index, byte) in bytes.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_i64(i64::from(byte.cast_signed()), &mut out);
                }
                out.push(b']');
            }
            _ => string(&mut out),
        },
        _ => string(&mut out),
    }
    out
}

fn in_array(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    write(out);
    out.push(b']');
}

/// As bytea; only that Debezium leaves the placeholder's text alone where bytes become digits.
fn write_bytes(binary: BinaryHandling, bytes: &[u8], out: &mut Vec<u8>) {
    match binary {
        BinaryHandling::Bytes | BinaryHandling::Base64 => base64::write(bytes, out),
        BinaryHandling::Base64UrlSafe => base64::write_in(Alphabet::UrlSafe, bytes, out),
        BinaryHandling::Hex => write_string(String::from_utf8_lossy(bytes).as_bytes(), out),
    }
}

/// Version 3, by the name alone (Java's `UUID.nameUUIDFromBytes`).
fn write_uuid(name: &[u8], out: &mut Vec<u8>) {
    let mut digest: [u8; 16] = Md5::digest(name).into();
    for (place, keep, set) in [(6, 0x0f, 0x30), (8, 0x3f, 0x80)] {
        if let Some(byte) = digest.get_mut(place) {
            *byte = *byte & keep | set;
        }
    }
    out.push(b'"');
    for (place, byte) in digest.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&hexadecimal::digits(*byte));
    }
    out.push(b'"');
}

/// The JSON for a column of a deleted row that is not of the identity, is NOT NULL and has no default: the zero of its type.
pub(super) fn missing(conversion: &Conversion) -> Vec<u8> {
    let mut out = Vec::new();
    let mut shape = |shape: Shape, text: &[u8]| {
        geometry::Scratch::default().write_shape(shape, text, &mut out);
        std::mem::take(&mut out)
    };
    match conversion {
        Conversion::Omitted => Vec::new(),
        Conversion::Boolean | Conversion::Bit => b"false".to_vec(),
        Conversion::Integer | Conversion::Date | Conversion::Time(_) | Conversion::Timestamp(_) => b"0".to_vec(),
        Conversion::Interval(IntervalHandling::Numeric) => b"0".to_vec(),
        Conversion::Interval(IntervalHandling::String) => b"\"P0Y0M0DT0H0M0S\"".to_vec(),
        Conversion::Float | Conversion::Double | Conversion::DecimalDouble | Conversion::Money(DecimalHandling::Double) => {
            b"0.0".to_vec()
        }
        Conversion::Text | Conversion::Bits | Conversion::Bytea(_) | Conversion::TextBytes(_) => b"\"\"".to_vec(),
        Conversion::Decimal { scale } => zero(*scale),
        Conversion::Money(DecimalHandling::Precise) => zero(MONEY_SCALE),
        Conversion::Money(DecimalHandling::String) => b"\"0.00\"".to_vec(),
        Conversion::VariableDecimal => b"{\"scale\":0,\"value\":\"AA==\"}".to_vec(),
        Conversion::DecimalText { scale: ..=0 } => b"\"0\"".to_vec(),
        Conversion::DecimalText { scale } => format!("\"0.{}\"", "0".repeat(scale.unsigned_abs() as usize)).into_bytes(),
        Conversion::IsoDate => b"\"1970-01-01Z\"".to_vec(),
        Conversion::IsoTime | Conversion::ZonedTime => b"\"00:00:00Z\"".to_vec(),
        Conversion::IsoTimestamp | Conversion::ZonedTimestamp { .. } => b"\"1970-01-01T00:00:00Z\"".to_vec(),
        Conversion::Hstore(HstoreHandling::Json) => b"\"{}\"".to_vec(),
        Conversion::Hstore(HstoreHandling::Map) => b"{}".to_vec(),
        Conversion::Vector { .. } | Conversion::Array { .. } => b"[]".to_vec(),
        Conversion::SparseVector => b"{\"dimensions\":0,\"vector\":[]}".to_vec(),
        // Small shapes that are valid; a line's first two coefficients cannot both be zero.
        Conversion::Shape(Shape::Point) => shape(Shape::Point, b"0,0"),
        Conversion::Shape(Shape::Circle) => shape(Shape::Circle, b"0,0,0"),
        Conversion::Shape(Shape::Line) => shape(Shape::Line, b"0,1,0"),
        Conversion::Shape(Shape::Box) => shape(Shape::Box, b"0,0,1,1"),
        Conversion::Shape(Shape::Segment) => shape(Shape::Segment, b"0,0,1,0"),
        // Debezium's zero of a path does not say whether it is closed.
        Conversion::Shape(Shape::Path) => {
            let segment = String::from_utf8_lossy(&shape(Shape::Segment, b"0,0,1,0")).into_owned();
            segment.replace("lseg", "path").into_bytes()
        }
        Conversion::Shape(Shape::Polygon) => shape(Shape::Polygon, b"0,0,1,0,0,1"),
        // An empty collection.
        Conversion::PostGis { extensions } => {
            geometry::Scratch::default().write_postgis(b"010700000000000000", *extensions, &mut out);
            out
        }
    }
}

fn zero(scale: i32) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(zero) = Decimal::parse(b"0") {
        zero.write_scaled(scale, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uuid_of_the_placeholder() {
        let mut out = Vec::new();
        write_uuid(b"__debezium_unavailable_value", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"");
    }
}
