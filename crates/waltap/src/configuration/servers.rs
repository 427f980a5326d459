//! Whom a capture speaks to: the server, Kafka, and those who ask how it is.

use std::convert::Infallible;
use std::net::SocketAddr;

use waltap_error::{Code, Error, Result};
use waltap_postgres::Source;

use super::layer::Origin;
use super::read::{Configuration, missing};
use super::size::parse_size;

/// The least that may be handed to Kafka: below it every batch would be a wait.
const QUEUE_BYTES_MIN: u64 = 1 << 20;

/// Where the status server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    /// The address; its port may be 0.
    pub(crate) address: SocketAddr,
    /// Whether others than this machine may ask, or may ask through something on this machine.
    pub(crate) is_public: bool,
}

impl Configuration {
    /// The server.
    pub(crate) fn source(&self) -> Result<Source> {
        let text = self.read("source", |text| Ok::<_, Infallible>(text.to_owned()))?.ok_or_else(|| missing("source"))?;
        let source = self.place("source", Source::parse(&text))?;
        match self.read("source-password-file", |path| Ok::<_, Infallible>(path.to_owned()))? {
            Some(path) => self.place("source-password-file", source.with_password_file(path)),
            None => Ok(source),
        }
    }

    /// Whether a password stands on the command line, where every user of the machine can read it.
    pub(crate) fn password_is_exposed(&self) -> bool {
        self.entry("source")
            .is_some_and(|entry| matches!(entry.origin, Origin::Flag(_)) && entry.texts.iter().any(|text| holds_password(text)))
    }

    /// How Kafka is reached, where it must be.
    pub(crate) fn kafka(&self) -> Result<waltap_kafka::Options> {
        self.kafka_if_given()?.ok_or_else(|| {
            missing("brokers")
                .remedy("give --brokers HOST:PORT, set WALTAP_BROKERS, or look at the events first with --sink stdout")
        })
    }

    /// How Kafka is reached, when brokers are given.
    pub(crate) fn kafka_if_given(&self) -> Result<Option<waltap_kafka::Options>> {
        let brokers = self.texts("brokers");
        if brokers.is_empty() {
            return Ok(None);
        }
        let queue_bytes = self.required("queue-bytes", |text| match parse_size(text) {
            Ok(bytes) if bytes >= QUEUE_BYTES_MIN => usize::try_from(bytes).map_err(|_| "is larger than this machine's memory"),
            Ok(_) => Err("is less than 1MiB"),
            Err(_) => Err("is not a size in bytes such as `64MiB`, `1GB` or `500000`"),
        })?;
        let properties =
            self.layer().properties().map(|(name, entry)| waltap_kafka::Property::new(name, entry.texts.concat())).collect();
        let settings =
            waltap_kafka::Settings { brokers: brokers.join(","), properties, queue_bytes, ..waltap_kafka::Settings::default() };
        waltap_kafka::Options::new(settings).map(Some)
    }

    /// Where a status server listens; none when it is off.
    pub(crate) fn http(&self) -> Result<Option<Http>> {
        self.required("http", |text| match text.trim() {
            // `off` is what YAML calls a truth value when it stands without quotes.
            "off" | "false" => Ok(None),
            address => match address.parse() {
                Ok(address) => Ok(Some(Http { address, is_public: false })),
                Err(_) => Err("is neither `off` nor an address such as `127.0.0.1:8642`"),
            },
        })
    }

    /// Where this capture's own listens: not beyond this machine, unless that is allowed.
    pub(crate) fn served_http(&self) -> Result<Option<Http>> {
        let is_public = self.switch("http-public")?;
        let http = self.http()?.map(|http| Http { is_public, ..http });
        let Some(Http { address, .. }) = http.filter(|http| !http.address.ip().is_loopback()) else { return Ok(http) };
        if !is_public {
            let message = format!("`http` is {address}, beyond this machine, and `http-public` does not allow it");
            return Err(Error::configuration(Code::CONFLICTING_OPTIONS, message).remedy(
                "the status server asks nobody for a password: add --http-public (WALTAP_HTTP_PUBLIC=true) on a network that you trust, or \
                 stay at --http 127.0.0.1:8642",
            ));
        }
        Ok(http)
    }
}

/// Whether a URL or a `key=value` string holds a password.
fn holds_password(text: &str) -> bool {
    if let Some((_, rest)) = text.split_once("://") {
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        return user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
            || query.split('&').any(|parameter| parameter.starts_with("password="));
    }
    text.split_whitespace().any(|pair| pair.starts_with("password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_seen() {
        for text in
            ["postgres://u:p@h/db", "postgresql://u:p%40@h:1/", "postgres://h/db?password=p", "host=h password=p", "password = p"]
        {
            assert!(holds_password(text), "{text}");
        }
        for text in ["postgres://u@h:5432/db", "postgres://u:@h", "postgres://h:5432?sslmode=require", "host=h user=u"] {
            assert!(!holds_password(text), "{text}");
        }
    }
}
