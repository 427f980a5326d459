//! `waltap drop`: giving a capture up.

use std::process::ExitCode;

use waltap_capture::{DatabaseSelection, at_work, is_known};
use waltap_error::{Code, Error, Result};

use super::block_on;
use super::removal::Removal;
use crate::command_line::DropArguments;
use crate::configuration::Configuration;
use crate::{configuration, logging};

pub(super) fn run(arguments: DropArguments) -> Result<ExitCode> {
    let DropArguments { capture, yes, force, settings } = arguments;
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    let source = configuration.source()?;
    let capture = match capture {
        Some(capture) => Configuration::checked_name(&capture)?,
        None => configuration.name()?,
    };
    let kafka = configuration.kafka_if_given()?.ok_or_else(|| {
        let what = format!("`brokers` is not given: the progress of the capture {capture} would stay in Kafka");
        Error::configuration(Code::INVALID_VALUE, what)
            .remedy("give --brokers HOST:PORT; or, where there is no such Kafka any more: waltap slots drop --keep-progress")
    })?;
    let removal =
        Removal { source, capture, databases: DatabaseSelection::default(), kafka: Some(kafka.clone()), command: "drop", force };
    let job = async {
        let (source, capture) = (&removal.source, &removal.capture);
        let busy = at_work(source, capture).await?;
        if !busy.is_empty() && !force {
            let what = format!("the capture {capture} is at work, on: {}", busy.join(", "));
            return Err(Error::configuration(Code::REQUEST, what)
                .remedy("stop its process first; --force drops what it has all the same, and the process may then begin anew"));
        }
        if busy.is_empty() && !is_known(source, &kafka, capture).await? {
            let what = format!("there is no capture named {capture}: it has left nothing on {source}, nor in this Kafka cluster");
            return Err(Error::configuration(Code::REQUEST, what).remedy("waltap slots list shows the captures of a server"));
        }
        removal.run(yes).await
    };
    block_on(Box::pin(job))?;
    Ok(ExitCode::SUCCESS)
}
