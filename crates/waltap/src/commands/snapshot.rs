//! `waltap snapshot`: having rows read beside the stream.

use std::process::ExitCode;
use std::time::Duration;

use waltap_capture::{AskState, Asked, Asking, TablePattern};
use waltap_error::{Code, Error, Result};

use super::block_on;
use crate::command_line::SnapshotArguments;
use crate::configuration::counted;
use crate::failure::printable;
use crate::{configuration, logging, output};

/// How often it is looked how far the tables are.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: SnapshotArguments) -> Result<ExitCode> {
    let SnapshotArguments { tables, condition, cancel, wait, settings } = arguments;
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    let (source, capture, databases) = (configuration.source()?, configuration.name()?, configuration.databases()?);
    let kafka = configuration.kafka_if_given()?.ok_or_else(|| {
        Error::configuration(Code::INVALID_VALUE, "`brokers` is not given: what is asked of a capture goes through Kafka")
            .remedy("give --brokers HOST:PORT, those of the capture")
    })?;
    let tables = TablePattern::parse_list(&tables)?;
    let asking = Asking { source: &source, kafka: &kafka, capture: &capture, databases: &databases, tables: &tables };
    block_on(Box::pin(async {
        let asked = match cancel {
            true => asking.cancel().await?,
            false => asking.snapshot(condition.as_deref()).await?,
        };
        output::print(&printable(&story(&asked, cancel)))?;
        match wait {
            true => wait_for(&asking, asked).await,
            false => Ok(()),
        }
    }))?;
    Ok(ExitCode::SUCCESS)
}

/// What was asked.
fn story(asked: &[Asked], cancel: bool) -> String {
    let what = if cancel { "asked to be read no further" } else { "asked to be read beside the stream" };
    let mut story = String::new();
    for Asked { database, id, tables } in asked {
        let tables: Vec<&str> = tables.iter().map(|(_, name)| name.as_str()).collect();
        story.push_str(&format!("{what}, of database {database}: {} (request {id})\n", tables.join(", ")));
    }
    story
}

/// Waits until every table is read, and tells of each when it is.
async fn wait_for(asking: &Asking<'_>, asked: Vec<Asked>) -> Result<()> {
    let mut open: Vec<Vec<bool>> = asked.iter().map(|asked| vec![true; asked.tables.len()]).collect();
    let mut refused = Vec::new();
    while open.iter().flatten().any(|is_open| *is_open) {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let states = match asking.states(&asked).await {
            Ok(states) => states,
            Err(error) if error.kind() == waltap_error::Kind::Transient => {
                tracing::warn!(error = error.report(), "how far the tables are cannot be seen now; trying again");
                continue;
            }
            Err(error) => return Err(error),
        };
        for ((Asked { database, tables, .. }, states), open) in asked.iter().zip(states).zip(&mut open) {
            for (((_, table), state), is_open) in tables.iter().zip(states).zip(open) {
                if !*is_open {
                    continue;
                }
                match state {
                    AskState::Waiting | AskState::Reading(_) => continue,
                    AskState::Done(rows) => {
                        output::print(&printable(&format!("{database}: {table}: {}\n", counted(rows, "row"))))?;
                    }
                    AskState::Refused(why) => refused.push(format!("{database}: {table}: {why}")),
                }
                *is_open = false;
            }
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => Err(Error::configuration(Code::REQUEST, format!("not read: {}", refused.join("; ")))),
    }
}
