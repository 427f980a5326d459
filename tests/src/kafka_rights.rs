//! Access rules and quotas of a Kafka, set over its own protocol: librdkafka's binding knows neither.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Kafka, Result, ensure};

// The keys of the requests, and the versions that are spoken: the oldest that brokers of today take, whose lengths are plain numbers.
const CREATE_ACLS: (i16, i16) = (30, 1);
const DELETE_ACLS: (i16, i16) = (31, 1);
const ALTER_CLIENT_QUOTAS: (i16, i16) = (49, 0);

// As `ResourceType`, `PatternType`, `AclOperation` and `AclPermissionType` of Kafka's clients number them.
const PREFIXED: u8 = 4;
const OPERATION_ALL: u8 = 2;
const ALLOW: u8 = 3;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Topics.
    Topic = 2,
    /// Transactions.
    TransactionalId = 5,
}

impl Kafka {
    /// Lets a user do anything to the resources whose names begin so.
    pub async fn grant(&self, user: &str, resource: Resource, prefix: &str) -> Result {
        let mut body = Body::default();
        body.count(1).byte(resource as u8).text(prefix).byte(PREFIXED);
        body.text(&format!("User:{user}")).text("*").byte(OPERATION_ALL).byte(ALLOW);
        self.ask(CREATE_ACLS, &body.0).await
    }

    /// Takes back what [`Kafka::grant`] gave.
    pub async fn revoke(&self, user: &str, resource: Resource, prefix: &str) -> Result {
        let mut body = Body::default();
        body.count(1).byte(resource as u8).text(prefix).byte(PREFIXED);
        body.text(&format!("User:{user}")).text("*").byte(OPERATION_ALL).byte(ALLOW);
        self.ask(DELETE_ACLS, &body.0).await
    }

    /// How many bytes a second every client may produce; none: as many as it can.
    pub async fn throttle(&self, bytes_per_second: Option<u32>) -> Result {
        let mut body = Body::default();
        // Without a name it is the default of all.
        body.count(1).count(1).text("client-id").none();
        body.count(1).text("producer_byte_rate");
        body.0.extend(f64::from(bytes_per_second.unwrap_or_default()).to_be_bytes());
        body.byte(u8::from(bytes_per_second.is_none())).byte(0);
        self.ask(ALTER_CLIENT_QUOTAS, &body.0).await
    }

    async fn ask(&self, (key, version): (i16, i16), body: &[u8]) -> Result {
        let mut request = Vec::new();
        request.extend(key.to_be_bytes());
        request.extend(version.to_be_bytes());
        // The number of the request, and no client's name.
        request.extend(1_i32.to_be_bytes());
        request.extend((-1_i16).to_be_bytes());
        request.extend(body);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).await?;
        stream.write_i32(i32::try_from(request.len())?).await?;
        stream.write_all(&request).await?;
        let length = stream.read_i32().await?;
        let mut answer = vec![0; usize::try_from(length)?];
        stream.read_exact(&mut answer).await?;
        // The number, the time of throttling, the count of results; then the first result.
        let code = answer.get(12..14).map(|code| i16::from_be_bytes([code[0], code[1]]));
        ensure!(code == Some(0), "Kafka answers {code:?} to request {key}: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }
}

/// The body of a request.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    fn count(&mut self, count: i32) -> &mut Self {
        self.0.extend(count.to_be_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        // Names of a test are short.
        self.0.extend((text.len() as i16).to_be_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    fn none(&mut self) -> &mut Self {
        self.0.extend((-1_i16).to_be_bytes());
        self
    }
}
