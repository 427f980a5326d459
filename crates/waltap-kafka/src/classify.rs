//! What an error of librdkafka means for the work.

use rdkafka::types::RDKafkaErrorCode;
use waltap_error::{Code, Error};

/// What went wrong with a record of `topic`. `bytes` is its size when it is known.
pub(crate) fn delivery_error(code: RDKafkaErrorCode, topic: &str, bytes: Option<usize>) -> Error {
    use RDKafkaErrorCode as E;
    let error = match code {
        E::MessageSizeTooLarge | E::InvalidMessageSize | E::MessageBatchTooLarge => {
            let size = bytes.map(|bytes| format!(" of {bytes} bytes")).unwrap_or_default();
            Error::data(Code::RECORD_TOO_LARGE, format!("a record{size} is too large for topic {topic}")).remedy(format!(
                "raise both: --kafka-property message.max.bytes=N here, and max.message.bytes of the topic: \
                 kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config max.message.bytes=N"
            ))
        }
        // Brokers take no record from more than an hour ahead of their own clock, by default. Nothing is wrong with the record.
        E::InvalidTimestamp => Error::transient(
            Code::DELIVERY_REFUSED,
            format!("Kafka refuses the time of a record of topic {topic}: this machine's clock, or the brokers', is wrong"),
        )
        .remedy("set the clocks right; how far they may differ is message.timestamp.after.max.ms of the topic"),
        E::InvalidRecord | E::InvalidMessage => {
            Error::data(Code::DELIVERY_REFUSED, format!("Kafka refuses a record of topic {topic}"))
        }
        E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed | E::PolicyViolation | E::TopicDeletionDisabled => {
            Error::configuration(Code::DELIVERY_REFUSED, format!("Kafka does not let waltap write to topic {topic}")).remedy(
                format!("grant the right: kafka-acls.sh --add --allow-principal User:<user> --operation Write --topic {topic}"),
            )
        }
        E::InvalidRequiredAcks | E::UnsupportedCompressionType | E::UnsupportedForMessageFormat | E::UnsupportedVersion => {
            Error::configuration(Code::DELIVERY_REFUSED, format!("the brokers do not support what topic {topic} needs"))
        }
        E::InvalidTopic => Error::configuration(Code::TOPIC, format!("{topic} is not a legal name of a topic")),
        // It may have been made a moment ago, or deleted a moment ago: making sure of the topics again tells which.
        E::UnknownTopic | E::UnknownTopicOrPartition | E::UnknownPartition | E::UnknownTopicId => {
            Error::transient(Code::TOPIC, format!("topic {topic}, or a partition of it, is gone"))
        }
        code if is_authentication(code) => authentication_error(),
        // The fatal errors of the idempotent producer, and all that follows from them: a new producer starts from the last confirmed place.
        E::Fatal
        | E::GaplessGuarantee
        | E::OutOfOrderSequenceNumber
        | E::InvalidProducerEpoch
        | E::UnknownProducerId
        | E::InvalidProducerIdMapping
        | E::ProducerFenced
        | E::Fenced
        | E::PurgeQueue
        | E::PurgeInflight => {
            Error::transient(Code::PRODUCER_LOST, format!("the Kafka producer was lost with a record of topic {topic}"))
        }
        _ => Error::transient(Code::BROKERS, format!("a record of topic {topic} was not delivered")),
    };
    error.source(code)
}

/// What an error of the client itself means: a connection, or a request for metadata, offsets and the like.
pub(crate) fn client_error(code: RDKafkaErrorCode, doing: &str) -> Error {
    let error = match code {
        code if is_authentication(code) => authentication_error(),
        RDKafkaErrorCode::SSL => Error::configuration(Code::BROKERS, format!("{doing}: the TLS connection to Kafka failed")).remedy(
            // librdkafka does not say why a certificate is refused.
            "check security.protocol, ssl.ca.location (the authority that signed the brokers' certificates), the host names in --brokers, and \
             whether the certificates have expired: openssl s_client -connect <broker> </dev/null | openssl x509 -noout -dates",
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed => {
            Error::configuration(Code::TOPIC, format!("{doing}: Kafka does not allow it"))
        }
        RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownPartition => {
            Error::transient(Code::TOPIC, format!("{doing}: the topic is not there"))
        }
        _ => Error::transient(Code::BROKERS, doing.to_owned())
            .remedy("check that the brokers are up, that --brokers names them, and that security.protocol fits their listener"),
    };
    error.source(code)
}

/// What an error of a transaction means. None of them loses anything: what was not committed is sent again by the next producer.
pub(crate) fn transaction_error(code: RDKafkaErrorCode, doing: &str) -> Error {
    use RDKafkaErrorCode as E;
    match code {
        code if is_authentication(code) => authentication_error(),
        E::ProducerFenced | E::Fenced | E::InvalidProducerEpoch => Error::transient(
            Code::PRODUCER_LOST,
            format!(
                "{doing}: another producer has taken over this capture's transactions, or Kafka rolled this one back as too old"
            ),
        )
        .remedy("make sure that one waltap alone runs under this --name; it goes on by itself from the last committed place"),
        E::TransactionalIdAuthorizationFailed => {
            Error::configuration(Code::DELIVERY_REFUSED, format!("{doing}: Kafka does not let waltap use its transactional id"))
                .remedy(
                    "grant the right: kafka-acls.sh --add --allow-principal User:<user> --operation Write --operation Describe \
                 --transactional-id waltap- --resource-pattern-type prefixed",
                )
        }
        E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed => {
            Error::configuration(Code::DELIVERY_REFUSED, format!("{doing}: Kafka does not allow it")).remedy(
                "grant the rights on every topic of the capture: kafka-acls.sh --add --allow-principal User:<user> --operation Describe \
                 --operation Write --topic <topic>",
            )
        }
        E::InvalidTransactionTimeout => {
            Error::configuration(Code::KAFKA_PROPERTY, format!("{doing}: the brokers do not allow transactions to last so long"))
                .remedy(
                    "lower it here: --kafka-property transaction.timeout.ms=N, at most transaction.max.timeout.ms of the brokers",
                )
        }
        E::UnsupportedVersion | E::UnsupportedFeature | E::UnsupportedForMessageFormat => {
            Error::configuration(Code::DELIVERY_REFUSED, format!("{doing}: the brokers do not know transactions"))
                .remedy("--delivery at-least-once")
        }
        _ => Error::transient(Code::PRODUCER_LOST, doing.to_owned()),
    }
}

pub(crate) fn is_authentication(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(code, E::Authentication | E::SaslAuthenticationFailed | E::UnsupportedSASLMechanism | E::IllegalSASLState)
}

fn authentication_error() -> Error {
    Error::configuration(Code::KAFKA_AUTHENTICATION, "Kafka refused the credentials")
        .remedy("check sasl.mechanism, sasl.username, sasl.password and security.protocol among the Kafka properties")
}

#[cfg(test)]
mod tests {
    use waltap_error::Kind;

    use super::*;

    #[test]
    fn errors_of_delivery_have_the_kind_that_the_work_needs() {
        use RDKafkaErrorCode as E;
        for (code, kind, expected) in [
            (E::MessageSizeTooLarge, Kind::Data, Code::RECORD_TOO_LARGE),
            (E::InvalidRecord, Kind::Data, Code::DELIVERY_REFUSED),
            (E::InvalidTimestamp, Kind::Transient, Code::DELIVERY_REFUSED),
            (E::TopicAuthorizationFailed, Kind::Configuration, Code::DELIVERY_REFUSED),
            (E::ClusterAuthorizationFailed, Kind::Configuration, Code::DELIVERY_REFUSED),
            (E::UnknownTopicOrPartition, Kind::Transient, Code::TOPIC),
            (E::UnknownPartition, Kind::Transient, Code::TOPIC),
            (E::SaslAuthenticationFailed, Kind::Configuration, Code::KAFKA_AUTHENTICATION),
            (E::Authentication, Kind::Configuration, Code::KAFKA_AUTHENTICATION),
            (E::Fatal, Kind::Transient, Code::PRODUCER_LOST),
            (E::GaplessGuarantee, Kind::Transient, Code::PRODUCER_LOST),
            (E::OutOfOrderSequenceNumber, Kind::Transient, Code::PRODUCER_LOST),
            (E::BrokerTransportFailure, Kind::Transient, Code::BROKERS),
            (E::NotEnoughReplicas, Kind::Transient, Code::BROKERS),
        ] {
            let error = delivery_error(code, "t", Some(7));
            assert_eq!((error.kind(), error.code()), (kind, expected), "{code:?}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }

    #[test]
    fn errors_of_the_client_have_the_kind_that_the_work_needs() {
        use RDKafkaErrorCode as E;
        for (code, kind, expected) in [
            (E::AllBrokersDown, Kind::Transient, Code::BROKERS),
            (E::Resolve, Kind::Transient, Code::BROKERS),
            (E::SSL, Kind::Configuration, Code::BROKERS),
            (E::Authentication, Kind::Configuration, Code::KAFKA_AUTHENTICATION),
        ] {
            let error = client_error(code, "connecting");
            assert_eq!((error.kind(), error.code()), (kind, expected), "{code:?}");
        }
    }

    #[test]
    fn errors_of_transactions_have_the_kind_that_the_work_needs() {
        use RDKafkaErrorCode as E;
        for (code, kind, expected, remedy) in [
            // Fenced, by its old name and by its new one, and by librdkafka's own.
            (E::ProducerFenced, Kind::Transient, Code::PRODUCER_LOST, Some("--name")),
            (E::InvalidProducerEpoch, Kind::Transient, Code::PRODUCER_LOST, Some("--name")),
            (E::Fenced, Kind::Transient, Code::PRODUCER_LOST, Some("--name")),
            // Fatal for the producer, or for the transaction: the next producer begins at the last committed place.
            (E::Fatal, Kind::Transient, Code::PRODUCER_LOST, None),
            (E::InvalidTransactionalState, Kind::Transient, Code::PRODUCER_LOST, None),
            (E::UnknownProducerId, Kind::Transient, Code::PRODUCER_LOST, None),
            (E::InvalidProducerIdMapping, Kind::Transient, Code::PRODUCER_LOST, None),
            (E::OutOfOrderSequenceNumber, Kind::Transient, Code::PRODUCER_LOST, None),
            // May be tried again, and was not any more, because time was up.
            (E::OperationTimedOut, Kind::Transient, Code::PRODUCER_LOST, None),
            (E::ConcurrentTransactions, Kind::Transient, Code::PRODUCER_LOST, None),
            (E::CoordinatorLoadInProgress, Kind::Transient, Code::PRODUCER_LOST, None),
            (E::NotCoordinator, Kind::Transient, Code::PRODUCER_LOST, None),
            // Somebody must act.
            (E::TransactionalIdAuthorizationFailed, Kind::Configuration, Code::DELIVERY_REFUSED, Some("--transactional-id")),
            (E::TopicAuthorizationFailed, Kind::Configuration, Code::DELIVERY_REFUSED, Some("kafka-acls.sh")),
            (E::ClusterAuthorizationFailed, Kind::Configuration, Code::DELIVERY_REFUSED, Some("kafka-acls.sh")),
            (E::InvalidTransactionTimeout, Kind::Configuration, Code::KAFKA_PROPERTY, Some("transaction.max.timeout.ms")),
            (E::UnsupportedVersion, Kind::Configuration, Code::DELIVERY_REFUSED, Some("at-least-once")),
            (E::UnsupportedFeature, Kind::Configuration, Code::DELIVERY_REFUSED, Some("at-least-once")),
            (E::SaslAuthenticationFailed, Kind::Configuration, Code::KAFKA_AUTHENTICATION, Some("sasl.")),
        ] {
            let error = transaction_error(code, "committing");
            assert_eq!((error.kind(), error.code()), (kind, expected), "{code:?}");
            let remedied = match remedy {
                Some(remedy) => error.remedy_text().is_some_and(|text| text.contains(remedy)),
                None => error.remedy_text().is_none(),
            };
            assert!(remedied, "{code:?}: {:?}", error.remedy_text());
        }
    }
}
