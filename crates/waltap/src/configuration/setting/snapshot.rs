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
];
