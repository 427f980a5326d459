//! Where events go, and with which guarantee.

use super::{PLAIN, Setting, Shape, scope};

const HEADING: &str = "Sink";

pub(super) const SINK: &[Setting] = &[
    Setting {
        key: "sink",
        value_name: "SINK",
        heading: HEADING,
        default: Some("kafka"),
        choices: &[
            ("kafka", "a Kafka cluster; progress is kept there, beside the data"),
            ("stdout", "standard output, a line a record, from a temporary slot that leaves nothing behind"),
        ],
        help: "Where events go",
        ..PLAIN
    },
    Setting {
        key: "brokers",
        shape: Shape::List,
        value_name: "HOST:PORT,...",
        heading: HEADING,
        scope: scope::CAPTURE | scope::SLOTS | scope::TOPICS | scope::REQUESTS | scope::DROP | scope::DEAD_LETTERS,
        help: "The Kafka brokers to begin with; the others are learned from them",
        more: "Example: --brokers localhost:9092",
        ..PLAIN
    },
    Setting {
        key: "kafka-property",
        shape: Shape::Properties,
        value_name: "NAME=VALUE",
        heading: HEADING,
        secret: true,
        scope: scope::CAPTURE | scope::SLOTS | scope::TOPICS | scope::REQUESTS | scope::DROP | scope::DEAD_LETTERS,
        help: "A property of librdkafka; may be repeated",
        more: "As variables: WALTAP_KAFKA_ and the property's name in capitals with _ for each dot, which is the place for a secret: \
               WALTAP_KAFKA_SASL_PASSWORD. Properties of the file, the variables and the flags are put together; the stronger wins \
               name by name.\n\
               Examples:\n  --kafka-property compression.type=zstd\n  --kafka-property security.protocol=SASL_SSL --kafka-property sasl.mechanism=SCRAM-SHA-512",
        ..PLAIN
    },
    Setting {
        key: "queue-bytes",
        value_name: "SIZE",
        heading: HEADING,
        default: Some("16MiB"),
        help: "The most that may be handed to Kafka and not be confirmed, over all databases",
        more: "When it is reached, waltap stops reading from PostgreSQL until Kafka has caught up. Examples: 64MiB, 1GB",
        ..PLAIN
    },
    Setting {
        key: "delivery",
        value_name: "GUARANTEE",
        heading: HEADING,
        default: Some("at-least-once"),
        choices: &[
            ("at-least-once", "every change is there; one that comes again after a crash carries the same position"),
            (
                "exactly-once",
                "every change is there once, for readers with isolation.level=read_committed; by Kafka transactions",
            ),
        ],
        help: "What readers of the topics may rely on, through any number of crashes",
        more: "A capture may be stopped and started again with the other one. What each costs: docs/delivery.md",
        ..PLAIN
    },
    Setting {
        key: "transaction-max-latency",
        value_name: "DURATION",
        heading: HEADING,
        default: Some("250ms"),
        help: "How long a change waits at most before the commit of its Kafka transaction begins, with exactly-once",
        more: "An idle stream commits at once. A busy one gathers up to this, and to the end of a PostgreSQL transaction; in a \
               backlog, where commits are dear, up to a fifth of the time by which it is behind.",
        ..PLAIN
    },
    Setting {
        key: "transaction-max-bytes",
        value_name: "SIZE",
        heading: HEADING,
        default: Some("256MiB"),
        help: "The size at which a PostgreSQL transaction is parted over several Kafka transactions, with exactly-once",
        more: "Smaller ones are seen as a whole or not at all, with the exceptions of docs/delivery.md. A Kafka transaction that has become \
               so large with several of them ends behind the last. Examples: 64MiB, 1GB",
        ..PLAIN
    },
    Setting {
        key: "on-bad-event",
        value_name: "ACTION",
        heading: HEADING,
        default: Some("stop"),
        choices: &[
            ("stop", "its database stops there; nothing is lost, and nothing behind it is sent"),
            ("dead-letter", "it is written to --dead-letter-topic, whole, in pieces, and what is behind it goes on"),
        ],
        help: "What becomes of an event that is too large for Kafka",
        more: "An alarm and waltap_dead_letters_total say that there are some. See waltap dead-letters, and docs/dead-letters.md",
        ..PLAIN
    },
    Setting {
        key: "dead-letter-topic",
        value_name: "TOPIC",
        heading: HEADING,
        default: Some(waltap_capture::DEAD_LETTER_TOPIC_DEFAULT),
        scope: scope::CAPTURE | scope::DEAD_LETTERS,
        help: "The topic of events that are too large for their own, made when it is missing",
        more: "Compacted, so that they stay until they are sent. Captures may share it.",
        ..PLAIN
    },
];
