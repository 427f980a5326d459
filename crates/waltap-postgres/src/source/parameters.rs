//! The parameters that a source may have, which are libpq's, and their defaults from the environment.

use std::collections::BTreeMap;
use std::time::Duration;

use waltap_error::{Code, Error, Result};

use super::Environment;
use super::text::Parameter;

/// Every parameter that means something here, with the variable that gives its default. In the order of libpq's manual.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("port", Some("PGPORT")),
    ("dbname", Some("PGDATABASE")),
    ("user", Some("PGUSER")),
    ("password", Some("PGPASSWORD")),
    ("passfile", Some("PGPASSFILE")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("options", Some("PGOPTIONS")),
    ("application_name", Some("PGAPPNAME")),
    ("fallback_application_name", None),
    ("keepalives", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("keepalives_count", None),
    ("tcp_user_timeout", None),
    ("sslmode", Some("PGSSLMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslsni", Some("PGSSLSNI")),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
];

/// Parameters of libpq that are accepted with the one value under which nothing has to be done for them.
const NEEDLESS: &[(&str, &[&str])] = &[
    ("client_encoding", &["utf8", "utf-8", "auto"]),
    ("gssencmode", &["disable", "prefer"]),
    ("load_balance_hosts", &["disable"]),
    ("sslcertmode", &["allow"]),
    ("sslcompression", &["0"]),
];

/// Parameters of libpq that cannot be honoured. Leaving one out of account could make a connection less safe than was asked.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("gsslib", "Kerberos is not supported"),
    ("gssdelegation", "Kerberos is not supported"),
    ("krbsrvname", "Kerberos is not supported"),
    ("replication", "waltap sets it by itself"),
    ("require_auth", "not supported"),
    ("requirepeer", "not supported"),
    ("service", "service files are not supported"),
    ("servicefile", "service files are not supported"),
    ("ssl_max_protocol_version", "not supported"),
    ("sslcrl", "revocation lists are not supported"),
    ("sslcrldir", "revocation lists are not supported"),
    ("sslpassword", "encrypted keys are not supported"),
];

/// How close a name must be to an unknown one to be worth naming, from 0 to 1.
const NEAR: f64 = 0.7;

/// An error about the source's text.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::configuration(Code::SOURCE_URL, message)
}

/// The parameters of a source, checked by name; each falls back to its variable.
pub(super) struct Parameters<'a> {
    given: BTreeMap<String, String>,
    environment: &'a Environment,
}

impl<'a> Parameters<'a> {
    /// Refuses names that are unknown. Of one given twice the last counts, as in libpq.
    pub(super) fn new(parameters: Vec<Parameter>, environment: &'a Environment) -> Result<Self> {
        let mut given = BTreeMap::new();
        for (name, value) in parameters {
            if KNOWN.iter().any(|(known, _)| *known == name) {
                given.insert(name, value);
            } else if let Some((_, why)) = UNSUPPORTED.iter().find(|(known, _)| *known == name) {
                return Err(invalid(format!("the source's parameter {name} cannot be used: {why}")));
            } else if let Some((_, accepted)) = NEEDLESS.iter().find(|(known, _)| *known == name) {
                if !accepted.contains(&value.to_ascii_lowercase().as_str()) {
                    return Err(invalid(format!("the source's parameter {name} can only be {}", accepted.join(" or "))));
                }
            } else {
                return Err(unknown(&name));
            }
        }
        Ok(Parameters { given, environment })
    }

    /// The value of a parameter; an empty one counts as not given, as in libpq.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let given = self.given.get(name).map(String::as_str).filter(|value| !value.is_empty());
        given.or_else(|| {
            let variable = KNOWN.iter().find(|(known, _)| *known == name).and_then(|(_, variable)| *variable)?;
            self.environment.get(variable)
        })
    }

    /// The environment behind the parameters.
    pub(super) fn environment(&self) -> &Environment {
        self.environment
    }

    /// One of a few words, or the default.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        let Some(value) = self.get(name) else { return Ok(default) };
        match choices.iter().find(|(word, _)| *word == value) {
            Some((_, choice)) => Ok(*choice),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                Err(invalid(format!("the source's parameter {name} must be one of {}", words.join(", "))))
            }
        }
    }

    /// A whole number, not negative.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(invalid(format!("the source's parameter {name} must be a whole number, 0 or more"))),
        }
    }

    /// A number of seconds or milliseconds, where 0 means "not set".
    pub(super) fn duration(&self, name: &str, unit: Duration) -> Result<Option<Duration>> {
        let Some(count) = self.number(name)? else { return Ok(None) };
        let count = u32::try_from(count).map_err(|_| invalid(format!("the source's parameter {name} is too large")))?;
        Ok(Some(unit * count))
    }
}

fn unknown(name: &str) -> Error {
    let names = KNOWN.iter().map(|(known, _)| *known).chain(NEEDLESS.iter().map(|(known, _)| *known));
    let nearest = names
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(nearness, _)| *nearness >= NEAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let error = invalid(format!("the source has an unknown parameter {name}"));
    match nearest {
        Some((_, known)) => error.remedy(format!("did you mean {known}?")),
        None => error.remedy("see the parameters of libpq's connection strings in PostgreSQL's manual"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> Error {
        let environment = Environment::empty();
        Parameters::new(vec![(name.to_owned(), value.to_owned())], &environment).err().unwrap()
    }

    #[test]
    fn an_unknown_parameter_names_the_nearest() {
        assert_eq!(refused("ssl_mode", "x").remedy_text(), Some("did you mean sslmode?"));
        assert_eq!(refused("sslrootcerts", "x").remedy_text(), Some("did you mean sslrootcert?"));
        assert_eq!(refused("aplication_name", "x").code(), Code::SOURCE_URL);
        assert!(refused("sslcrl", "x").message().contains("revocation"));
        assert!(refused("gssencmode", "require").message().contains("disable or prefer"));
    }

    #[test]
    fn the_environment_stands_behind_the_text() {
        let environment = Environment::empty().with("PGHOST", "e").with("PGPORT", "").with("PGSSLMODE", "nonsense");
        let parameters = Parameters::new(vec![("user".to_owned(), "u".to_owned())], &environment).unwrap();
        assert_eq!((parameters.get("user"), parameters.get("host"), parameters.get("port")), (Some("u"), Some("e"), None));
        assert!(parameters.choice("sslmode", &[("disable", 1)], 1).is_err());
    }
}
