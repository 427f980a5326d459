//! `waltap dead-letters`: records that Kafka did not take, listed and sent again.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use waltap_capture::{DeadLetter, Replay, dead_letters, human_size, replay};
use waltap_error::{Code, Error, Result};
use waltap_kafka::Options;

use super::block_on;
use crate::command_line::{DeadLettersArguments, DeadLettersCommand, ReplayArguments};
use crate::configuration::{self, SettingFlags, counted, scope};
use crate::failure::printable;
use crate::table::{self, Side};
use crate::{logging, output};

pub(super) fn run(arguments: DeadLettersArguments) -> Result<ExitCode> {
    match arguments.command {
        DeadLettersCommand::List { json, settings } => {
            let (kafka, topic) = place(settings)?;
            let letters = block_on(Box::pin(async move { dead_letters(&kafka, &topic).await }))?;
            match json {
                true => output::print_json(&letters.iter().map(as_json).collect::<Vec<_>>())?,
                false => output::print(&printable(&describe(&letters)))?,
            };
        }
        DeadLettersCommand::Replay(mut arguments) => {
            let (kafka, topic) = place(std::mem::take(&mut arguments.settings))?;
            block_on(Box::pin(send(kafka, topic, arguments)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where they are.
fn place(settings: SettingFlags<{ scope::DEAD_LETTERS }>) -> Result<(Options, String)> {
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    Ok((configuration.kafka()?, configuration.dead_letter_topic()?))
}

async fn send(kafka: Options, topic: String, arguments: ReplayArguments) -> Result<()> {
    let letters = choose(dead_letters(&kafka, &topic).await?, &arguments)?;
    if letters.is_empty() {
        output::print("there are no dead letters to be sent\n")?;
        return Ok(());
    }
    for letter in letters.iter().filter(|letter| !letter.complete) {
        let id = &letter.id;
        logging::print_error(&printable(&format!(
            "{id} is not complete and is left: its capture was cut off and writes it again when it goes on\n"
        )));
    }
    if arguments.to.is_none() {
        logging::print_error("events that came after a letter, of the same key, stand before it in its topic now\n");
    }
    let mut sent = 0;
    let how = Replay { to: arguments.to, keep: arguments.keep };
    let told = replay(&kafka, &topic, &letters, &how, |letter| {
        sent += 1;
        let to = how.to.as_ref().unwrap_or(&letter.topic);
        output::print(&printable(&format!("{} sent to {to}\n", letter.id))).map(drop)
    })
    .await;
    output::print(&format!("{} sent\n", counted(sent, "dead letter")))?;
    told
}

/// The letters that are meant.
fn choose(letters: Vec<DeadLetter>, arguments: &ReplayArguments) -> Result<Vec<DeadLetter>> {
    for id in &arguments.letters {
        if !letters.iter().any(|letter| letter.id == *id) {
            return Err(Error::configuration(Code::INVALID_VALUE, format!("there is no dead letter {id:?}"))
                .remedy("waltap dead-letters list shows those that are there"));
        }
    }
    let is_meant = |letter: &DeadLetter| {
        arguments.letters.contains(&letter.id)
            || (arguments.all && arguments.of.as_ref().is_none_or(|topic| letter.topic == *topic))
    };
    Ok(letters.into_iter().filter(is_meant).collect())
}

const COLUMNS: &[(&str, Side)] = &[
    ("LETTER", Side::Left),
    ("CAPTURE", Side::Left),
    ("DATABASE", Side::Left),
    ("TOPIC", Side::Left),
    ("POSITION", Side::Left),
    ("SIZE", Side::Right),
    ("ROOM", Side::Right),
    ("WRITTEN", Side::Left),
    ("COMPLETE", Side::Left),
];

fn describe(letters: &[DeadLetter]) -> String {
    if letters.is_empty() {
        return "there are no dead letters\n".to_owned();
    }
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            vec![
                letter.id.clone(),
                letter.capture.clone(),
                letter.database.clone(),
                letter.topic.clone(),
                position(letter),
                human_size(letter.bytes),
                human_size(letter.bytes_max),
                written(letter).unwrap_or_else(|| "-".to_owned()),
                if letter.complete { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    table::draw(COLUMNS, &rows)
}

fn position(letter: &DeadLetter) -> String {
    match letter.seq {
        Some(seq) => format!("{} {seq}", letter.commit_lsn),
        None => letter.commit_lsn.clone(),
    }
}

fn written(letter: &DeadLetter) -> Option<String> {
    let since = Duration::from_millis(u64::try_from(letter.written_ms?).ok()?);
    Some(humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string())
}

fn as_json(letter: &DeadLetter) -> serde_json::Value {
    serde_json::json!({
        "letter": letter.id,
        "capture": letter.capture,
        "database": letter.database,
        "topic": letter.topic,
        "commit_lsn": letter.commit_lsn,
        "seq": letter.seq,
        "bytes": letter.bytes,
        "bytes_max": letter.bytes_max,
        "code": letter.code,
        "written_ms": letter.written_ms,
        "complete": letter.complete,
    })
}
