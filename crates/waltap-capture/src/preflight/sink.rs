//! The other side: whether Kafka is there, and whether the slots fit the progress that it keeps.

use std::sync::Arc;
use std::time::Duration;

use waltap_error::{Code, Result};
use waltap_kafka::{PROGRESS_TOPIC_DEFAULT, probe};
use waltap_postgres::catalog::server;
use waltap_postgres::preflight::Finding;
use waltap_postgres::slot::{inspect, slot_name};

use super::databases_to_capture;
use crate::kafka::ProgressTopic;
use crate::options::{Options, SinkOptions, SnapshotMode};
use crate::progress::{Progress, Store};
use crate::slot_plan::{check_cluster, check_two_phase, plan};

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
    Ok(findings)
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
    let system_id = server(&sql).await?.system_identifier.map(|number| number.to_string());
    let mut findings = Vec::new();
    for database in databases_to_capture(options, &sql).await?.0 {
        let slot = slot_name(&options.name, &database);
        // The slot first: a capture that runs meanwhile moves it only after it has recorded that.
        let found = inspect(&sql, &slot).await?;
        let remembered = match &topic {
            Some(topic) => Progress::load(Store::new(Some(Arc::clone(topic)), &options.name, &database)).await?.slot,
            None => None,
        };
        let recorded = remembered.as_ref().map(|record| record.system_id.clone());
        // A server that does not tell its number is taken for the right one here; the capture asks in another way.
        let system_id = system_id.clone().or(recorded).unwrap_or_default();
        if let Err(error) = check_two_phase(&slot, found.as_ref(), options.streaming.two_phase) {
            findings.push(Finding::of(&error).database(&database));
        }
        if let Err(error) = check_cluster(remembered.as_ref(), cluster.as_deref(), found.as_ref()) {
            findings.push(Finding::of(&error).database(&database));
        }
        match plan(&slot, &system_id, remembered.as_ref(), found.as_ref(), options.snapshot) {
            // These show in the slot alone, and are told of the server already.
            Err(error) if matches!(error.code(), Code::SLOT_IN_USE | Code::SLOT_INVALIDATED) => {}
            Err(error) => findings.push(Finding::of(&error).database(&database)),
            Ok(_) => {}
        }
    }
    Ok(findings)
}
