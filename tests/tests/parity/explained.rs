//! What differs on purpose, and why. `docs/debezium-parity.md` tells users the same, in the same order.

use crate::comparison::Mismatch;
use crate::defaults;
use crate::modes::MODES;
use crate::record::Phase;

/// A difference that is meant.
pub(super) struct Difference {
    pub(super) name: &'static str,
    holds: fn(&Mismatch) -> bool,
}

pub(super) const DIFFERENCES: &[Difference] = &[
    // The stream has no values of them, so that the snapshot has none either.
    Difference {
        name: "generated columns in the snapshot",
        holds: |it| it.table() == "generated" && it.part.ends_with(".twice") && it.waltap.is_none(),
    },
    // A null that is written as the column's default is no longer a null.
    Difference {
        name: "defaults in the place of nulls",
        holds: |it| {
            let is_set = property(it, "replace.null.with.default").is_some();
            !is_set && is_column(it) && HAVE_DEFAULTS.contains(&it.table()) && it.waltap.as_deref() == Some("null")
        },
    },
    Difference {
        name: "defaults that are infinite, or the end of a day",
        holds: |it| it.default().is_some_and(|(_, default)| matches!(default, "'infinity'" | "'-infinity'" | "'24:00:00'")),
    },
    Difference {
        name: "schemas of arrays of bit strings",
        holds: |it| is_of(it, &["bit(1)[]", "bit(3)[]"]) && it.part.starts_with("schema."),
    },
    Difference {
        name: "counts of the events of a transaction of which Debezium has lost some",
        holds: |it| it.after_loss && matches!(it.part.as_str(), "transaction" | "event_count" | "data_collections"),
    },
    // Debezium names each after an object in memory.
    Difference { name: "messages in the count of a transaction's events", holds: is_count_of_messages },
    // The key of a record is what a delete can tell: the replica identity, not the primary key that Debezium takes.
    Difference {
        name: "keys where the replica identity is not the primary key",
        holds: |it| match it.table() {
            // It parts changes of a key from others elsewhere: other records.
            "identity_index" => it.part == "record",
            "identity_nothing" => match it.part.as_str() {
                "key" => it.waltap.as_deref() == Some("null"),
                part => part == "key.schema" && it.waltap.is_none(),
            },
            _ => false,
        },
    },
    // A record with neither key nor value tells nothing.
    Difference {
        name: "tombstones without a key",
        holds: |it| it.id.operation == "tombstone" && it.id.key == "null" && it.waltap.is_none(),
    },
    // Debezium writes null, as if the value were gone, or nothing where the column is NOT NULL.
    Difference {
        name: "placeholders of types for which Debezium has none",
        holds: |it| it.table().starts_with("large") && is_lost(it),
    },
    // Debezium fails at them: it stops, or the value or its event is missing.
    Difference { name: "values that Debezium cannot write", holds: |it| is_of(it, CANNOT_WRITE) && is_lost(it) },
    Difference { name: "values of name in Debezium's stream", holds: |it| is_of(it, &["name"]) && is_lost(it) },
    // Debezium's deepest level is nulls.
    Difference {
        name: "arrays of more than one dimension",
        holds: |it| is_of(it, &["int[]"]) && it.waltap.as_ref().is_some_and(|text| text.starts_with("[[")),
    },
    // It has empty arrays for them; here they are as other unknown types are.
    Difference { name: "int2vector and oidvector", holds: |it| is_of(it, &["int2vector", "oidvector"]) },
    // Its snapshot has them otherwise than its stream, in whose way they are written here.
    Difference {
        name: "dates before Christ, and infinite ones, in Debezium's snapshot",
        holds: |it| is_of(it, &["date"]) && it.id.phase == Phase::Snapshot && is_column(it),
    },
    Difference { name: "arrays of dates before Christ", holds: |it| is_of(it, &["date[]"]) && is_column(it) },
    // It takes the scale for 2046 and 2043.
    Difference {
        name: "numerics with a negative scale",
        holds: |it| is_of(it, &["numeric(3,-2)"]) && (is_column(it) || it.part.starts_with("schema.")),
    },
    // The number of microseconds overflows there.
    Difference {
        name: "the last days of timestamps",
        holds: |it| is_of(it, &["timestamp"]) && it.debezium.as_deref() == Some("-9223372036853775810"),
    },
    // Java 17 has a digit too many; later ones have not (JDK-4511638).
    Difference {
        name: "digits of the smallest real",
        holds: |it| is_of(it, &["real"]) && it.debezium.as_deref() == Some("1.17549435E-38"),
    },
    // It makes the end of a day its beginning.
    Difference {
        name: "24:00:00 in isostring",
        holds: |it| it.debezium.as_deref() == Some("\"00:00:00Z\"") && it.waltap.as_deref() == Some("\"24:00:00Z\""),
    },
    // PostgreSQL's text of them depends on the search path, which is empty here.
    Difference {
        name: "schemas in the names of regclass and the like",
        holds: |it| property(it, "include.unknown.datatypes").is_some() && is_of(it, &["regclass", "regtype"]) && is_column(it),
    },
];

/// Tables whose columns have defaults.
const HAVE_DEFAULTS: &[&str] = &["with_defaults", defaults::TABLE];

/// Types of which Debezium cannot write all values.
const CANNOT_WRITE: &[&str] = &[
    // Their NaN and infinities.
    "numeric",
    "numeric[]",
    // Out of the range of nanoseconds.
    "timestamp",
    "timestamp(6)",
    // An offset with seconds.
    "timetz",
    // An empty one.
    "bit varying(1)",
    "bit(1)[]",
    "bit(3)[]",
    "box[]",
    "circle[]",
    // With a null or a quoted label among them.
    "mood[]",
    // With include.unknown.datatypes.
    "pair[]",
    "price[]",
];

/// The first that fits.
pub(super) fn explain(mismatch: &Mismatch) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|difference| (difference.holds)(mismatch))
}

/// A property of the mode.
fn property(mismatch: &Mismatch, name: &str) -> Option<&'static str> {
    MODES.iter().find(|mode| mode.name == mismatch.mode)?.property(name)
}

fn is_column(mismatch: &Mismatch) -> bool {
    mismatch.part.starts_with("before.") || mismatch.part.starts_with("after.")
}

/// Whether the counts are the same but for the messages, and so is the sum of these.
fn is_count_of_messages(mismatch: &Mismatch) -> bool {
    let counts = |text: &Option<String>| -> Option<(Vec<(String, u64)>, u64)> {
        let counts: Vec<serde_json::Value> = serde_json::from_str(text.as_ref()?).ok()?;
        let (mut tables, mut messages) = (Vec::new(), 0);
        for count in counts {
            let (name, events) = (count["data_collection"].as_str()?.to_owned(), count["event_count"].as_u64()?);
            match name.contains("$LogicalDecodingMessageId@") || name == "message" {
                true => messages += events,
                false => tables.push((name, events)),
            }
        }
        Some((tables, messages))
    };
    let is_count = mismatch.id.operation == "END" && mismatch.part == "data_collections";
    is_count && counts(&mismatch.debezium).is_some_and(|theirs| counts(&mismatch.waltap) == Some(theirs))
}

/// Whether Debezium has null, or no such record, where waltap has a value.
fn is_lost(mismatch: &Mismatch) -> bool {
    let is_missing = match &mismatch.debezium {
        None => mismatch.part == "record",
        // The zero of its type in the place of the null, where the column is NOT NULL.
        Some(text) => is_column(mismatch) && matches!(text.as_str(), "null" | "\"\""),
    };
    is_missing && mismatch.waltap.as_ref().is_some_and(|text| text != "null")
}

fn is_of(mismatch: &Mismatch, types: &[&str]) -> bool {
    mismatch.type_name().is_some_and(|type_name| types.contains(&type_name))
}
