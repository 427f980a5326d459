//! The variables that libpq reads.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The environment variables from which defaults are taken: the process's, or a set of one's own.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process. One that is not valid UTF-8 counts as unset.
    pub fn process() -> Self {
        let variables = std::env::vars_os();
        Environment {
            variables: variables
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        }
    }

    /// No variables at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds a variable, or replaces it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The value of a variable. An empty one counts as unset, as for libpq.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's folder, where libpq looks for password and certificate files.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }

    /// The name of the operating system's user, libpq's default for the database's.
    pub(crate) fn system_user(&self) -> Option<&str> {
        self.get("USER").or_else(|| self.get("LOGNAME"))
    }
}

impl fmt::Debug for Environment {
    /// Names only: one of the values may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
