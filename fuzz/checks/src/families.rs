//! The families of types, each with a table of its own that is made ready once.

use std::cell::RefCell;

use crate::postgres::array::quoted;
use crate::row::{COMPOSITE, FLOAT_RANGE, Formats, HSTORE, HSTORE_ARRAY, MOOD, NUMBERS_ARRAY};

/// A type's modifier where it has none.
const NONE: i32 = -1;

/// `numeric(precision, scale)`.
const fn numeric_modifier(precision: i32, scale: i32) -> i32 {
    (precision << 16 | scale & 0x7ff) + 4
}

macro_rules! families {
    ($($(#[$about:meta])* $name:ident = $types:expr, $modes:expr;)+) => {
        $(
            $(#[$about])*
            pub(crate) fn $name(input: &[u8]) {
                thread_local! {
                    static FORMATS: RefCell<Formats> = RefCell::new(Formats::of($types, $modes));
                }
                FORMATS.with_borrow_mut(|formats| formats.check(input));
            }
        )+
    };
}

families! {
    /// Arrays, by the types whose elements are told apart, one whose delimiter is another, and arrays of a domain over an array.
    array = &[
        (1009, NONE), (1007, NONE), (1231, numeric_modifier(10, 2)), (791, NONE), (1182, NONE), (1185, NONE), (3807, NONE), (1001, NONE),
        (1020, NONE), (1561, 3), (3905, NONE), (HSTORE_ARRAY, NONE), (NUMBERS_ARRAY, NONE),
    ], 3;
    /// json and jsonb.
    whole_document = &[(3802, NONE)], 1;
    document_in_array = &[(199, NONE)], 1;
    /// Numbers, in whatever form.
    numeric = &[
        (1700, NONE), (1700, numeric_modifier(10, 2)), (1700, numeric_modifier(3, 5)), (1700, numeric_modifier(3, -2)), (790, NONE),
        (20, NONE), (700, NONE), (701, NONE), (16, NONE),
    ], 3;
    /// Ranges and multiranges, built in and of users, and their arrays: they are written as text, elements of arrays unescaped.
    range = &[
        (3906, NONE), (3910, NONE), (4534, NONE), (FLOAT_RANGE, NONE), (COMPOSITE, NONE), (3911, NONE), (6152, NONE),
    ], 2;
    /// Text and its like, bytes, bits and hstore.
    string = &[(25, NONE), (18, NONE), (17, NONE), (1560, 1), (1562, NONE), (HSTORE, NONE), (MOOD, NONE), (COMPOSITE, NONE)], 3;
    /// Dates, times and intervals, with the digits of a second that Debezium's forms depend on.
    temporal = &[
        (1082, NONE), (1083, NONE), (1083, 3), (1114, NONE), (1114, 3), (1184, NONE), (1184, 0), (1184, 3), (1266, NONE), (1186, NONE),
    ], 6;
}

/// A document alone, and as the element of an array.
pub(crate) fn document(input: &[u8]) {
    whole_document(input);
    if let Ok(text) = std::str::from_utf8(input) {
        document_in_array(format!("{{{}}}", quoted(text)).as_bytes());
    }
}
