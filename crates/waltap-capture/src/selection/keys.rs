//! Keys of the user's choice.

use waltap_error::{Code, Error, Result};

use super::TablePattern;
use super::pattern::{NamePattern, split_outside_quotes};

/// A record key of the user's choice: `schema.table=column,column`.
#[derive(Debug, Clone)]
pub struct KeyChoice {
    tables: TablePattern,
    columns: Vec<String>,
}

impl KeyChoice {
    /// Reads `schema.table=column,column`; the table may be a pattern, columns may be quoted.
    pub fn parse(text: &str) -> Result<Self> {
        let [tables, columns] = split_outside_quotes(text, '=')[..] else {
            return Err(Error::configuration(
                Code::INVALID_VALUE,
                format!("the key `{text}` is not of the form schema.table=column,column"),
            ));
        };
        let columns = split_outside_quotes(columns, ',')
            .into_iter()
            .map(|column| match NamePattern::parse(column.trim(), text)? {
                NamePattern::Exact(name) => Ok(name),
                NamePattern::Glob(_) => Ok(column.trim().to_owned()),
            })
            .collect::<Result<_>>()?;
        Ok(KeyChoice { tables: TablePattern::parse(tables)?, columns })
    }

    /// The tables that it is meant for.
    pub fn tables(&self) -> &TablePattern {
        &self.tables
    }

    /// The columns of the key, when the choice is meant for this table.
    pub fn columns_of(&self, schema: &str, table: &str) -> Option<&[String]> {
        self.tables.matches(schema, table).then_some(&self.columns[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_users_choice() {
        let key = KeyChoice::parse("public.*=tenant,\"Order Id\"").unwrap();
        assert_eq!(key.columns_of("public", "orders").unwrap(), ["tenant", "Order Id"]);
        assert!(key.columns_of("sales", "orders").is_none());
        assert!(KeyChoice::parse("public.orders").is_err());
    }
}
