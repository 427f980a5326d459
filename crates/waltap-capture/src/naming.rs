//! The name of a table's topic: a template, and the claim that keeps two tables out of one topic.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use waltap_error::{Code, Error, Result};
use waltap_kafka::{TOPIC_NAME_BYTES_MAX, legal_topic_name};

/// A template such as `{database}.{schema}.{table}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Database,
    Schema,
    Table,
}

impl Default for TopicTemplate {
    fn default() -> Self {
        let dot = || Part::Literal(".".to_owned());
        TopicTemplate { text: Self::DEFAULT.to_owned(), parts: vec![Part::Database, dot(), Part::Schema, dot(), Part::Table] }
    }
}

impl TopicTemplate {
    /// The template when none is given.
    pub const DEFAULT: &'static str = "{database}.{schema}.{table}";

    /// Reads a template. Without `{table}` tables share a topic: see [`TopicTemplate::is_shared`].
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |what: String| {
            Error::configuration(Code::INVALID_VALUE, format!("the topic template `{text}` is not valid: {what}"))
                .remedy(format!("use {{database}}, {{schema}} and {{table}}, as in `{}`", Self::DEFAULT))
        };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').ok_or_else(|| invalid("a brace is not closed".to_owned()))? + open;
            if open > 0 {
                parts.push(Part::Literal(rest[..open].to_owned()));
            }
            parts.push(match &rest[open + 1..close] {
                "database" => Part::Database,
                "schema" => Part::Schema,
                "table" => Part::Table,
                other => return Err(invalid(format!("`{{{other}}}` is unknown"))),
            });
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if parts.is_empty() {
            return Err(invalid("it is empty".to_owned()));
        }
        Ok(TopicTemplate { text: text.to_owned(), parts })
    }

    /// Whether tables are meant to share a topic, so that the keys of its records must tell them apart.
    pub fn is_shared(&self) -> bool {
        !self.parts.contains(&Part::Table)
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The topic of a table: the template filled in, and characters that Kafka does not allow replaced by `_`.
    pub fn topic(&self, database: &str, schema: &str, table: &str) -> Result<String> {
        let mut name = String::new();
        for part in &self.parts {
            name.push_str(match part {
                Part::Literal(text) => text,
                Part::Database => database,
                Part::Schema => schema,
                Part::Table => table,
            });
        }
        Ok(legal_topic_name(&name)?.into_owned())
    }
}

/// The topic for the name that a row of an outbox gave: always one that Kafka takes, or one row could stop a capture for good. What is too long
/// is cut, nothing at all is `_`, and what looks like a topic of Kafka's or of waltap's own is put behind `outbox.`.
pub(crate) fn outbox_topic_name(name: &str) -> String {
    let is_reserved = name.starts_with("__");
    let prefix = if is_reserved { "outbox." } else { "" };
    // A character that is not allowed becomes one that is.
    let name: String = prefix.chars().chain(name.chars()).take(TOPIC_NAME_BYTES_MAX).collect();
    legal_topic_name(&name).map_or_else(|_| "_".to_owned(), Cow::into_owned)
}

/// Who has which topic, over all taps of a capture. Two tables that would share one are refused, because a reader could not tell them apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct TopicClaims(Arc<Mutex<HashMap<String, Claim>>>);

#[derive(Debug, PartialEq, Eq)]
struct Claim {
    database: String,
    schema: String,
    table: String,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claim { database, schema, table } = self;
        match schema.is_empty() {
            // No table's, but for a purpose of that name.
            true => write!(f, "the records of {table}"),
            false => write!(f, "table {schema}.{table} of database {database}"),
        }
    }
}

impl TopicClaims {
    /// Takes a topic for a table, once and again. A table that is gone keeps its topic: its events are still in there.
    pub(crate) fn claim(&self, topic: &str, database: &str, schema: &str, table: &str) -> Result<()> {
        let claim = Claim { database: database.to_owned(), schema: schema.to_owned(), table: table.to_owned() };
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.get(topic) {
            Some(other) if *other != claim => {
                Err(Error::configuration(Code::TOPIC_COLLISION, format!("{claim} and {other} would share the topic {topic}"))
                    .remedy("choose another --topic template, or leave one of them out with --exclude-table"))
            }
            Some(_) => Ok(()),
            None => {
                claims.insert(topic.to_owned(), claim);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_names_database_schema_and_table() {
        assert_eq!(TopicTemplate::parse(TopicTemplate::DEFAULT).unwrap(), TopicTemplate::default());
        assert_eq!(TopicTemplate::default().topic("shop", "public", "Order Items").unwrap(), "shop.public.Order_Items");
    }

    #[test]
    fn bad_templates_are_refused() {
        for bad in ["", "{table", "{column}.{table}"] {
            assert_eq!(TopicTemplate::parse(bad).unwrap_err().code(), Code::INVALID_VALUE, "{bad}");
        }
    }

    #[test]
    fn without_the_table_a_topic_is_shared() {
        let shared = TopicTemplate::parse("cdc.{database}").unwrap();
        assert!(shared.is_shared() && !TopicTemplate::default().is_shared());
        assert_eq!(shared.topic("shop", "public", "orders").unwrap(), shared.topic("shop", "sales", "items").unwrap());
    }

    #[test]
    fn every_name_of_a_row_is_a_topic() {
        for (name, topic) in [
            ("outbox.event.order", "outbox.event.order"),
            ("Größe/x", "Gr__e_x"),
            ("", "_"),
            (".", "_"),
            ("..", "_"),
            ("__waltap_progress", "outbox.__waltap_progress"),
        ] {
            assert_eq!(outbox_topic_name(name), topic, "{name}");
        }
        assert_eq!(outbox_topic_name(&"ü".repeat(1000)).len(), TOPIC_NAME_BYTES_MAX);
    }

    #[test]
    fn two_tables_may_not_share_a_topic() {
        let claims = TopicClaims::default();
        claims.claim("t.a_b", "shop", "public", "a b").unwrap();
        claims.claim("t.a_b", "shop", "public", "a b").unwrap();
        let error = claims.claim("t.a_b", "shop", "public", "a_b").unwrap_err();
        assert_eq!(error.code(), Code::TOPIC_COLLISION);
    }

    #[test]
    fn databases_share_a_topic_for_one_purpose_alone() {
        let claims = TopicClaims::default();
        claims.claim("shop.transaction", "", "", "transactions").unwrap();
        claims.claim("shop.transaction", "", "", "transactions").unwrap();
        let error = claims.claim("shop.transaction", "shop", "public", "transaction").unwrap_err();
        assert!(error.report().contains("the records of transactions"), "{}", error.report());
        assert!(claims.claim("shop.transaction", "", "", "heartbeats").is_err());
    }
}
