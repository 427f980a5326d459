//! As much of HTTP as Kafka Connect's interface needs.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use waltap_tests::{Failure, Result};

/// Connect checks a connector's configuration against its database before it answers.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks `127.0.0.1:port`, with a body of JSON; gives the status and what follows the headers.
pub(crate) async fn request(port: u16, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    tokio::time::timeout(TIMEOUT, exchange(port, method, path, body)).await?
}

async fn exchange(port: u16, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    // HTTP/1.0: the answer comes whole and ends with the connection, never in chunks.
    let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| Failure::new("the answer has no end of headers"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| Failure::new("no status code"))?;
    Ok((status, body.to_owned()))
}
