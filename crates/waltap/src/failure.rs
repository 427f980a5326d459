//! How an error ends the program: what is printed, and the exit code.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;

use waltap_error::{Code, Error};

use crate::logging;

/// Something did not work.
pub(crate) const FAILED: u8 = 1;

/// The command, a flag, a variable or the file is wrong; nothing was begun. clap ends with it too.
const WRONG_USAGE: u8 = 2;

/// Prints an error and says with which code to exit.
pub(crate) fn report(error: &Error) -> ExitCode {
    ExitCode::from(report_and_number(error))
}

/// Prints an error and gives the exit code as a number, for those who exit by themselves.
pub(crate) fn report_and_number(error: &Error) -> u8 {
    if logging::writes_json() {
        tracing::error!(code = %error.code(), kind = %error.kind(), remedy = error.remedy_text(), "{}", error.report());
    } else {
        let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        logging::print_error(&render(error, coloured));
    }
    exit_number(error.code())
}

fn exit_number(code: Code) -> u8 {
    match code {
        Code::CONFIGURATION_FILE
        | Code::UNKNOWN_KEY
        | Code::INVALID_VALUE
        | Code::CONFLICTING_OPTIONS
        | Code::SOURCE_URL
        | Code::KAFKA_PROPERTY => WRONG_USAGE,
        _ => FAILED,
    }
}

/// An error for people: what happened, why, what to do, where there is more.
fn render(error: &Error, coloured: bool) -> String {
    let (red, bold, reset) = if coloured { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let code = error.code();
    let mut text = format!("{red}error[{code}]{reset}: {}\n", printable(error.message()));
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  cause: {}", indented(&error.to_string(), "         "));
        cause = error.source();
    }
    if let Some(remedy) = error.remedy_text() {
        let _ = writeln!(text, "{bold}fix{reset}: {}", indented(remedy, "     "));
    }
    let _ = writeln!(text, "{bold}more{reset}: waltap explain {code}");
    text
}

fn indented(text: &str, indent: &str) -> String {
    printable(text.trim_end()).replace('\n', &format!("\n{indent}"))
}

/// The text without characters that would move the cursor or recolour a terminal: part of it comes from the other side.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() && !matches!(character, '\n' | '\t') { '\u{fffd}' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let error = Error::configuration(Code::WAL_LEVEL, "wal_level is replica")
            .source(std::io::Error::other("from the server\x1b[2J"))
            .remedy("ALTER SYSTEM SET wal_level = logical;\nthen restart PostgreSQL");
        assert_eq!(
            render(&error, false),
            "error[WT0007]: wal_level is replica\n  cause: from the server\u{fffd}[2J\nfix: ALTER SYSTEM SET wal_level = logical;\n     \
             then restart PostgreSQL\nmore: waltap explain WT0007\n"
        );
        assert!(render(&error, true).starts_with("\x1b[1;31merror[WT0007]\x1b[0m: wal_level"));
    }

    #[test]
    fn wrong_usage_has_an_exit_code_of_its_own() {
        assert_eq!(exit_number(Code::UNKNOWN_KEY), 2);
        assert_eq!(exit_number(Code::CONNECT), 1);
        assert_eq!(exit_number(Code::HTTP_ADDRESS), 1);
    }
}
