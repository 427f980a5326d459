//! One thing that a check found.

use std::fmt;

use waltap_error::{Code, Error};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It will run, and the user should know.
    Warning,
    /// It will not run.
    Problem,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        })
    }
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// The code whose page explains it.
    pub code: Option<Code>,
    /// The database that it is about; `None` for the whole server.
    pub database: Option<String>,
    /// What was found, in lower case and without a full stop.
    pub what: String,
    /// What mends it, ready to be run.
    pub remedy: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(what: impl Into<String>) -> Self {
        Finding { level: Level::Ok, code: None, database: None, what: what.into(), remedy: None }
    }

    /// Something that the user should know.
    pub fn warning(what: impl Into<String>) -> Self {
        Finding { level: Level::Warning, ..Finding::ok(what) }
    }

    /// Something that keeps the capture from running.
    pub fn problem(code: Code, what: impl Into<String>) -> Self {
        Finding { level: Level::Problem, code: Some(code), ..Finding::ok(what) }
    }

    /// An error that kept the check from going on: it is what was found.
    pub fn of(error: &Error) -> Self {
        let report = error.report();
        // The code is told beside the text, as with every finding.
        let what = report.strip_prefix(&format!("{}: ", error.code())).unwrap_or(&report);
        Finding { remedy: error.remedy_text().map(str::to_owned), ..Finding::problem(error.code(), what) }
    }

    /// Adds the code whose page explains it.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Adds what mends it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds the database that it is about.
    #[must_use]
    pub fn database(mut self, database: &str) -> Self {
        self.database = Some(database.to_owned());
        self
    }

    /// The error to stop with, when the finding is a problem.
    pub fn to_error(&self) -> Option<Error> {
        let code = self.code.filter(|_| self.level == Level::Problem)?;
        let message = match &self.database {
            Some(database) => format!("database {database}: {}", self.what),
            None => self.what.clone(),
        };
        let error = Error::configuration(code, message);
        Some(match &self.remedy {
            Some(remedy) => error.remedy(remedy),
            None => error,
        })
    }
}

/// The gravest level among findings.
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}
