//! `waltap pause` and `waltap resume`: letting taps rest. With `--table` see [`super::pause_tables`].

use std::process::ExitCode;

use waltap_capture::{Asking, Paused, TablePattern, pause, resume};
use waltap_error::{Code, Error, Result};

use super::{block_on, pause_tables};
use crate::command_line::PauseArguments;
use crate::failure::printable;
use crate::{configuration, logging, output};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Pause,
    Resume,
}

pub(super) fn run(arguments: PauseArguments, wish: Wish) -> Result<ExitCode> {
    let PauseArguments { tables, wait, settings } = arguments;
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    let capture = configuration.name()?;
    let kafka = configuration.kafka_if_given()?.ok_or_else(|| {
        Error::configuration(Code::INVALID_VALUE, "`brokers` is not given: what is asked of a capture goes through Kafka")
            .remedy("give --brokers HOST:PORT, those of the capture")
    })?;
    let databases = configuration.databases()?;
    if !tables.is_empty() {
        let tables = TablePattern::parse_list(&tables)?;
        let source = configuration.source()?;
        let asking = Asking { source: &source, kafka: &kafka, capture: &capture, databases: &databases, tables: &tables };
        return pause_tables::run(&asking, wish, wait);
    }
    let asked = async {
        match wish {
            Wish::Pause => pause(&kafka, &capture, &databases).await,
            Wish::Resume => resume(&kafka, &capture, &databases).await,
        }
    };
    let paused = block_on(Box::pin(asked))?;
    output::print(&printable(&story(&capture, wish, &paused)))?;
    Ok(ExitCode::SUCCESS)
}

/// What comes of it.
fn story(capture: &str, wish: Wish, Paused { changed, unchanged }: &Paused) -> String {
    let mut story = String::new();
    if !changed.is_empty() {
        let databases = changed.join(", ");
        story.push_str(&match wish {
            Wish::Pause => format!(
                "paused, of the capture {capture}: {databases}\n\
                 until `waltap resume` nothing of it is sent, and its slots keep the log of the server\n"
            ),
            Wish::Resume => format!("goes on, of the capture {capture}: {databases}\n"),
        });
    }
    if !unchanged.is_empty() {
        let word = match wish {
            Wish::Pause => "paused already",
            Wish::Resume => "not paused",
        };
        story.push_str(&format!("{word}: {}\n", unchanged.join(", ")));
    }
    story
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_so_already_is_told_apart() {
        let paused = Paused { changed: vec!["crm".to_owned(), "shop".to_owned()], unchanged: vec!["hr".to_owned()] };
        let text = story("c", Wish::Pause, &paused);
        assert!(text.starts_with("paused, of the capture c: crm, shop\n") && text.ends_with("paused already: hr\n"), "{text}");
        let nothing = Paused { changed: Vec::new(), unchanged: vec!["hr".to_owned()] };
        assert_eq!(story("c", Wish::Resume, &nothing), "not paused: hr\n");
    }
}
