//! What differs on purpose, and why. `docs/debezium-parity.md` tells users the same, in the same order.

use crate::comparison::Mismatch;
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
        holds: |it| it.table() == "generated" && it.part == "after.twice" && it.waltap.is_none(),
    },
    // A null that is written as the column's default is no longer a null.
    Difference {
        name: "defaults in the place of nulls",
        holds: |it| {
            it.table() == "with_defaults" && is_column(it) && (it.waltap.as_deref() == Some("null") || is_zero_of_delete(it))
        },
    },
    // The key of a record is what a delete can tell: the replica identity, not the primary key that Debezium takes.
    Difference {
        name: "keys where the replica identity is not the primary key",
        holds: |it| match it.table() {
            // It parts changes of a key from others elsewhere: other records.
            "identity_index" => it.part == "record",
            "identity_nothing" => it.part == "key" && it.waltap.as_deref() == Some("null"),
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
    Difference { name: "numerics with a negative scale", holds: |it| is_of(it, &["numeric(3,-2)"]) && is_column(it) },
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
        holds: |it| it.mode == "doubles" && is_of(it, &["regclass", "regtype"]) && is_column(it),
    },
];

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

fn is_column(mismatch: &Mismatch) -> bool {
    mismatch.part.starts_with("before.") || mismatch.part.starts_with("after.")
}

/// Whether it is a column that a delete does not tell: NOT NULL and not of the identity.
fn is_zero_of_delete(mismatch: &Mismatch) -> bool {
    mismatch.id.operation == "d" && matches!(mismatch.part.as_str(), "before.t" | "before.moment")
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
