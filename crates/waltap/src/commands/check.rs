//! `waltap check`: what is missing for a capture, and how to mend it. Changes nothing.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use waltap_capture::{Options, check_progress, check_sink, check_source};
use waltap_error::Result;
use waltap_postgres::preflight::{Finding, Level};

use super::block_on;
use crate::command_line::CheckArguments;
use crate::failure::{FAILED, printable};
use crate::{configuration, logging, output};

/// How long Kafka may take to answer.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn run(arguments: CheckArguments) -> Result<ExitCode> {
    let configuration = configuration::load(arguments.settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    let options = configuration.capture()?;
    configuration.served_http()?;
    let findings = block_on(Box::pin(async move { Ok(find(&options).await) }))?;
    if arguments.json {
        output::print_json(&findings.iter().map(as_json).collect::<Vec<_>>())?;
    } else {
        let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        output::print(&describe(&findings, coloured))?;
    }
    let problems = findings.iter().any(|finding| finding.level == Level::Problem);
    Ok(if problems { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// Looks at both sides: what one lacks does not hide what the other lacks.
async fn find(options: &Options) -> Vec<Finding> {
    let source = check_source(options).await;
    let sink = check_sink(options, KAFKA_TIMEOUT).await;
    // What both must agree on is asked only when both answer.
    let progress = match (&source, &sink) {
        (Ok(_), Ok(_)) => check_progress(options, KAFKA_TIMEOUT).await,
        _ => Ok(Vec::new()),
    };
    let findings = [source, sink, progress].into_iter();
    findings.flat_map(|findings| findings.unwrap_or_else(|error| vec![Finding::of(&error)])).collect()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Problem => "problem",
    }
}

fn as_json(finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "level": word(finding.level),
        "code": finding.code.map(|code| code.to_string()),
        "database": finding.database,
        "what": finding.what,
        "remedy": finding.remedy,
    })
}

fn describe(findings: &[Finding], coloured: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        let colour = match (coloured, finding.level) {
            (false, _) => "",
            (true, Level::Ok) => "\x1b[32m",
            (true, Level::Warning) => "\x1b[33m",
            (true, Level::Problem) => "\x1b[1;31m",
        };
        let reset = if coloured { "\x1b[0m" } else { "" };
        let code = finding.code.map_or(String::new(), |code| format!(" [{code}]"));
        let database = finding.database.as_ref().map_or(String::new(), |database| format!("{database}: "));
        let what = indented(&format!("{database}{}", finding.what));
        text.push_str(&format!("{colour}{:<8}{reset}{what}{code}\n", word(finding.level)));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("        fix: {}\n", indented(remedy).replace("\n        ", "\n             ")));
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    text.push_str(&match (count(Level::Problem), count(Level::Warning)) {
        (0, 0) => "\nready to capture\n".to_owned(),
        (0, warnings) => format!("\nready to capture, with {warnings} {}\n", plural(warnings, "warning")),
        (problems, _) => format!("\nnot ready: {problems} {}\n", plural(problems, "problem")),
    });
    text
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn indented(text: &str) -> String {
    printable(text.trim_end()).replace('\n', "\n        ")
}

#[cfg(test)]
mod tests {
    use waltap_error::Code;

    use super::*;

    fn finding(level: Level, code: Option<Code>, what: &str, remedy: Option<&str>) -> Finding {
        Finding { level, code, database: None, what: what.to_owned(), remedy: remedy.map(str::to_owned) }
    }

    #[test]
    fn findings_are_marked_and_come_with_their_remedy() {
        let findings = [
            finding(Level::Ok, None, "PostgreSQL 15.20 answers", None),
            finding(
                Level::Problem,
                Some(Code::WAL_LEVEL),
                "wal_level is replica",
                Some("ALTER SYSTEM SET wal_level = logical;\nrestart"),
            ),
        ];
        assert_eq!(
            describe(&findings, false),
            "ok      PostgreSQL 15.20 answers\nproblem wal_level is replica [WT0007]\n        fix: ALTER SYSTEM SET wal_level = logical;\n             \
             restart\n\nnot ready: 1 problem\n"
        );
        assert!(describe(&findings[..1], false).ends_with("\nready to capture\n"));
        assert_eq!(as_json(&findings[1])["code"], "WT0007");
    }
}
