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
    pub(super) fn ok(what: impl Into<String>) -> Self {
        Finding { level: Level::Ok, code: None, database: None, what: what.into(), remedy: None }
    }

    pub(super) fn warning(what: impl Into<String>) -> Self {
        Finding { level: Level::Warning, ..Finding::ok(what) }
    }

    pub(super) fn problem(code: Code, what: impl Into<String>) -> Self {
        Finding { level: Level::Problem, code: Some(code), ..Finding::ok(what) }
    }

    #[must_use]
    pub(super) fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    #[must_use]
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    #[must_use]
    pub(super) fn database(mut self, database: &str) -> Self {
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
