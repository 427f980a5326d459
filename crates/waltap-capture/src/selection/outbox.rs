//! Outbox tables of the user's choice.

use waltap_error::{Code, Error, Result};
use waltap_event::{OutboxColumns, TopicPart};

use super::TablePattern;
use super::pattern::{split_outside_quotes, unquoted};

/// Tables whose rows are messages, and what their columns are: `schema.table=key:COLUMN,payload:COLUMN,header:COLUMN`, or the table alone.
#[derive(Debug, Clone)]
pub struct OutboxChoice {
    tables: TablePattern,
    columns: OutboxColumns,
}

impl OutboxChoice {
    /// The topic when none is given.
    pub const DEFAULT_TOPIC: &'static str = "outbox.event.{aggregatetype}";

    /// Reads a choice. `topic` is a template in which a column's name in braces stands for what the column holds. What is not named is as
    /// Debezium's outbox has it: `aggregateid` for the key, `payload`, and `id` and `type` for headers.
    pub fn parse(text: &str, topic: &str) -> Result<Self> {
        let mut parts = split_outside_quotes(text, '=').into_iter();
        let tables = TablePattern::parse(parts.next().unwrap_or_default())?;
        let (mut key, mut payload, mut headers) = (None, None, Vec::new());
        for entry in parts.next().map(|entries| split_outside_quotes(entries, ',')).unwrap_or_default() {
            let (role, column) = match split_outside_quotes(entry.trim(), ':')[..] {
                [role, column] if !column.is_empty() => (role, unquoted(column)),
                _ => return Err(invalid(text)),
            };
            match role {
                "key" if key.is_none() => key = Some(column),
                "payload" if payload.is_none() => payload = Some(column),
                "header" => headers.push(column),
                _ => return Err(invalid(text)),
            }
        }
        if parts.next().is_some() {
            return Err(invalid(text));
        }
        if headers.is_empty() {
            headers = vec!["id".to_owned(), "type".to_owned()];
        }
        let columns = OutboxColumns {
            topic: topic_parts(topic)?,
            key: Some(key.unwrap_or_else(|| "aggregateid".to_owned())),
            payload: payload.unwrap_or_else(|| "payload".to_owned()),
            headers,
        };
        Ok(OutboxChoice { tables, columns })
    }

    /// The tables that it is meant for.
    pub fn tables(&self) -> &TablePattern {
        &self.tables
    }

    /// What the columns are, when the choice is meant for this table.
    pub fn columns_of(&self, schema: &str, table: &str) -> Option<&OutboxColumns> {
        self.tables.matches(schema, table).then_some(&self.columns)
    }
}

fn topic_parts(text: &str) -> Result<Vec<TopicPart>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, behind)) = rest.split_once('{') {
        let Some((column, after)) = behind.split_once('}').filter(|(column, _)| !column.is_empty()) else {
            return Err(invalid_topic(text));
        };
        if !literal.is_empty() {
            parts.push(TopicPart::Literal(literal.to_owned()));
        }
        parts.push(TopicPart::Column(column.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(TopicPart::Literal(rest.to_owned()));
    }
    if parts.is_empty() { Err(invalid_topic(text)) } else { Ok(parts) }
}

fn invalid(text: &str) -> Error {
    Error::configuration(Code::INVALID_VALUE, format!("the outbox `{text}` is not valid"))
        .remedy("for example `public.outbox`, or with its columns `public.outbox=key:aggregateid,payload:payload,header:type`")
}

fn invalid_topic(text: &str) -> Error {
    Error::configuration(Code::INVALID_VALUE, format!("the topic of outboxes `{text}` is not valid"))
        .remedy(format!("use columns of the outbox in braces, as in `{}`", OutboxChoice::DEFAULT_TOPIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, topic: &str) -> Result<OutboxChoice> {
        OutboxChoice::parse(text, topic)
    }

    #[test]
    fn what_is_not_named_is_as_debezium_has_it() {
        let outbox = parse("public.outbox", OutboxChoice::DEFAULT_TOPIC).unwrap();
        let columns = outbox.columns_of("public", "outbox").unwrap();
        assert_eq!(
            columns.topic,
            [TopicPart::Literal("outbox.event.".to_owned()), TopicPart::Column("aggregatetype".to_owned())]
        );
        assert_eq!((columns.key.as_deref(), columns.payload.as_str()), (Some("aggregateid"), "payload"));
        assert_eq!(columns.headers, ["id", "type"]);
        assert!(outbox.columns_of("public", "orders").is_none());
    }

    #[test]
    fn columns_are_those_that_are_named() {
        let outbox = parse("o=key:k,payload:\"The Body\",header:a,header:b", "all").unwrap();
        let columns = outbox.columns_of("any", "o").unwrap();
        assert_eq!(columns.topic, [TopicPart::Literal("all".to_owned())]);
        assert_eq!((columns.key.as_deref(), columns.payload.as_str()), (Some("k"), "The Body"));
        assert_eq!(columns.headers, ["a", "b"]);
    }

    #[test]
    fn what_is_no_outbox_is_refused() {
        for bad in ["", "a.b.c", "o=", "o=key", "o=key:", "o=key:a,key:b", "o=body:a", "o=key:a=b"] {
            assert_eq!(parse(bad, "all").unwrap_err().code(), Code::INVALID_VALUE, "{bad}");
        }
        for bad in ["", "{a", "a{}"] {
            assert_eq!(parse("o", bad).unwrap_err().code(), Code::INVALID_VALUE, "{bad}");
        }
    }
}
