//! The handling modes under which both run: each value of each property at least once.

/// Properties that both are given.
pub(super) struct Mode {
    /// Also the name of the slot and of the capture.
    pub(super) name: &'static str,
    /// Debezium's names, which waltap takes too.
    pub(super) properties: &'static [(&'static str, &'static str)],
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
        ],
    },
    Mode {
        name: "doubles",
        properties: &[
            ("decimal.handling.mode", "double"),
            ("time.precision.mode", "connect"),
            ("binary.handling.mode", "base64-url-safe"),
            ("include.unknown.datatypes", "true"),
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
        ],
    },
    Mode { name: "nanos", properties: &[("time.precision.mode", "nanoseconds"), ("skipped.operations", "u,d")] },
    Mode { name: "times", properties: &[("time.precision.mode", "adaptive_time_microseconds"), ("skipped.operations", "u, t")] },
];
