//! The command line of waltap: parses, configures, runs, and maps errors to exit codes.

mod command_line;
mod commands;
mod configuration;
mod failure;
mod json_text;
mod logging;
mod memory;
mod output;
mod pages;
mod progress;
mod signals;
mod status_server;
mod table;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let command_line = command_line::CommandLine::parse();
    match commands::run(command_line.command) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}
