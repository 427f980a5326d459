//! Texts of the catalog that users wrote.

use std::error::Error;

use tokio_postgres::types::{FromSql, Type};

/// A text as the server stores it. In a database in SQL_ASCII it may be any bytes, which must not make the reading of the catalog fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredText(Vec<u8>);

impl StoredText {
    /// The text, where it is UTF-8.
    pub(super) fn utf8(self) -> Option<String> {
        String::from_utf8(self.0).ok()
    }

    /// The text, or `\x` and hexadecimal digits where it is not UTF-8, as such a value stands in an event.
    pub(super) fn utf8_or_hexadecimal(self) -> String {
        String::from_utf8(self.0).unwrap_or_else(|error| {
            let digits = error.as_bytes().iter().map(|byte| format!("{byte:02x}"));
            std::iter::once("\\x".to_owned()).chain(digits).collect()
        })
    }
}

impl<'a> FromSql<'a> for StoredText {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(StoredText(raw.to_owned()))
    }

    fn accepts(r#type: &Type) -> bool {
        *r#type == Type::TEXT
    }
}
