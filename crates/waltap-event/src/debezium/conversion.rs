//! How the values of a column are written: chosen once, when the table is made ready.

use super::geometry::Shape;
use super::options::{BinaryHandling, DecimalHandling, HstoreHandling, IntervalHandling, Options, TimePrecision};
use super::temporal::TimeUnit;
use crate::{BaseType, DataType, ExtensionType};

/// How a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    /// Not at all: Debezium leaves out columns of types that it does not know.
    Omitted,
    /// PostgreSQL's text in a string.
    Text,
    Boolean,
    Integer,
    Float,
    Double,
    /// One bit, as a boolean.
    Bit,
    /// Many, as bytes.
    Bits,
    /// A numeric of this scale, or money, as bytes.
    Decimal {
        scale: i32,
    },
    /// A numeric without a scale.
    VariableDecimal,
    /// A numeric's digits; those of its zero have this scale.
    DecimalText {
        scale: i32,
    },
    DecimalDouble,
    Money(DecimalHandling),
    Bytea(BinaryHandling),
    /// The bytes of the text.
    TextBytes(BinaryHandling),
    Date,
    IsoDate,
    Time(TimeUnit),
    IsoTime,
    Timestamp(TimeUnit),
    IsoTimestamp,
    ZonedTimestamp {
        digits: u8,
    },
    ZonedTime,
    Interval(IntervalHandling),
    Hstore(HstoreHandling),
    Shape(Shape),
    PostGis {
        extensions: bool,
    },
    Vector {
        floats: bool,
    },
    SparseVector,
    Array {
        element: Box<Conversion>,
        delimiter: u8,
    },
}

/// Digits of a second where the type has no modifier.
const SECOND_DIGITS_DEFAULT: u8 = 6;

/// money's digits after the point (`money.fraction.digits`).
pub(super) const MONEY_SCALE: i32 = 2;

// Oids of pg_type.dat that are needed more than once.
const BIT: u32 = 1560;
const VARBIT: u32 = 1562;

/// Types of which Debezium has the value alone, and of arrays nothing, not even as unknown: money, name, interval, varbit, xml, point, refcursor. Arrays of
/// bit it promises and fails at; their elements are written as a bit column is.
const WITHOUT_ARRAYS: [u32; 7] = [790, 19, 1186, VARBIT, 142, 600, 1790];

/// The way of writing values of this type.
pub(super) fn conversion(data_type: &DataType, options: &Options) -> Conversion {
    of_base(&data_type.base, data_type.modifier, options)
}

fn of_base(base: &BaseType, modifier: i32, options: &Options) -> Conversion {
    let known = match base {
        BaseType::BuiltIn(oid) => built_in(*oid, modifier, options),
        BaseType::Extension(extension) => Some(of_extension(*extension, options)),
        BaseType::Enum => Some(Conversion::Text),
        BaseType::Array { element, delimiter } => return array(element, *delimiter, modifier, options),
        BaseType::Other => None,
    };
    match known {
        Some(conversion) => conversion,
        None if options.unknown_types => Conversion::TextBytes(options.binary),
        None => Conversion::Omitted,
    }
}

fn array(element: &BaseType, delimiter: u8, modifier: i32, options: &Options) -> Conversion {
    if let BaseType::BuiltIn(oid) = element
        && WITHOUT_ARRAYS.contains(oid)
    {
        return Conversion::Omitted;
    }
    match of_base(element, modifier, options) {
        Conversion::Omitted => Conversion::Omitted,
        element => Conversion::Array { element: Box::new(element), delimiter },
    }
}

fn of_extension(extension: ExtensionType, options: &Options) -> Conversion {
    match extension {
        ExtensionType::Hstore => Conversion::Hstore(options.hstore),
        ExtensionType::Citext | ExtensionType::Ltree | ExtensionType::Isbn => Conversion::Text,
        ExtensionType::Geometry => Conversion::PostGis { extensions: true },
        ExtensionType::Geography => Conversion::PostGis { extensions: false },
        ExtensionType::Vector => Conversion::Vector { floats: false },
        ExtensionType::HalfVector => Conversion::Vector { floats: true },
        ExtensionType::SparseVector => Conversion::SparseVector,
    }
}

fn built_in(oid: u32, modifier: i32, options: &Options) -> Option<Conversion> {
    let digits = match modifier {
        0..=6 => modifier as u8,
        _ => SECOND_DIGITS_DEFAULT,
    };
    Some(match oid {
        16 => Conversion::Boolean,
        17 => Conversion::Bytea(options.binary),
        20 | 21 | 23 | 26 => Conversion::Integer,
        700 => Conversion::Float,
        701 => Conversion::Double,
        // "char", name, text, json, xml, character, character varying, uuid, jsonb.
        18 | 19 | 25 | 114 | 142 | 1042 | 1043 | 2950 | 3802 => Conversion::Text,
        // cidr, macaddr8, macaddr, inet, tsvector, int4range, numrange, tsrange, tstzrange, daterange, int8range.
        650 | 774 | 829 | 869 | 3614 | 3904 | 3906 | 3908 | 3910 | 3912 | 3926 => Conversion::Text,
        BIT | VARBIT if modifier == 1 => Conversion::Bit,
        BIT | VARBIT => Conversion::Bits,
        790 => Conversion::Money(options.decimals),
        1700 => match options.decimals {
            DecimalHandling::Precise => {
                numeric_scale(modifier).map_or(Conversion::VariableDecimal, |scale| Conversion::Decimal { scale })
            }
            DecimalHandling::Double => Conversion::DecimalDouble,
            DecimalHandling::String => Conversion::DecimalText { scale: numeric_scale(modifier).unwrap_or(0) },
        },
        1082 if options.times == TimePrecision::IsoString => Conversion::IsoDate,
        1082 => Conversion::Date,
        1083 => match options.times {
            TimePrecision::IsoString => Conversion::IsoTime,
            TimePrecision::AdaptiveTimeMicroseconds => Conversion::Time(TimeUnit::Micros),
            other => Conversion::Time(time_unit(other, digits)),
        },
        1114 => match options.times {
            TimePrecision::IsoString => Conversion::IsoTimestamp,
            other => Conversion::Timestamp(time_unit(other, digits)),
        },
        1184 => Conversion::ZonedTimestamp { digits },
        1186 => Conversion::Interval(options.intervals),
        1266 => Conversion::ZonedTime,
        600 => Conversion::Shape(Shape::Point),
        601 => Conversion::Shape(Shape::Segment),
        602 => Conversion::Shape(Shape::Path),
        603 => Conversion::Shape(Shape::Box),
        604 => Conversion::Shape(Shape::Polygon),
        628 => Conversion::Shape(Shape::Line),
        718 => Conversion::Shape(Shape::Circle),
        _ => return None,
    })
}

fn time_unit(precision: TimePrecision, digits: u8) -> TimeUnit {
    match precision {
        TimePrecision::Connect => TimeUnit::Millis,
        TimePrecision::Nanoseconds => TimeUnit::Nanos,
        TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds if digits <= 3 => TimeUnit::Millis,
        _ => TimeUnit::Micros,
    }
}

/// The scale in a numeric's modifier: eleven bits with a sign (numeric.c, `numeric_typmod_scale`). None: it has neither precision nor scale.
pub(super) fn numeric_scale(modifier: i32) -> Option<i32> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    Some(((packed & 0x7ff) ^ 1024) - 1024)
}

/// The precision in a numeric's modifier (`numeric_typmod_precision`).
pub(super) fn numeric_precision(modifier: i32) -> Option<i32> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    Some(packed >> 16 & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_of_numerics() {
        // SELECT atttypmod of numeric(6,2), numeric(5), numeric(4,-2), numeric
        assert_eq!(numeric_scale(393_222), Some(2));
        assert_eq!(numeric_scale(327_684), Some(0));
        assert_eq!(numeric_scale(264_194), Some(-2));
        assert_eq!(numeric_scale(-1), None);
        assert_eq!(numeric_scale(i32::MIN), None);
        assert_eq!(numeric_precision(393_222), Some(6));
        assert_eq!(numeric_precision(264_194), Some(4));
        assert_eq!(numeric_precision(-1), None);
    }
}
