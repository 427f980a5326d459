//! `waltap publications accept`: somebody has judged what a change of the publications has lost.

use std::time::Duration;

use waltap_error::Result;
use waltap_kafka::{PROGRESS_TOPIC_DEFAULT, ProgressTopic};

use super::loss::{Acceptance, Loss};
use super::memory::LOSS;
use crate::progress::{capture_prefix, json, parse, unescaped};
use crate::selection::DatabaseSelection;

/// How long Kafka may take to answer.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);

/// A loss with which the capture goes on when it is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLoss {
    /// The database.
    pub database: String,
    /// What happened, and which changes may be missing.
    pub story: String,
}

/// Accepts the losses of a capture in the databases of the choice. `rows`: the tables that are concerned are read again.
pub async fn accept_losses(
    kafka: &waltap_kafka::Options,
    capture: &str,
    databases: &DatabaseSelection,
    rows: bool,
) -> Result<Vec<AcceptedLoss>> {
    let Some(topic) = ProgressTopic::open_if_there(kafka, PROGRESS_TOPIC_DEFAULT, KAFKA_TIMEOUT).await? else {
        return Ok(Vec::new());
    };
    let prefix = capture_prefix(capture);
    let (mut accepted, mut written) = (Vec::new(), Vec::new());
    for (key, value) in topic.load(prefix.as_bytes()).await? {
        let text = String::from_utf8_lossy(&key).into_owned();
        let database = text.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(LOSS)?.strip_suffix('/')).map(unescaped);
        let Some(database) = database.filter(|database| databases.matches(database)) else { continue };
        let mut loss: Loss = parse(&text, &value)?;
        loss.accepted = Some(Acceptance { rows });
        accepted.push(AcceptedLoss { database, story: loss.story() });
        written.push((key, json(&loss)?));
    }
    let entries: Vec<(&[u8], Option<&[u8]>)> =
        written.iter().map(|(key, value)| (key.as_slice(), Some(value.as_slice()))).collect();
    topic.write(&entries).await?;
    Ok(accepted)
}
