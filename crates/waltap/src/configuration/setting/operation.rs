//! How waltap itself is watched.

use super::{PLAIN, Setting, scope};

const HEADING: &str = "Operation";

pub(super) const OPERATION: &[Setting] = &[
    Setting {
        key: "http",
        value_name: "ADDRESS|off",
        heading: HEADING,
        default: Some("127.0.0.1:8642"),
        scope: scope::CAPTURE | scope::STATUS,
        help: "The address of the status server: /healthz, /readyz, /metrics, /status",
        more: "It asks nobody for a password: keep it on this machine, or on a network that you trust. Port 0 takes a free one and logs it; \
               `off` serves nothing.\nExamples: 127.0.0.1:9000, 0.0.0.0:8642, [::1]:0, off",
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
