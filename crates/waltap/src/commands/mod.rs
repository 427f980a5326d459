//! The commands, one a file.

mod capture;
mod check;
mod completions;
mod dead_letters;
mod drop;
mod explain;
mod pause;
mod pause_tables;
mod publications;
mod removal;
mod slots;
mod snapshot;
mod status;
mod topics;

use std::process::ExitCode;

use waltap_error::{Code, Error, Result};

use crate::command_line::Command;

/// Does what the command line says.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    crate::memory::keep_private();
    crate::memory::share_heaps();
    match command {
        Command::Capture(settings) => capture::run(settings),
        Command::Check(arguments) => check::run(arguments),
        Command::Slots(arguments) => slots::run(arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
        Command::Pause(arguments) => pause::run(arguments, pause::Wish::Pause),
        Command::Resume(arguments) => pause::run(arguments, pause::Wish::Resume),
        Command::Drop(arguments) => drop::run(arguments),
        Command::Publications(arguments) => publications::run(arguments),
        Command::DeadLetters(arguments) => dead_letters::run(arguments),
        Command::Topics(arguments) => topics::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Explain { code } => explain::run(code.as_deref()),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// Runs a command's future to its end.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::configuration(Code::INTERNAL, "the threads of waltap cannot be started").source(error))?;
    let result = runtime.block_on(future);
    // Whatever still runs has nothing to say any more: the answer is there.
    runtime.shutdown_background();
    result
}
