//! `waltap completions`: a script that teaches a shell the commands and flags.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use waltap_error::Result;

use crate::command_line::CommandLine;
use crate::output;

pub(super) fn run(shell: Shell) -> Result<ExitCode> {
    output::print(&script(shell))?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "waltap", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_the_flags() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains("exclude-table") && script.contains("tail"), "{shell}");
        }
    }
}
