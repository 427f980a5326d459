//! Where the password comes from.

use std::path::{Path, PathBuf};

use waltap_error::{Code, Error, Result};

use super::endpoint::Endpoint;
use super::parameters::Parameters;
use super::{Password, password_file};

/// A password file longer than this is not one.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The places of a password, in the order in which they are asked.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    /// A file that holds the password alone.
    pub(super) file: Option<PathBuf>,
    /// The one in the URL or in `PGPASSWORD`.
    given: Option<Password>,
    /// libpq's password file.
    password_file: Option<PathBuf>,
}

impl Credentials {
    pub(super) fn read(parameters: &Parameters<'_>) -> Credentials {
        let default = || parameters.environment().home().map(|home| home.join(".pgpass"));
        Credentials {
            file: None,
            given: parameters.get("password").map(Password::new),
            password_file: parameters.get("passfile").map(PathBuf::from).or_else(default),
        }
    }

    /// The password for a server, read afresh so that a rotated one is found. `None` when there is none anywhere.
    pub(super) fn password(&self, endpoint: &Endpoint, database: &str, user: &str) -> Result<Option<Password>> {
        if let Some(file) = &self.file {
            return read_alone(file).map(Some);
        }
        if self.given.is_some() {
            return Ok(self.given.clone());
        }
        let Some(file) = &self.password_file else { return Ok(None) };
        Ok(password_file::find(file, endpoint.password_file_host(), endpoint.port, database, user))
    }
}

/// Reads a file that holds a password and nothing else.
pub(super) fn read_alone(file: &Path) -> Result<Password> {
    let unreadable = || {
        Error::configuration(Code::AUTHENTICATION, format!("the password file {} cannot be read", file.display()))
            .remedy("check the path of --source-password-file and its rights")
    };
    let size = std::fs::metadata(file).map_err(|error| unreadable().source(error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(Error::configuration(Code::AUTHENTICATION, format!("{} is too long for a password file", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unreadable().source(error))?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if password.is_empty() {
        return Err(Error::configuration(Code::AUTHENTICATION, format!("the password file {} is empty", file.display())));
    }
    Ok(Password::new(password))
}
