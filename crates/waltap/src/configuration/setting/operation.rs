//! How waltap itself is watched.

use super::{PLAIN, Setting, Shape, scope};

const HEADING: &str = "Operation";

pub(super) const OPERATION: &[Setting] = &[
    Setting {
        key: "max-retained-wal",
        value_name: "SIZE",
        heading: HEADING,
        help: "How much log the server may keep for a slot before that is an alarm, or the end of the slot",
        more: "It is said from 80 percent on, in the log, /metrics and /readyz. Looked at every five seconds, also while Kafka does not answer. \
               The server's own bound is max_slot_wal_keep_size. Examples: 500MB, 64GiB",
        ..PLAIN
    },
    Setting {
        key: "on-max-retained-wal",
        value_name: "ACTION",
        heading: HEADING,
        default: Some("warn"),
        choices: &[
            ("warn", "it is said, and the slot stays"),
            (
                "drop-slot",
                "the slot is dropped, so that the source's disk is given back; what it had not sent is lost, and is said",
            ),
        ],
        help: "What becomes of a slot that keeps more log than --max-retained-wal",
        ..PLAIN
    },
    Setting {
        key: "on-slot-lost",
        value_name: "ACTION",
        heading: HEADING,
        default: Some("fail"),
        choices: &[
            ("fail", "it stops, with what is lost and how to begin anew"),
            ("resnapshot", "it begins anew by itself, with a new slot, and reads every table again"),
        ],
        help: "What becomes of a database's capture whose slot was dropped, moved or invalidated, or whose server went back in time",
        more: "Either way changes are lost, and that is said (WT0010, WT0011, WT0012, WT0056). It begins anew once a day at most, unless it \
               streams for an hour in between (WT0059). Rows that were deleted meanwhile stay in the topics: a snapshot does not show them.",
        ..PLAIN
    },
    Setting {
        key: "stall-timeout",
        value_name: "DURATION|off",
        heading: HEADING,
        default: Some("5m"),
        help: "How long nothing may move of a tap that is behind before that is an alarm, with what it waits for",
        more: "The alarm is in the log, in /metrics and in /readyz, which answers 503 then. Examples: 30s, 5m, off",
        ..PLAIN
    },
    Setting {
        key: "heartbeat-interval",
        value_name: "DURATION|off",
        heading: HEADING,
        default: Some("off"),
        help: "How often to write a message into the log of each database, so that its slot moves where nobody writes",
        more: "No slot needs it to give its log up. It is written by pg_logical_emit_message with the prefix waltap.mark, and becomes no event. \
               Examples: 1m, 5m, off",
        ..PLAIN
    },
    Setting {
        key: "http",
        value_name: "ADDRESS|off",
        heading: HEADING,
        default: Some("127.0.0.1:8642"),
        scope: scope::CAPTURE | scope::STATUS,
        help: "The address of the status server: /healthz, /readyz, /metrics, /status",
        more: "It asks nobody for a password: keep it on this machine, or on a network that you trust. Port 0 takes a free one and logs it; \
               `off` serves nothing. An address beyond this machine needs --http-public.\n\
               Examples: 127.0.0.1:9000, 0.0.0.0:8642, [::1]:0, off",
        ..PLAIN
    },
    Setting {
        key: "http-public",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: HEADING,
        default: Some("false"),
        help: "Whether the status server may listen beyond this machine, for everybody who reaches it",
        more: "It shows names of databases, slots and topics, positions and errors; no rows and no secrets.",
        ..PLAIN
    },
    Setting {
        key: "core-dumps",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: HEADING,
        default: Some("false"),
        help: "Whether the process may be looked into by others of its user: core dumps, debuggers, profilers",
        more: "Passwords and rows are in its memory. Root may look at any time.",
        ..PLAIN
    },
    Setting {
        key: "standby",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: HEADING,
        default: Some("false"),
        help: "Whether to wait while another waltap does this capture, and to take over when it dies",
        more: "Give it to both of a pair: who comes first works, the other is in state `standby` (/readyz says so, with 200) and tries each \
               second. They need the same settings, and addresses of their own for --http where they share a host.",
        ..PLAIN
    },
    Setting {
        key: "log-format",
        value_name: "FORMAT",
        heading: HEADING,
        default: Some("text"),
        choices: &[("text", "for people; coloured on a terminal"), ("json", "one JSON object a line")],
        scope: scope::ALL,
        help: "How log lines are written, to standard error",
        ..PLAIN
    },
    Setting {
        key: "log-level",
        value_name: "FILTER",
        heading: HEADING,
        scope: scope::ALL,
        help: "What is logged: error, warn, info, debug, trace, or one for each part [default: info for capture, warn for the rest]",
        more: "Also WALTAP_LOG. Example: info,waltap_postgres=debug",
        ..PLAIN
    },
];
