//! Whether Kafka can be reached, and as what, before anything starts.

use std::time::{Duration, Instant};

use waltap_error::Result;

use crate::inquiry::{Inquiry, blocking};
use crate::options::Options;
use crate::progress::PROGRESS_TOPIC_DEFAULT;

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
/// Fails with `KAFKA_AUTHENTICATION` (configuration) or `BROKERS` (configuration when it is TLS that fails) as soon as that is known, and with
/// `BROKERS` (transient) when nothing has answered in time.
pub async fn probe(options: &Options, timeout: Duration) -> Result<ClusterInfo> {
    let options = options.clone();
    let deadline = Instant::now() + timeout;
    blocking(move || {
        let inquiry = Inquiry::start(&options, format!("connecting to Kafka at {}", options.brokers()), deadline)?;
        // Every answer names all brokers. Of topics one is asked for that may or may not be there, or the answer would be about all of them.
        let brokers = inquiry.metadata_of(PROGRESS_TOPIC_DEFAULT)?.brokers().len();
        Ok(ClusterInfo { cluster_id: inquiry.cluster_id(), brokers })
    })
    .await
}
