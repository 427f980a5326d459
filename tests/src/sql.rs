//! One SQL connection, with answers as text.

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::{Failure, Result};

/// Settings under which every value has one text, the same in every test.
const OPTIONS: &str = "-c DateStyle=ISO -c IntervalStyle=iso_8601 -c TimeZone=UTC -c bytea_output=hex -c extra_float_digits=3";

/// A connection to one database.
#[derive(Debug)]
pub struct Sql {
    client: Client,
}

impl Sql {
    /// Connects to `127.0.0.1:port`.
    pub async fn connect(port: u16, database: &str, user: &str, password: &str) -> Result<Self> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(port).dbname(database).user(user).application_name("kit").options(OPTIONS);
        if !password.is_empty() {
            config.password(password);
        }
        let (client, connection) = config.connect(NoTls).await?;
        // Ends with the client, or with the server: then the next statement tells.
        tokio::spawn(connection);
        Ok(Sql { client })
    }

    /// Runs statements.
    pub async fn run(&self, statements: &str) -> Result {
        match self.client.batch_execute(statements).await {
            Ok(()) => Ok(()),
            Err(error) => Err(Failure::from(error).while_doing(statements.lines().next().unwrap_or_default())),
        }
    }

    /// The rows of a query, every value as PostgreSQL's text.
    pub async fn rows(&self, query: &str) -> Result<Vec<Vec<Option<String>>>> {
        let messages = match self.client.simple_query(query).await {
            Ok(messages) => messages,
            Err(error) => return Err(Failure::from(error).while_doing(query)),
        };
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The first column of a query's rows; a NULL is an empty text.
    pub async fn column(&self, query: &str) -> Result<Vec<String>> {
        let rows = self.rows(query).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).map(Option::unwrap_or_default).collect())
    }

    /// The one value of a query.
    pub async fn value(&self, query: &str) -> Result<String> {
        self.column(query).await?.into_iter().next().ok_or_else(|| Failure::new(format!("no row: {query}")))
    }

    /// The one number of a query.
    pub async fn number(&self, query: &str) -> Result<i64> {
        Ok(self.value(query).await?.parse()?)
    }

    /// The client itself, for COPY, parameters and transactions.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}
