//! Understanding what was written: texts to values, with the place in every error.

use std::fmt;
use std::str::FromStr;

use waltap_error::{Code, Error, Result};

use super::layer::{Entry, Layer, Origin};
use super::setting::setting;

/// All layers put together, to be understood as far as a command needs it.
#[derive(Debug)]
pub(crate) struct Configuration {
    layer: Layer,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Configuration {
    pub(crate) fn new(layer: Layer) -> Self {
        Configuration { layer }
    }

    /// How log lines are written.
    pub(crate) fn log_format(&self) -> Result<LogFormat> {
        Ok(if self.choice("log-format")? == "json" { LogFormat::Json } else { LogFormat::Text })
    }

    /// What is logged, in the words of a filter.
    pub(crate) fn log_filter(&self, default: &str) -> Result<tracing_subscriber::EnvFilter> {
        let filter = self.read("log-level", |text| {
            tracing_subscriber::EnvFilter::try_new(text)
                .map_err(|_| "is not a log filter such as `info` or `warn,waltap_postgres=debug`")
        })?;
        Ok(filter.unwrap_or_else(|| tracing_subscriber::EnvFilter::new(default)))
    }

    pub(super) fn layer(&self) -> &Layer {
        &self.layer
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.layer.entry(key)
    }

    /// The texts of a list; none when it is not given.
    pub(super) fn texts(&self, key: &str) -> &[String] {
        self.entry(key).map_or(&[], |entry| &entry.texts[..])
    }

    /// A value, when it is given. What `parse` says is wrong follows the text in the error.
    pub(super) fn read<T, E: fmt::Display>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        // Entries are never made empty; an empty one reads as an empty text, which no value is.
        let text = entry.texts.last().map_or("", String::as_str);
        parse(text).map(Some).map_err(|why| invalid(key, entry, text, &why))
    }

    /// A value that the table gives a default, so that it is always there.
    pub(super) fn required<T, E: fmt::Display>(&self, key: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T> {
        self.read(key, parse)?.ok_or_else(|| missing(key))
    }

    /// A value that is parsed by `FromStr`; `what` says what it should have been, as in `is not a whole number`.
    pub(super) fn number<T: FromStr + PartialOrd>(&self, key: &str, least: T, what: &'static str) -> Result<Option<T>> {
        self.read(key, |text| text.trim().parse::<T>().ok().filter(|number| *number >= least).ok_or(what))
    }

    /// One of the choices of the table.
    pub(super) fn choice(&self, key: &str) -> Result<&'static str> {
        let choices = setting(key).map_or(&[][..], |setting| setting.choices);
        self.required(key, |text| {
            let found = choices.iter().map(|(choice, _)| *choice).find(|choice| *choice == text.trim());
            found.ok_or_else(|| {
                format!("is not one of {}", choices.iter().map(|(choice, _)| *choice).collect::<Vec<_>>().join(", "))
            })
        })
    }

    /// A switch.
    pub(super) fn switch(&self, key: &str) -> Result<bool> {
        self.required(key, |text| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("is neither true nor false"),
        })
    }

    /// Says in an error of a crate below where the value was written.
    pub(super) fn place<T>(&self, key: &str, result: Result<T>) -> Result<T> {
        match self.entry(key) {
            Some(Entry { origin, .. }) => result.map_err(|error| placed(origin, error)),
            None => result,
        }
    }
}

fn invalid(key: &str, entry: &Entry, text: &str, why: &dyn fmt::Display) -> Error {
    let shown = if setting(key).is_some_and(|setting| setting.secret) { "the value".to_owned() } else { format!("`{text}`") };
    let place = match &entry.origin {
        Origin::File { .. } => format!("{}: `{key}`", entry.origin),
        origin => origin.to_string(),
    };
    Error::configuration(Code::INVALID_VALUE, format!("{place}: {shown} {why}"))
        .remedy(format!("`waltap capture --help` says what --{key} takes"))
}

/// An error for a setting that must be given and is not.
pub(super) fn missing(key: &str) -> Error {
    match setting(key) {
        Some(setting) => Error::configuration(Code::INVALID_VALUE, format!("`{key}` is not given")).remedy(format!(
            "give {} {}, set {}, or write `{key}:` in the file that --config names",
            setting.flag(),
            setting.value_name,
            setting.variable()
        )),
        None => Error::configuration(Code::INTERNAL, format!("`{key}` is not a setting")),
    }
}

fn placed(origin: &Origin, error: Error) -> Error {
    let mut placed = Error::new(error.kind(), error.code(), format!("{origin}: {}", error.message()));
    if let Some(remedy) = error.remedy_text() {
        placed = placed.remedy(remedy);
    }
    if std::error::Error::source(&error).is_some() { placed.source(CauseOf(error)) } else { placed }
}

/// The cause of an error, without the error's own message, which its new owner has taken over.
#[derive(Debug)]
struct CauseOf(Error);

impl CauseOf {
    fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

impl fmt::Display for CauseOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl std::error::Error for CauseOf {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().and_then(std::error::Error::source)
    }
}
