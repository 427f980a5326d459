//! The `native` format: Debezium's envelope, with values that a person and a log search read.
//!
//! ```json
//! {"op":"u","ts_ms":1732180000123,
//!  "source":{"db":"shop","schema":"public","table":"orders","txid":742,"lsn":"0/16B3748","commit_lsn":"0/16B3790","seq":3,"ts_ms":1732180000120,"snapshot":false},
//!  "before":null,"after":{"id":7,"total":"12.50","paid_at":"2024-11-21T09:06:40.123456Z","tags":["a","b"],"doc":{"k":[1]}},"unchanged":["body"]}
//! ```
//!
//! What a row becomes:
//!
//! * Integers, floats and booleans are JSON's own. NaN and infinities are strings.
//! * numeric is its exact text in a string, money a plain decimal in a string.
//! * Dates and times are ISO 8601: timestamptz in UTC with `Z`, timestamp without a zone, timetz with its offset in hours and minutes
//!   (`+00:00`). Years before 1 are astronomical (1 BC is `0000`, 44 BC is `-0043`), years past 9999 take a `+`.
//! * json and jsonb are embedded without the white space between their tokens. Documents that some readers would refuse, the whole record
//!   with them, are strings: nested deeper than 100, or with half a surrogate pair.
//! * Arrays are arrays, to any depth; lower bounds are dropped. hstore is an object. bytea is base64.
//! * Whatever else there is, or cannot be read as its type, is PostgreSQL's text in a string.
//!
//! What a change becomes:
//!
//! * A large value that an update did not touch is left out of `after` and named in `unchanged`, unless the old row was sent and has it.
//! * `before` is the old row under `REPLICA IDENTITY FULL`. Otherwise a delete's is the columns of the identity, an update's is null.
//! * An update of the key is a `d` under the old key and a `c` under the new one, with the same position. Large values that it did not
//!   touch are `unchanged` there too: a reader finds them in the row that the `d` deletes.
//! * A truncate (`t`) goes to every partition, without a key.
//! * A logical message (`m`) has `"message":{"prefix":…,"content":…}` in place of the rows, `null` for schema and table, and the key
//!   `{"prefix":…}`, so that messages of one prefix stay in order. Content that is not UTF-8 is base64, followed by `"encoding":"base64"`.

pub(crate) mod envelope;
pub(crate) mod fields;
pub(crate) mod layout;
pub(crate) mod value;

pub(crate) use layout::Native;
pub use layout::Options;
pub use value::{NotUtf8, write_value};
