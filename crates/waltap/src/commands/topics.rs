//! `waltap topics`: what arrived in Kafka.

use std::process::ExitCode;
use std::time::Duration;

use waltap_error::Result;
use waltap_kafka::{Options, Tail, TailRecord, TailStart, TopicSummary, Topics};

use super::block_on;
use crate::command_line::{TailArguments, TailFrom, TopicsArguments, TopicsCommand};
use crate::configuration::{self, SettingFlags, scope};
use crate::json_text::{embed, pretty, quoted};
use crate::output::{self, Reader};
use crate::table::{self, Side};
use crate::{logging, signals};

/// How long Kafka may take to answer: a cluster that is up does in well under a second, one that fails over in a few.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn run(arguments: TopicsArguments) -> Result<ExitCode> {
    match arguments.command {
        TopicsCommand::List { json, settings } => list(kafka(settings)?, json),
        TopicsCommand::Tail(mut arguments) => {
            let options = kafka(std::mem::take(&mut arguments.settings))?;
            block_on(Box::pin(tail(options, arguments)))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn kafka(settings: SettingFlags<{ scope::TOPICS }>) -> Result<Options> {
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    configuration.kafka()
}

fn list(options: Options, json: bool) -> Result<ExitCode> {
    let topics = block_on(async move { Topics::new(&options).list(KAFKA_TIMEOUT).await })?;
    if json {
        let list: Vec<_> = topics.iter().map(as_json).collect();
        output::print_json(&list)?;
    } else {
        let columns = [("TOPIC", Side::Left), ("PARTITIONS", Side::Right), ("RECORDS", Side::Right)];
        let rows: Vec<_> = topics
            .iter()
            .map(|topic| vec![topic.name.clone(), topic.partitions.to_string(), topic.records.to_string()])
            .collect();
        output::print(&table::draw(&columns, &rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(topic: &TopicSummary) -> serde_json::Value {
    serde_json::json!({ "topic": topic.name, "partitions": topic.partitions, "records": topic.records })
}

async fn tail(options: Options, arguments: TailArguments) -> Result<()> {
    let (from, follow) = match arguments.from {
        TailFrom::Beginning => (TailStart::Beginning, arguments.follow),
        // At the end there is nothing yet: to begin there is to wait.
        TailFrom::End => (TailStart::End, true),
    };
    let mut remaining = arguments.max.unwrap_or(u64::MAX);
    if remaining == 0 {
        return Ok(());
    }
    let mut tail = Tail::start(&options, &arguments.topic, from, follow, KAFKA_TIMEOUT).await?;
    let mut interrupted = std::pin::pin!(signals::interrupted());
    loop {
        let record = tokio::select! {
            record = tail.next() => record?,
            signal = &mut interrupted => return signal,
        };
        let Some(record) = record else { return Ok(()) };
        let mut line = line(&arguments.topic, &record);
        if arguments.pretty {
            line = pretty(&line);
        }
        line.push('\n');
        remaining -= 1;
        if output::print(&line)? == Reader::Gone || remaining == 0 {
            return Ok(());
        }
    }
}

/// A record as one line of JSON.
fn line(topic: &str, record: &TailRecord) -> String {
    let embedded = |bytes: &Option<Vec<u8>>| bytes.as_deref().map_or("null".to_owned(), embed);
    let mut line = format!(
        "{{\"topic\":{},\"partition\":{},\"offset\":{},\"key\":{},\"value\":{}",
        quoted(topic),
        record.partition,
        record.offset,
        embedded(&record.key),
        embedded(&record.value)
    );
    if !record.headers.is_empty() {
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| format!("{}:{}", quoted(name), embedded(value))).collect();
        line.push_str(&format!(",\"headers\":{{{}}}", headers.join(",")));
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TailRecord {
        TailRecord {
            partition: 2,
            offset: 7,
            timestamp_ms: None,
            key: Some(b"{\"id\":1}".to_vec()),
            value: Some(b"{\"op\":\"c\",\"after\":{\"total\":1.50}}".to_vec()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn a_record_is_one_line_with_its_json_inside() {
        assert_eq!(
            line("shop.public.orders", &record()),
            r#"{"topic":"shop.public.orders","partition":2,"offset":7,"key":{"id":1},"value":{"op":"c","after":{"total":1.50}}}"#
        );
    }

    #[test]
    fn tombstones_texts_and_headers_are_shown() {
        let headers = vec![("trace".to_owned(), Some(b"a\"b".to_vec())), ("empty".to_owned(), None)];
        let record = TailRecord { key: Some(b"plain".to_vec()), value: None, headers, ..record() };
        assert_eq!(
            line("t", &record),
            r#"{"topic":"t","partition":2,"offset":7,"key":"plain","value":null,"headers":{"trace":"a\"b","empty":null}}"#
        );
    }
}
