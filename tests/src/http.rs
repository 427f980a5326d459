//! The least of an HTTP client: one GET to loopback.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Failure, Result};

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All that follows the headers.
    pub body: String,
}

/// Asks `127.0.0.1:port` for a path.
pub async fn get(port: u16, path: &str) -> Result<Response> {
    tokio::time::timeout(Duration::from_secs(5), exchange(port, path)).await?
}

async fn exchange(port: u16, path: &str) -> Result<Response> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    // HTTP/1.0: the answer comes whole and ends with the connection, never in chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| Failure::new("the answer has no end of headers"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| Failure::new("no status code"))?;
    Ok(Response { status, body: body.to_owned() })
}
