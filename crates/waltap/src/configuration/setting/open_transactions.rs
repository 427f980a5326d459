//! How transactions come that are large, or prepared.

use super::{PLAIN, Setting, Shape};

const HEADING: &str = "Source";

pub(super) const OPEN_TRANSACTIONS: &[Setting] = &[
    Setting {
        key: "streaming",
        value_name: "on|off",
        heading: HEADING,
        default: Some("on"),
        help: "Whether large transactions come while they are open (PostgreSQL 14 and later; before, they never do)",
        more: "on: they are kept here until their commit, beyond --spill-memory on the disk. off: they come after their commit; until then the \
               server keeps them, on its own disk. Nothing of a transaction is sent before its commit either way. With --messages it is off: the \
               server does not say which savepoint a message of an open transaction belongs to.",
        ..PLAIN
    },
    Setting {
        key: "spill-memory",
        value_name: "SIZE",
        heading: HEADING,
        default: Some("8MiB"),
        help: "How much of open transactions is held in memory, over all databases; the rest is on the disk",
        more: "Examples: 8MiB, 256MiB, 1GB",
        ..PLAIN
    },
    Setting {
        key: "spill-directory",
        value_name: "DIRECTORY",
        heading: HEADING,
        help: "Where the rest of open transactions is kept, in files without a name [default: the system's directory for temporary files]",
        more: "It takes about as much as the changes of all transactions that are open; it is given back at their end, and when waltap ends. \
               On many systems /tmp is memory: name a directory on a disk there.",
        ..PLAIN
    },
    Setting {
        key: "two-phase",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: HEADING,
        default: Some("false"),
        help: "Whether transactions are sent at PREPARE TRANSACTION, and not at COMMIT PREPARED (PostgreSQL 15 and later)",
        more: "Readers then see changes that may be rolled back later, of which no event tells. A capture that has begun so stays so. While rows of \
               tables are read, a prepared transaction still waits for COMMIT PREPARED. Not with --delivery exactly-once.",
        ..PLAIN
    },
];
