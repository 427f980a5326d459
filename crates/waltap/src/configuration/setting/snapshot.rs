//! The rows that are there already.

use super::{PLAIN, Setting};

const HEADING: &str = "Snapshot";

pub(super) const SNAPSHOT: &[Setting] = &[
    Setting {
        key: "snapshot",
        value_name: "MODE",
        heading: HEADING,
        default: Some("initial"),
        choices: &[
            ("initial", "each table's rows are read once, then its changes are streamed"),
            ("never", "changes only, from the moment the slot is made"),
            ("only", "rows only: read every table once and end"),
        ],
        help: "What becomes of the rows that are there already",
        ..PLAIN
    },
    Setting {
        key: "snapshot-workers",
        value_name: "NUMBER",
        heading: HEADING,
        default: Some("2"),
        help: "How many connections read a snapshot at once, for each database",
        ..PLAIN
    },
    Setting {
        key: "new-tables",
        value_name: "HOW",
        heading: HEADING,
        default: Some("snapshot"),
        choices: &[
            ("snapshot", "under an exported snapshot, which waits for every open transaction, while the stream may wait for it"),
            ("chunks", "in chunks by their key, while the stream goes on; tables without a key as above"),
        ],
        help: "How the rows of tables are read that join while the capture runs",
        ..PLAIN
    },
    Setting {
        key: "snapshot-chunk-rows",
        value_name: "NUMBER",
        heading: HEADING,
        default: Some("2048"),
        help: "How many rows a chunk has at most, where tables are read in chunks while the stream goes on",
        ..PLAIN
    },
    Setting {
        key: "snapshot-rate",
        value_name: "ROWS",
        heading: HEADING,
        default: Some("none"),
        help: "How many rows a second are read in chunks at most, for each database: a number, or `none`",
        ..PLAIN
    },
];
