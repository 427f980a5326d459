//! Properties that pass through to librdkafka: what they are called, which are secret, and which are refused because they would break a
//! guarantee.

use std::fmt;

use waltap_error::{Code, Error, Result};

/// One librdkafka property, as the user wrote it: `name=value`.
///
/// Its value may be a secret, so it shows itself by name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    name: String,
    value: String,
}

impl Property {
    /// A property by its name and value, such as `sasl.username` and `waltap`.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Property { name: name.into(), value: value.into() }
    }

    /// Reads `name=value`. Everything behind the first `=` is the value.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Property::new(name.trim(), value.trim())),
            // The text is not repeated: without its `=` a password may stand anywhere in it.
            _ => Err(Error::configuration(Code::KAFKA_PROPERTY, "a Kafka property is not written as name=value")
                .remedy("--kafka-property compression.type=zstd")),
        }
    }

    /// The name as the user wrote it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value. It may be a secret.
    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    /// The one name among librdkafka's synonyms under which we keep the property, so that a user's `linger.ms` replaces our own.
    pub(crate) fn canonical_name(&self) -> &str {
        canonical_name(&self.name)
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

/// librdkafka's synonyms (the `_RK_C_ALIAS` rows of its rdkafka_conf.c), each with the name that Kafka's own client uses where there is one.
const SYNONYMS: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("message.send.max.retries", "retries"),
    ("compression.codec", "compression.type"),
    ("request.required.acks", "acks"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
];

fn canonical_name(name: &str) -> &str {
    SYNONYMS.iter().find(|(synonym, _)| *synonym == name).map_or(name, |(_, canonical)| canonical)
}

/// Whether what librdkafka says about a property may hold a secret. Errs on the side of silence.
pub(crate) fn is_sensitive(name: &str) -> bool {
    ["password", "passphrase", "secret", "pem", "token", "jaas", "username", "ssl.key", "ssl_", "oauthbearer.config", "assertion"]
        .iter()
        .any(|word| name.contains(word))
}

/// Refuses a property that would break a guarantee, with the reason.
pub(crate) fn check_guarantees(property: &Property) -> Result<()> {
    let value = property.value.trim();
    let is = |allowed: &[&str]| allowed.iter().any(|allowed| value.eq_ignore_ascii_case(allowed));
    let reason = match property.canonical_name() {
        "bootstrap.servers" => "the brokers are named by --brokers alone",
        "enable.idempotence" if !is(&["true", "t", "1"]) => {
            "without the idempotent producer a retry can repeat or reorder the changes of a row"
        }
        "acks" if !is(&["all", "-1"]) => {
            "a record that one broker alone holds is lost with that broker, when PostgreSQL has already forgotten it"
        }
        "enable.gapless.guarantee" if !is(&["true", "t", "1"]) => {
            "without it a failed batch could be followed by a later one of the same row"
        }
        "delivery.timeout.ms" if !is(&["0"]) => {
            "waltap keeps every record until Kafka confirms it, so that an outage delays changes and never loses one"
        }
        "transactional.id" => "waltap names its own transactions",
        "delivery.report.only.error" if !is(&["false", "f", "0"]) => "waltap must hear of every record that was confirmed",
        "queuing.strategy" if !is(&["fifo"]) => "records would overtake each other",
        "partitioner" if is(&["random"]) => "the changes of one row would be spread over partitions and lose their order",
        "queue.buffering.max.kbytes" => "waltap bounds the queue itself: set its queue size instead",
        _ => return Ok(()),
    };
    Err(Error::configuration(Code::KAFKA_PROPERTY, format!("the Kafka property {} is refused: {reason}", property.name))
        .remedy(format!("remove {} from the Kafka properties", property.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_reads_from_text_and_hides_its_value() {
        let property = Property::parse("sasl.password = a=b ").unwrap();
        assert_eq!((property.name(), property.value()), ("sasl.password", "a=b"));
        assert_eq!(format!("{property:?}"), "sasl.password=…");
        for wrong in ["hunter2", "=hunter2", " =hunter2"] {
            let error = Property::parse(wrong).unwrap_err();
            assert_eq!(error.code(), Code::KAFKA_PROPERTY);
            assert!(!format!("{error:?} {}", error.report()).contains("hunter2"));
        }
    }

    #[test]
    fn what_breaks_a_guarantee_is_refused_under_every_synonym() {
        let refused = [
            ("enable.idempotence", "false"),
            ("acks", "1"),
            ("request.required.acks", "0"),
            ("enable.gapless.guarantee", "false"),
            ("message.timeout.ms", "30000"),
            ("delivery.timeout.ms", "30000"),
            ("transactional.id", "mine"),
            ("delivery.report.only.error", "true"),
            ("partitioner", "random"),
            ("bootstrap.servers", "elsewhere:9092"),
            ("metadata.broker.list", "elsewhere:9092"),
            ("queuing.strategy", "lifo"),
        ];
        for (name, value) in refused {
            let error = check_guarantees(&Property::new(name, value)).expect_err(name);
            assert_eq!(error.code(), Code::KAFKA_PROPERTY);
            assert!(error.message().contains(name), "{error}");
        }
        for (name, value) in
            [("acks", "all"), ("acks", "-1"), ("enable.idempotence", "true"), ("message.timeout.ms", "0"), ("linger.ms", "20")]
        {
            check_guarantees(&Property::new(name, value)).expect(name);
        }
    }

    #[test]
    fn every_password_is_sensitive() {
        for name in
            ["sasl.password", "ssl.key.password", "ssl.keystore.password", "sasl.oauthbearer.client.secret", "ssl.key.pem"]
        {
            assert!(is_sensitive(name), "{name}");
        }
        assert!(!is_sensitive("linger.ms"));
    }
}
