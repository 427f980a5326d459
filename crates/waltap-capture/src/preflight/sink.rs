//! The other side: whether Kafka is there, and whether the slots fit the progress that it keeps.

use std::sync::Arc;
use std::time::Duration;

use waltap_error::{Code, Error, Kind, Result};
use waltap_kafka::{PROGRESS_TOPIC_DEFAULT, TopicDescription, TopicSpecification, Topics, probe};
use waltap_postgres::catalog::is_standby;
use waltap_postgres::preflight::{Finding, Level};
use waltap_postgres::slot::{inspect, slot_name};

use super::databases_to_capture;
use crate::kafka::ProgressTopic;
use crate::options::{BadEvents, KafkaSinkOptions, Options, SinkOptions, SnapshotMode};
use crate::progress::{Progress, Store};
use crate::slot_plan::{Expected, ServerLog, check_behind, check_cluster, check_standby, check_two_phase, plan};
use crate::source::Replication;

/// Whether Kafka answers, takes our credentials, and has brokers enough. The error says why it does not answer.
pub async fn check_sink(options: &Options, patience: Duration) -> Result<Vec<Finding>> {
    let SinkOptions::Kafka(kafka) = &options.sink else { return Ok(vec![Finding::ok("events go to standard output")]) };
    let brokers = probe(&kafka.client, patience).await?.brokers;
    let are = if brokers == 1 { "1 broker".to_owned() } else { format!("{brokers} brokers") };
    let mut findings = vec![Finding::ok(format!("Kafka answers: {are}"))];
    if usize::try_from(kafka.replication_factor).is_ok_and(|replicas| replicas > brokers) {
        let what = format!("--replication-factor is {}, and there is {are}: no topic can be made", kafka.replication_factor);
        findings.push(Finding::problem(Code::TOPIC, what).remedy(format!("give --replication-factor {brokers}, or fewer")));
    }
    if let BadEvents::DeadLetter { topic } = &kafka.bad_events {
        let found = Topics::new(&kafka.client).describe(topic, patience).await;
        findings.push(match found {
            Ok(None) => Finding::ok(format!("the topic of dead letters {topic} is made at the start")),
            Ok(Some(found)) => {
                losing_letters(&found).unwrap_or_else(|| Finding::ok(format!("the topic of dead letters {topic} is there")))
            }
            Err(error) if error.kind() == Kind::Transient => return Err(error),
            // It is there, and its settings may not be read: pieces are cut for Kafka's defaults then.
            Err(error) => Finding { level: Level::Warning, ..Finding::of(&error) },
        });
    }
    Ok(findings)
}

/// What is to be said of a topic of dead letters that would lose some.
pub(crate) fn losing_letters(topic: &TopicDescription) -> Option<Finding> {
    let (name, policy) = (&topic.name, topic.configuration.get("cleanup.policy")?);
    if policy == "compact" || (policy == "delete" && topic.configuration.get("retention.ms").is_some_and(|time| time == "-1")) {
        return None;
    }
    let what = format!(
        "the topic of dead letters {name} has cleanup.policy={policy}: Kafka deletes letters from it that nobody has sent"
    );
    Some(Finding::warning(what).remedy(format!(
        "kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=compact"
    )))
}

/// Whether each slot is where the capture's progress left it: one that was dropped, moved or made anew by somebody else has lost changes,
/// and the capture would refuse it.
pub async fn check_progress(options: &Options, patience: Duration) -> Result<Vec<Finding>> {
    let SinkOptions::Kafka(kafka) = &options.sink else { return Ok(Vec::new()) };
    if options.snapshot == SnapshotMode::Only {
        return Ok(Vec::new());
    }
    let cluster = probe(&kafka.client, patience).await?.cluster_id;
    let topic = waltap_kafka::ProgressTopic::open_if_there(&kafka.client, PROGRESS_TOPIC_DEFAULT, patience).await?;
    let topic = topic.map(ProgressTopic::Kafka).map(Arc::new);
    let sql = options.source.sql(options.source.maintenance_database()).await?;
    let replication = options.source.replication(options.source.maintenance_database()).await?;
    let mut replication = Replication::Postgres(replication);
    let mut findings = Vec::new();
    let is_standby = is_standby(&sql).await?;
    for database in databases_to_capture(options, &sql).await?.0 {
        let slot = slot_name(&options.name, &database);
        // The slot first: a capture that runs meanwhile moves it only after it has recorded that.
        let found = inspect(&sql, &slot).await?;
        let progress = match &topic {
            Some(topic) => Some(Progress::load(Store::new(Some(Arc::clone(topic)), &options.name, &database)).await?),
            None => None,
        };
        let pending = progress
            .as_ref()
            .and_then(|progress| progress.publications.pending(&options.name, &database, options.publication.is_none()));
        if let Some(error) = pending {
            findings.push(Finding::of(&error).database(&database));
        }
        if let Some(error) = lost_topics(kafka, progress.as_ref(), patience).await? {
            findings.push(Finding::of(&error).database(&database));
        }
        let paused = progress.as_ref().map(Progress::names_behind).unwrap_or_default();
        match check_behind(&paused, options.streaming.two_phase) {
            Err(error) => findings.push(Finding::of(&error).database(&database)),
            Ok(()) if !paused.is_empty() => {
                let what =
                    format!("tables are paused, or have not caught up: {}; the slot keeps the log for them", paused.join(", "));
                findings.push(Finding::warning(what).remedy("waltap resume --table TABLE").database(&database));
            }
            Ok(()) => {}
        }
        let remembered = progress.and_then(|progress| progress.slot);
        if is_standby
            && let Err(error) = check_standby(&options.name, sql.version().number(), remembered.as_ref(), found.as_ref())
        {
            findings.push(Finding::of(&error).database(&database));
            continue;
        }
        let log = ServerLog::ask(&mut replication, remembered.as_ref(), found.as_ref(), is_standby).await?;
        if let Err(error) = check_two_phase(&slot, found.as_ref(), options.streaming.two_phase) {
            findings.push(Finding::of(&error).database(&database));
        }
        if let Err(error) = check_cluster(remembered.as_ref(), cluster.as_deref(), found.as_ref()) {
            findings.push(Finding::of(&error).database(&database));
        }
        let expected = Expected { slot: &slot, record: remembered.as_ref(), sent: None, mode: options.snapshot };
        match plan(expected, &log, found.as_ref()) {
            // These show in the slot alone, and are told of the server already.
            Err(error) if matches!(error.code(), Code::SLOT_IN_USE | Code::SLOT_INVALIDATED) => {}
            Err(error) => findings.push(Finding::of(&error).database(&database)),
            Ok(_) => {}
        }
    }
    Ok(findings)
}

/// That topics are gone, or have fewer partitions, that events went to: the capture would refuse to go on.
async fn lost_topics(kafka: &KafkaSinkOptions, progress: Option<&Progress>, patience: Duration) -> Result<Option<Error>> {
    // Before a slot was read no event can have been lost.
    let has_begun = |progress: &&Progress| progress.slot.as_ref().is_some_and(|record| record.acknowledged.is_some());
    let Some(progress) = progress.filter(has_begun) else { return Ok(None) };
    let kept = progress.kept_topics().map(|(name, record)| TopicSpecification {
        name: name.clone(),
        partitions: record.partitions,
        replication_factor: kafka.replication_factor,
        configuration: Vec::new(),
        known_partitions: Some(record.partitions),
    });
    match Topics::new(&kafka.client).check_kept(&kept.collect::<Vec<_>>(), patience).await {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == Kind::Transient => Err(error),
        // Or they may not be seen, which would stop the capture too.
        Err(error) => Ok(Some(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_would_lose_dead_letters_is_told() {
        let topic = |settings: &[(&str, &str)]| TopicDescription {
            name: "dead".to_owned(),
            partitions: 1,
            replication_factor: 1,
            configuration: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        assert_eq!(losing_letters(&topic(&[("cleanup.policy", "compact"), ("retention.ms", "1")])), None);
        assert_eq!(losing_letters(&topic(&[("cleanup.policy", "delete"), ("retention.ms", "-1")])), None);
        // What cannot be read is not known to be wrong.
        assert_eq!(losing_letters(&topic(&[])), None);
        for policy in ["delete", "compact,delete"] {
            let finding = losing_letters(&topic(&[("cleanup.policy", policy), ("retention.ms", "604800000")])).unwrap();
            assert!(finding.what.contains(policy) && finding.remedy.is_some_and(|remedy| remedy.contains("compact")));
        }
    }
}
