//! The `debezium` format: what Debezium's PostgreSQL connector writes by Kafka Connect's JsonConverter, so that its readers need not change.
//!
//! ```json
//! {"before":null,"after":{"id":1,"total":"BOI=","paid_at":"2024-11-21T09:06:40.123456Z"},
//!  "source":{"version":"3.7.0.Final","connector":"postgresql","name":"shop","ts_ms":1732180000120,"snapshot":"false","db":"shop",
//!   "sequence":"[\"24023119\",\"24023128\"]","ts_us":1732180000120000,"ts_ns":1732180000120000000,"schema":"public","table":"orders",
//!   "txId":742,"lsn":24023128,"xmin":null,"origin":null,"origin_lsn":null},
//!  "transaction":null,"op":"c","ts_ms":1732180000123,"ts_us":1732180000123999,"ts_ns":1732180000123999000}
//! ```
//!
//! The handling modes are [`Options`], with Debezium's names and defaults. Values, envelopes and headers were compared with those of a
//! running Debezium 3.7.0. What differs, and why:
//!
//! * What Debezium fails at, to stop or to leave the value out, is PostgreSQL's text in a string: NaN and infinities of a precise numeric,
//!   timestamps out of the range of nanoseconds or, at the very end of PostgreSQL's, of microseconds, an empty varbit(1). A value never
//!   stops a capture. Arrays of enums with nulls, and those of bit strings and shapes, are arrays.
//! * What Debezium garbles is not: arrays of more than one dimension are arrays of arrays; a column of type name has its value in the stream
//!   too; the time 24:00:00 is not the day's beginning in `isostring`; a numeric with a negative scale keeps its number. int2vector and
//!   oidvector, which Debezium writes as empty arrays, are left out as other unknown types are.
//! * A large value that an update did not touch, in a column whose type has no placeholder in Debezium, is the placeholder as a string;
//!   Debezium writes null, as if the value were gone.
//! * A null stays null where the column has a default; Kafka Connect puts the default there, unless it is told not to
//!   (`replace.null.with.default`, which is here too, with the truth for its default).
//! * Rows of a snapshot all have `"snapshot":"true"`: tables are read side by side, so that none of them is known to be the first or the last.
//!   They have no `txId`.
//! * The headers that name Debezium's own parts (`__debezium.context.…`, `extended.headers.enabled`) are not written.
//! * `xmin`, `origin` and `origin_lsn` are null. The messages of a transaction are one collection, `message`, in its metadata.
//! * A truncate, when it is not skipped, goes to every partition.
//! * A key of columns that Debezium leaves out alone is no key: it would be the same for all rows.

mod column_default;
mod conversion;
mod decimal;
mod envelope_schema;
mod geometry;
mod jackson;
mod java_map;
mod layout;
mod options;
mod schema;
mod source;
mod stand_in;
mod temporal;
mod transaction;
mod value;

pub(crate) use layout::{Debezium, How};
pub use options::{
    BinaryHandling, DecimalHandling, HstoreHandling, IntervalHandling, NoSuchMode, Options, PropertyError, SkippedOperations,
    TimePrecision, UnavailableValue,
};
