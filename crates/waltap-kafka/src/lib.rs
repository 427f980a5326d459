//! All that speaks to Kafka.
