//! Sessions that open, and that do not.

mod authentication;
mod hosts;
mod settings;
mod tls;

use waltap_error::Error;
use waltap_postgres::{Source, Sql};

/// Opens an SQL session and a replication session with the same source, which must go the same way, and gives back the first.
async fn open(source: &Source) -> Result<Sql, Error> {
    let sql = source.sql("postgres").await;
    let replication = source.replication("postgres").await;
    match (&sql, &replication) {
        (Ok(_), Ok(_)) => {}
        (Err(one), Err(other)) => assert_eq!((one.code(), one.kind()), (other.code(), other.kind())),
        _ => panic!("SQL: {:?}, replication: {:?}", sql.as_ref().err(), replication.as_ref().err()),
    }
    sql
}

/// The error of a session that must not open.
async fn refused(source: &Source) -> Error {
    match open(source).await {
        Ok(_) => panic!("{source} was opened"),
        Err(error) => error,
    }
}

/// One value of one row.
async fn value(sql: &Sql, query: &str) -> String {
    sql.query_one(query, &[]).await.expect("an answer").get(0)
}
