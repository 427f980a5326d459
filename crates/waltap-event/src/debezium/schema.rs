//! Schemas of values, as Kafka Connect's JsonConverter writes them.

use std::borrow::Cow;

use super::conversion::{Conversion, MONEY_SCALE, numeric_precision};
use super::geometry::Shape;
use super::jackson::write_string;
use super::options::{BinaryHandling, DecimalHandling, HstoreHandling, IntervalHandling, Options, TimePrecision};
use super::temporal::TimeUnit;
use crate::{BaseType, DataType, ExtensionType};

/// The length of bits that have none.
const BITS_LENGTH_MAX: i32 = i32::MAX;

/// A schema without what its place adds: whether it is optional, a default, the name of a field.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    kind: Kind,
    /// With its version.
    name: Option<(Cow<'static, str>, u8)>,
    documentation: Option<&'static str>,
    parameters: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
enum Kind {
    Plain(&'static str),
    Array(Box<Part>),
    Map { keys: Box<Part>, values: Box<Part> },
    Struct(Vec<Field>),
}

/// A schema within another.
#[derive(Clone, Debug)]
pub(super) struct Part {
    schema: Schema,
    is_optional: bool,
    /// JSON.
    default: Option<Box<[u8]>>,
}

/// A member of a struct.
#[derive(Clone, Debug)]
pub(super) struct Field {
    part: Part,
    name: Cow<'static, str>,
}

impl Schema {
    pub(super) const BOOLEAN: Schema = Schema::plain("boolean");
    pub(super) const INT16: Schema = Schema::plain("int16");
    pub(super) const INT32: Schema = Schema::plain("int32");
    pub(super) const INT64: Schema = Schema::plain("int64");
    pub(super) const FLOAT: Schema = Schema::plain("float");
    pub(super) const DOUBLE: Schema = Schema::plain("double");
    pub(super) const BYTES: Schema = Schema::plain("bytes");
    pub(super) const STRING: Schema = Schema::plain("string");

    const fn plain(kind: &'static str) -> Self {
        Schema { kind: Kind::Plain(kind), name: None, documentation: None, parameters: Vec::new() }
    }

    pub(super) fn of_fields(fields: Vec<Field>) -> Self {
        Schema { kind: Kind::Struct(fields), ..Schema::STRING }
    }

    pub(super) fn array(items: Part) -> Self {
        Schema { kind: Kind::Array(Box::new(items)), ..Schema::STRING }
    }

    fn map(keys: Part, values: Part) -> Self {
        Schema { kind: Kind::Map { keys: Box::new(keys), values: Box::new(values) }, ..Schema::STRING }
    }

    pub(super) fn named(self, name: impl Into<Cow<'static, str>>, version: u8) -> Self {
        Schema { name: Some((name.into(), version)), ..self }
    }

    fn with_documentation(self, documentation: &'static str) -> Self {
        Schema { documentation: Some(documentation), ..self }
    }

    pub(super) fn with_parameter(mut self, name: &'static str, value: String) -> Self {
        self.parameters.push((name, value));
        self
    }

    pub(super) fn required(self) -> Part {
        Part { schema: self, is_optional: false, default: None }
    }

    pub(super) fn optional(self) -> Part {
        Part { schema: self, is_optional: true, default: None }
    }
}

impl Part {
    pub(super) fn with_default(self, default: Option<Box<[u8]>>) -> Self {
        Part { default, ..self }
    }

    pub(super) fn field(self, name: impl Into<Cow<'static, str>>) -> Field {
        Field { part: self, name: name.into() }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_open(out);
        out.push(b'}');
    }

    fn write_open(&self, out: &mut Vec<u8>) {
        let Part { schema: Schema { kind, name, documentation, parameters }, is_optional, default } = self;
        out.extend_from_slice(b"{\"type\":");
        match kind {
            Kind::Plain(kind) => write_string(kind.as_bytes(), out),
            Kind::Array(items) => {
                out.extend_from_slice(b"\"array\",\"items\":");
                items.write(out);
            }
            Kind::Map { keys, values } => {
                out.extend_from_slice(b"\"map\",\"keys\":");
                keys.write(out);
                out.extend_from_slice(b",\"values\":");
                values.write(out);
            }
            Kind::Struct(fields) => {
                out.extend_from_slice(b"\"struct\",\"fields\":[");
                for (index, Field { part, name }) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    part.write_open(out);
                    out.extend_from_slice(b",\"field\":");
                    write_string(name.as_bytes(), out);
                    out.push(b'}');
                }
                out.push(b']');
            }
        }
        out.extend_from_slice(if *is_optional { b",\"optional\":true" } else { b",\"optional\":false" });
        if let Some((name, version)) = name {
            out.extend_from_slice(b",\"name\":");
            write_string(name.as_bytes(), out);
            // Connect's own schemas of keys and rows have none.
            if *version > 0 {
                out.extend_from_slice(format!(",\"version\":{version}").as_bytes());
            }
        }
        if let Some(documentation) = documentation {
            out.extend_from_slice(b",\"doc\":");
            write_string(documentation.as_bytes(), out);
        }
        for (index, (name, value)) in parameters.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b",\"parameters\":{" } else { b"," });
            write_string(name.as_bytes(), out);
            out.push(b':');
            write_string(value.as_bytes(), out);
        }
        if !parameters.is_empty() {
            out.push(b'}');
        }
        if let Some(default) = default {
            out.extend_from_slice(b",\"default\":");
            out.extend_from_slice(default);
        }
    }
}

/// The schema of a column that may be null, or may not. None: the column is left out.
pub(super) fn of_column(
    data_type: &DataType,
    conversion: &Conversion,
    labels: &[String],
    not_null: bool,
    options: &Options,
) -> Option<Part> {
    let schema = of_type(&data_type.base, data_type.modifier, conversion, labels, options)?;
    // Debezium's schemas of shapes cannot be required, save for that of points.
    let is_optional = !not_null || is_shape(conversion);
    Some(if is_optional { schema.optional() } else { schema.required() })
}

fn is_shape(conversion: &Conversion) -> bool {
    match conversion {
        Conversion::Shape(shape) => *shape != Shape::Point,
        Conversion::PostGis { extensions } => *extensions,
        _ => false,
    }
}

fn of_type(base: &BaseType, modifier: i32, conversion: &Conversion, labels: &[String], options: &Options) -> Option<Schema> {
    let is_connect = options.times == TimePrecision::Connect;
    let named = |schema: Schema, name: &'static str| schema.named(name, 1);
    let time =
        |schema: Schema, name: &'static str, connect: &'static str| schema.named(if is_connect { connect } else { name }, 1);
    Some(match conversion {
        Conversion::Omitted => return None,
        Conversion::Text => of_text(base, labels),
        Conversion::Boolean | Conversion::Bit => Schema::BOOLEAN,
        Conversion::Integer => match base {
            BaseType::BuiltIn(21) => Schema::INT16,
            BaseType::BuiltIn(23) => Schema::INT32,
            _ => Schema::INT64,
        },
        Conversion::Float => Schema::FLOAT,
        Conversion::Double | Conversion::DecimalDouble | Conversion::Money(DecimalHandling::Double) => Schema::DOUBLE,
        Conversion::Bits => {
            let length = if modifier > 0 { modifier } else { BITS_LENGTH_MAX };
            named(Schema::BYTES, "io.debezium.data.Bits").with_parameter("length", length.to_string())
        }
        Conversion::Decimal { scale } => {
            let precision = numeric_precision(modifier).unwrap_or_default();
            decimal(*scale).with_parameter("connect.decimal.precision", precision.to_string())
        }
        Conversion::Money(DecimalHandling::Precise) => decimal(MONEY_SCALE),
        Conversion::VariableDecimal => {
            let fields = vec![Schema::INT32.required().field("scale"), Schema::BYTES.required().field("value")];
            named(Schema::of_fields(fields), "io.debezium.data.VariableScaleDecimal")
                .with_documentation("Variable scaled decimal")
        }
        Conversion::DecimalText { .. } | Conversion::Money(DecimalHandling::String) => Schema::STRING,
        Conversion::Bytea(handling) | Conversion::TextBytes(handling) => match handling {
            BinaryHandling::Bytes => Schema::BYTES,
            BinaryHandling::Base64 | BinaryHandling::Base64UrlSafe | BinaryHandling::Hex => Schema::STRING,
        },
        Conversion::Date => time(Schema::INT32, "io.debezium.time.Date", "org.apache.kafka.connect.data.Date"),
        Conversion::IsoDate => named(Schema::STRING, "io.debezium.time.IsoDate"),
        Conversion::Time(TimeUnit::Millis) => time(Schema::INT32, "io.debezium.time.Time", "org.apache.kafka.connect.data.Time"),
        Conversion::Time(TimeUnit::Micros) => named(Schema::INT64, "io.debezium.time.MicroTime"),
        Conversion::Time(TimeUnit::Nanos) => named(Schema::INT64, "io.debezium.time.NanoTime"),
        Conversion::IsoTime => named(Schema::STRING, "io.debezium.time.IsoTime"),
        Conversion::Timestamp(TimeUnit::Millis) => {
            time(Schema::INT64, "io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp")
        }
        Conversion::Timestamp(TimeUnit::Micros) => named(Schema::INT64, "io.debezium.time.MicroTimestamp"),
        Conversion::Timestamp(TimeUnit::Nanos) => named(Schema::INT64, "io.debezium.time.NanoTimestamp"),
        Conversion::IsoTimestamp => named(Schema::STRING, "io.debezium.time.IsoTimestamp"),
        Conversion::ZonedTimestamp { .. } => named(Schema::STRING, "io.debezium.time.ZonedTimestamp"),
        Conversion::ZonedTime => named(Schema::STRING, "io.debezium.time.ZonedTime"),
        Conversion::Interval(IntervalHandling::Numeric) => named(Schema::INT64, "io.debezium.time.MicroDuration"),
        Conversion::Interval(IntervalHandling::String) => named(Schema::STRING, "io.debezium.time.Interval"),
        Conversion::Hstore(HstoreHandling::Json) => named(Schema::STRING, "io.debezium.data.Json"),
        Conversion::Hstore(HstoreHandling::Map) => Schema::map(Schema::STRING.required(), Schema::STRING.optional()),
        Conversion::Shape(shape) => of_shape(*shape),
        Conversion::PostGis { extensions: true } => geometry(),
        Conversion::PostGis { extensions: false } => {
            let fields = vec![Schema::BYTES.required().field("wkb"), Schema::INT32.optional().field("srid")];
            named(Schema::of_fields(fields), "io.debezium.data.geometry.Geography").with_documentation("Geography")
        }
        Conversion::Vector { floats: false } => named(Schema::array(Schema::DOUBLE.required()), "io.debezium.data.DoubleVector"),
        Conversion::Vector { floats: true } => named(Schema::array(Schema::FLOAT.required()), "io.debezium.data.FloatVector"),
        Conversion::SparseVector => {
            let vector = Schema::map(Schema::INT16.required(), Schema::DOUBLE.required());
            let fields = vec![Schema::INT16.required().field("dimensions"), vector.required().field("vector")];
            named(Schema::of_fields(fields), "io.debezium.data.SparseDoubleVector").with_documentation("Sparse double vector")
        }
        Conversion::Array { element, .. } => {
            let BaseType::Array { element: element_base, .. } = base else { return None };
            let schema = of_type(element_base, modifier, element, labels, options)?;
            // Nulls are among the elements of all; Debezium's schemas of some deny it.
            let is_required = matches!(**element_base, BaseType::Enum | BaseType::BuiltIn(TSVECTOR))
                || matches!(**element, Conversion::TextBytes(_));
            Schema::array(if is_required { schema.required() } else { schema.optional() })
        }
    })
}

const TSVECTOR: u32 = 3614;

fn of_text(base: &BaseType, labels: &[String]) -> Schema {
    let name = match base {
        BaseType::BuiltIn(114 | 3802) => "io.debezium.data.Json",
        BaseType::BuiltIn(142) => "io.debezium.data.Xml",
        BaseType::BuiltIn(2950) => "io.debezium.data.Uuid",
        BaseType::BuiltIn(TSVECTOR) => "io.debezium.data.Tsvector",
        BaseType::Extension(ExtensionType::Ltree) => "io.debezium.data.Ltree",
        BaseType::Enum => {
            return Schema::STRING.named("io.debezium.data.Enum", 1).with_parameter("allowed", labels.join(","));
        }
        _ => return Schema::STRING,
    };
    Schema::STRING.named(name, 1)
}

fn decimal(scale: i32) -> Schema {
    Schema::BYTES.named("org.apache.kafka.connect.data.Decimal", 1).with_parameter("scale", scale.to_string())
}

fn of_shape(shape: Shape) -> Schema {
    let double = |name: &'static str| Schema::DOUBLE.required().field(name);
    match shape {
        Shape::Point => point(),
        Shape::Line => {
            let fields = vec![double("a"), double("b"), double("c")];
            Schema::of_fields(fields).named("io.debezium.data.geometry.Line", 1).with_documentation("Geometry (LINE)")
        }
        Shape::Circle => {
            let fields = vec![point().required().field("center"), double("radius")];
            Schema::of_fields(fields).named("io.debezium.data.geometry.Circle", 1).with_documentation("Geometry (CIRCLE)")
        }
        Shape::Segment | Shape::Box | Shape::Path | Shape::Polygon => geometry(),
    }
}

fn point() -> Schema {
    let double = |name: &'static str| Schema::DOUBLE.required().field(name);
    let fields = vec![double("x"), double("y"), Schema::BYTES.optional().field("wkb"), Schema::INT32.optional().field("srid")];
    Schema::of_fields(fields).named("io.debezium.data.geometry.Point", 1).with_documentation("Geometry (POINT)")
}

fn geometry() -> Schema {
    let extensions = Schema::map(Schema::STRING.required(), Schema::STRING.required());
    let fields = vec![
        Schema::BYTES.required().field("wkb"),
        Schema::INT32.optional().field("srid"),
        extensions.optional().field("extensions"),
    ];
    Schema::of_fields(fields).named("io.debezium.data.geometry.Geometry", 2).with_documentation("Geometry")
}
