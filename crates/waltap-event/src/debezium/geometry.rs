//! Shapes: PostgreSQL's own, PostGIS's and the vectors of pgvector.

use super::jackson::{write_f32_text, write_f64, write_f64_text};
use crate::json::{base64, number};
use crate::text::bytea;

/// A shape of PostgreSQL's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Point,
    Box,
    Segment,
    Path,
    Polygon,
    Circle,
    Line,
}

/// WKB's numbers of its shapes.
const WKB_POINT: u32 = 1;
const WKB_LINE_STRING: u32 = 2;
const WKB_POLYGON: u32 = 3;

/// Working space, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    numbers: Vec<f64>,
    bytes: Vec<u8>,
    /// The places of a sparse vector that are not zero, with their numbers.
    places: Vec<(u32, f64)>,
}

impl Scratch {
    pub(super) fn give_back_memory(&mut self) {
        *self = Scratch::default();
    }

    /// The largest that a buffer is.
    pub(super) fn capacity(&self) -> usize {
        let Scratch { numbers, bytes, places } = self;
        let (numbers, places) = (numbers.capacity() * size_of::<f64>(), places.capacity() * size_of::<(u32, f64)>());
        bytes.capacity().max(numbers).max(places)
    }

    /// Appends a shape. False, and nothing: the text is not that of one.
    pub(super) fn write_shape(&mut self, shape: Shape, text: &[u8], out: &mut Vec<u8>) -> bool {
        self.numbers.clear();
        if !read_numbers(text, &mut self.numbers) {
            return false;
        }
        let (points, odd) = self.numbers.as_chunks::<2>();
        match (shape, points, odd) {
            (Shape::Point, [point], []) => write_point(*point, &mut self.bytes, out),
            (Shape::Circle, [center], [radius]) => {
                out.extend_from_slice(b"{\"center\":");
                write_point(*center, &mut self.bytes, out);
                out.extend_from_slice(b",\"radius\":");
                write_f64(*radius, out);
                out.push(b'}');
            }
            (Shape::Line, [[a, b]], [c]) => {
                for (mark, number) in [(&b"{\"a\":"[..], a), (b",\"b\":", b), (b",\"c\":", c)] {
                    out.extend_from_slice(mark);
                    write_f64(*number, out);
                }
                out.push(b'}');
            }
            (Shape::Box, [[x1, y1], [x2, y2]], []) => {
                let ring = [[*x1, *y1], [*x1, *y2], [*x2, *y2], [*x2, *y1], [*x1, *y1]];
                wkb(WKB_POLYGON, &ring, &mut self.bytes);
                write_geometry(&self.bytes, b"{\"type\":\"box\"}", out);
            }
            (Shape::Segment, [_, _], []) => {
                wkb(WKB_LINE_STRING, points, &mut self.bytes);
                write_geometry(&self.bytes, b"{\"type\":\"lseg\"}", out);
            }
            // An open path has brackets. WKB cannot say that a line string is closed.
            (Shape::Path, [_, ..], []) => {
                wkb(WKB_LINE_STRING, points, &mut self.bytes);
                let extensions: &[u8] = match text.first() {
                    Some(b'[') => b"{\"type\":\"path\",\"closed\":\"false\"}",
                    _ => b"{\"type\":\"path\",\"closed\":\"true\"}",
                };
                write_geometry(&self.bytes, extensions, out);
            }
            (Shape::Polygon, [first, .., last], []) => {
                // The ring is closed, unless it closes itself.
                if first != last {
                    let [x, y] = *first;
                    self.numbers.extend([x, y]);
                }
                wkb(WKB_POLYGON, self.numbers.as_chunks::<2>().0, &mut self.bytes);
                write_geometry(&self.bytes, b"{\"type\":\"polygon\"}", out);
            }
            (Shape::Polygon, [_], []) => {
                wkb(WKB_POLYGON, points, &mut self.bytes);
                write_geometry(&self.bytes, b"{\"type\":\"polygon\"}", out);
            }
            _ => return false,
        }
        true
    }

    /// Appends a geometry or geography of PostGIS from the digits of its EWKB. Only the first has extensions, and none to name.
    pub(super) fn write_postgis(&mut self, text: &[u8], has_extensions: bool, out: &mut Vec<u8>) -> bool {
        let (pairs, odd) = text.as_chunks::<2>();
        self.bytes.clear();
        self.bytes.resize(pairs.len(), 0);
        if pairs.is_empty() || !odd.is_empty() || !bytea::decode(pairs, &mut self.bytes) {
            return false;
        }
        let Some(srid) = ewkb_srid(&self.bytes) else { return false };
        out.extend_from_slice(b"{\"wkb\":");
        base64::write(&self.bytes, out);
        out.extend_from_slice(b",\"srid\":");
        match srid {
            Some(srid) => number::write_i64(i64::from(srid), out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(if has_extensions { b",\"extensions\":null}" } else { b"}" });
        true
    }

    /// Appends a sparse vector, `{1:1.5,3:2}/3000`. JsonConverter writes a map whose keys are no strings as pairs. False, and nothing: the
    /// text is not that of one.
    pub(super) fn write_sparse_vector(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        self.places.clear();
        let Some(dimensions) = read_sparse_vector(text, &mut self.places) else { return false };
        // They are in a Java HashMap, made for so many: its table doubles when it is more than three quarters full.
        let count = self.places.len() as u32;
        let table = count.next_power_of_two();
        let table = if count > table / 4 * 3 || table < 4 { table * 2 } else { table };
        self.places.sort_by_key(|(place, _)| place & (table - 1));
        out.extend_from_slice(b"{\"dimensions\":");
        number::write_u64(u64::from(dimensions), out);
        out.extend_from_slice(b",\"vector\":[");
        for (index, (place, number)) in self.places.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"[" } else { b",[" });
            number::write_u64(u64::from(*place), out);
            out.push(b',');
            write_f64(*number, out);
            out.push(b']');
        }
        out.extend_from_slice(b"]}");
        true
    }
}

/// A sparse vector's dimensions; its places go to `places`.
fn read_sparse_vector(text: &[u8], places: &mut Vec<(u32, f64)>) -> Option<u32> {
    let end = text.iter().rposition(|byte| *byte == b'/')?;
    let dimensions = parse(text.get(end + 1..)?)?;
    let inner = text.get(..end)?.strip_prefix(b"{")?.strip_suffix(b"}")?;
    for part in inner.split(|byte| *byte == b',').filter(|_| !inner.is_empty()) {
        let colon = part.iter().position(|byte| *byte == b':')?;
        places.push((parse(part.get(..colon)?)?, parse(part.get(colon + 1..)?)?));
    }
    Some(dimensions)
}

/// The numbers in the text of a shape; its brackets are taken on trust, for only PostgreSQL writes it.
fn read_numbers(text: &[u8], numbers: &mut Vec<f64>) -> bool {
    let parts = text.split(|byte| matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b','));
    for part in parts.filter(|part| !part.is_empty()) {
        match parse(part) {
            Some(number) => numbers.push(number),
            None => return false,
        }
    }
    true
}

fn parse<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Makes WKB, low byte first.
fn wkb(shape: u32, points: &[[f64; 2]], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.push(1);
    bytes.extend_from_slice(&shape.to_le_bytes());
    if shape == WKB_POLYGON {
        // One ring.
        bytes.extend_from_slice(&1_u32.to_le_bytes());
    }
    if shape != WKB_POINT {
        bytes.extend_from_slice(&u32::try_from(points.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    for number in points.as_flattened() {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

fn write_point(point: [f64; 2], bytes: &mut Vec<u8>, out: &mut Vec<u8>) {
    let [x, y] = point;
    out.extend_from_slice(b"{\"x\":");
    write_f64(x, out);
    out.extend_from_slice(b",\"y\":");
    write_f64(y, out);
    wkb(WKB_POINT, &[point], bytes);
    out.extend_from_slice(b",\"wkb\":");
    base64::write(bytes, out);
    out.extend_from_slice(b",\"srid\":null}");
}

fn write_geometry(wkb: &[u8], extensions: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"wkb\":");
    base64::write(wkb, out);
    out.extend_from_slice(b",\"srid\":null,\"extensions\":");
    out.extend_from_slice(extensions);
    out.push(b'}');
}

/// The spatial reference in the head of EWKB, if it has one. None: it is no EWKB.
fn ewkb_srid(ewkb: &[u8]) -> Option<Option<i32>> {
    /// Set in the shape's number where a spatial reference follows it (PostGIS, liblwgeom).
    const HAS_SRID: u32 = 0x2000_0000;
    let (order, rest) = ewkb.split_first()?;
    let (shape, rest) = rest.split_first_chunk::<4>()?;
    let number = |bytes: [u8; 4]| match order {
        0 => Some(u32::from_be_bytes(bytes)),
        1 => Some(u32::from_le_bytes(bytes)),
        _ => None,
    };
    if number(*shape)? & HAS_SRID == 0 {
        return Some(None);
    }
    let (srid, _) = rest.split_first_chunk::<4>()?;
    Some(Some(number(*srid)?.cast_signed()))
}

/// Appends a vector, `[1,2.5]`: of doubles, or of floats.
pub(super) fn write_vector(text: &[u8], floats: bool, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let written = vector(text, floats, out).is_some();
    if !written {
        out.truncate(start);
    }
    written
}

fn vector(text: &[u8], floats: bool, out: &mut Vec<u8>) -> Option<()> {
    let inner = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut mark = b'[';
    for part in inner.split(|byte| *byte == b',').filter(|_| !inner.is_empty()) {
        out.push(mark);
        mark = b',';
        if floats { write_f32_text(part, out)? } else { write_f64_text(part, out)? }
    }
    if mark == b'[' {
        out.push(b'[');
    }
    out.push(b']');
    Some(())
}
