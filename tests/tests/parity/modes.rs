//! The handling modes under which both run: each value of each property at least once.

use crate::DATABASE;

/// Properties that both are given.
pub(super) struct Mode {
    /// Also the name of the slot and of the capture.
    pub(super) name: &'static str,
    /// Debezium's names, which waltap takes too.
    pub(super) properties: &'static [(&'static str, &'static str)],
}

impl Mode {
    /// The value of a property, if it is set.
    pub(super) fn property(&self, name: &str) -> Option<&'static str> {
        self.properties.iter().find(|(property, _)| *property == name).map(|(_, value)| *value)
    }

    /// Where signs of life go.
    pub(super) fn heartbeat_topic(&self) -> String {
        format!("{}.{DATABASE}", self.property("topic.heartbeat.prefix").unwrap_or("__debezium-heartbeat"))
    }

    pub(super) fn has_schemas(&self) -> bool {
        self.property("schemas.enable") == Some("true")
    }
}

pub(super) const MODES: &[Mode] = &[
    Mode { name: "defaults", properties: &[] },
    Mode {
        name: "strings",
        properties: &[
            ("decimal.handling.mode", "string"),
            ("time.precision.mode", "isostring"),
            ("binary.handling.mode", "hex"),
            ("interval.handling.mode", "string"),
            ("hstore.handling.mode", "map"),
            ("tombstones.on.delete", "false"),
            ("skipped.operations", "none"),
            ("schemas.enable", "true"),
            ("replace.null.with.default", "false"),
        ],
    },
    Mode {
        name: "doubles",
        properties: &[
            ("decimal.handling.mode", "double"),
            ("time.precision.mode", "connect"),
            ("binary.handling.mode", "base64-url-safe"),
            ("include.unknown.datatypes", "true"),
            ("schemas.enable", "true"),
            ("replace.null.with.default", "true"),
            ("unavailable.value.placeholder", "hex:e9006f7468657220ff"),
        ],
    },
    Mode {
        name: "micros",
        properties: &[
            ("time.precision.mode", "microseconds"),
            ("binary.handling.mode", "base64"),
            ("unavailable.value.placeholder", "gone: \"é😀\""),
            ("skipped.operations", "c"),
            ("schemas.enable", "true"),
        ],
    },
    Mode {
        name: "nanos",
        properties: &[
            ("time.precision.mode", "nanoseconds"),
            ("skipped.operations", "u,d"),
            ("schemas.enable", "true"),
            ("provide.transaction.metadata", "true"),
        ],
    },
    Mode {
        name: "schemas",
        properties: &[
            ("schemas.enable", "true"),
            ("replace.null.with.default", "true"),
            ("provide.transaction.metadata", "true"),
            ("heartbeat.interval.ms", "300"),
        ],
    },
    Mode {
        name: "beside",
        properties: &[
            ("skipped.operations", "none"),
            ("include.unknown.datatypes", "true"),
            ("replace.null.with.default", "false"),
            ("provide.transaction.metadata", "true"),
            ("topic.transaction", "commits"),
            ("heartbeat.interval.ms", "300"),
            ("topic.heartbeat.prefix", "alive"),
        ],
    },
    Mode {
        name: "times",
        properties: &[
            ("time.precision.mode", "adaptive_time_microseconds"),
            ("skipped.operations", "u, t"),
            ("schemas.enable", "true"),
        ],
    },
];
