//! `waltap publications`: going on after a publication was changed.

use std::process::ExitCode;

use waltap_capture::accept_losses;
use waltap_error::{Code, Error, Result};

use super::block_on;
use crate::command_line::{PublicationsArguments, PublicationsCommand};
use crate::failure::printable;
use crate::{configuration, logging, output};

pub(super) fn run(arguments: PublicationsArguments) -> Result<ExitCode> {
    let PublicationsCommand::Accept { without_rows, settings } = arguments.command;
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    let capture = configuration.name()?;
    let kafka = configuration.kafka_if_given()?.ok_or_else(|| {
        Error::configuration(Code::INVALID_VALUE, "`brokers` is not given: what is to be accepted stands in Kafka")
            .remedy("give --brokers HOST:PORT")
    })?;
    let databases = configuration.databases()?;
    let accepted = block_on(Box::pin(accept_losses(&kafka, &capture, &databases, !without_rows)))?;
    if accepted.is_empty() {
        output::print(&format!("the capture {capture} has complained of nothing there\n"))?;
    }
    for loss in accepted {
        let then = match without_rows {
            true => "goes on with the hole",
            false => "reads these tables again",
        };
        let text = format!("accepted, of database {}: {}\nthe capture {then} when it is started\n", loss.database, loss.story);
        output::print(&printable(&text))?;
    }
    Ok(ExitCode::SUCCESS)
}
