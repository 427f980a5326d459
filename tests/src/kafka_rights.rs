//! Access rules and quotas of a Kafka, set over its own protocol: librdkafka's binding knows neither.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Kafka, Result, ensure, wait_until};

// The keys of the requests, and the versions that are spoken: the oldest that brokers of today take, whose lengths are plain numbers.
const DESCRIBE_ACLS: (i16, i16) = (29, 1);
const CREATE_ACLS: (i16, i16) = (30, 1);
const DELETE_ACLS: (i16, i16) = (31, 1);
const ALTER_CLIENT_QUOTAS: (i16, i16) = (49, 0);

// As `AclPermissionType` of Kafka's clients numbers it, and in the enums below `ResourceType`, `PatternType` and `AclOperation`.
const ALLOW: u8 = 3;

/// How long a broker may take to hear of a rule that its controller has taken.
const HEARD: Duration = Duration::from_secs(30);

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Topics.
    Topic = 2,
    /// Transactions.
    TransactionalId = 5,
}

/// Which names a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// That name.
    Literal = 3,
    /// All that begin so.
    Prefixed = 4,
}

/// What a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Anything.
    All = 2,
    /// Reading records.
    Read = 3,
    /// Writing records.
    Write = 4,
    /// Making it.
    Create = 5,
    /// Seeing that it is there.
    Describe = 8,
    /// Seeing its settings.
    DescribeConfigs = 10,
}

impl Kafka {
    /// Lets a user do one thing, from now on.
    pub async fn allow(&self, user: &str, resource: Resource, pattern: Pattern, name: &str, operation: Operation) -> Result {
        let rule = Rule { user, resource, pattern, name, operation };
        self.ask(CREATE_ACLS, &rule.counted().0).await?;
        self.wait_heard(&rule, true).await
    }

    /// Lets a user do anything to the resources whose names begin so.
    pub async fn grant(&self, user: &str, resource: Resource, prefix: &str) -> Result {
        self.allow(user, resource, Pattern::Prefixed, prefix, Operation::All).await
    }

    /// Takes back what [`Kafka::grant`] gave.
    pub async fn revoke(&self, user: &str, resource: Resource, prefix: &str) -> Result {
        let rule = Rule { user, resource, pattern: Pattern::Prefixed, name: prefix, operation: Operation::All };
        self.ask(DELETE_ACLS, &rule.counted().0).await?;
        self.wait_heard(&rule, false).await
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

    /// Waits until the broker goes by a rule, or no longer does.
    async fn wait_heard(&self, rule: &Rule<'_>, is_there: bool) -> Result {
        wait_until("the broker hears of the rule", HEARD, async || {
            let answer = self.answer(DESCRIBE_ACLS, &rule.body().0).await?;
            // The number, the time of throttling, the code, no message; then the count of the resources that have such rules.
            let found = answer.get(12..16).map(|count| count != [0; 4]);
            Ok(found == Some(is_there))
        })
        .await
    }

    async fn ask(&self, request: (i16, i16), body: &[u8]) -> Result {
        let answer = self.answer(request, body).await?;
        // The number, the time of throttling, the count of results; then the first result.
        let code = answer.get(12..14).map(|code| i16::from_be_bytes([code[0], code[1]]));
        ensure!(code == Some(0), "Kafka answers {code:?} to request {}: {}", request.0, String::from_utf8_lossy(&answer));
        Ok(())
    }

    async fn answer(&self, (key, version): (i16, i16), body: &[u8]) -> Result<Vec<u8>> {
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
        Ok(answer)
    }
}

/// What a user may do.
struct Rule<'a> {
    user: &'a str,
    resource: Resource,
    pattern: Pattern,
    name: &'a str,
    operation: Operation,
}

impl Rule<'_> {
    fn body(&self) -> Body {
        let mut body = Body::default();
        self.write(&mut body);
        body
    }

    /// One of a list of one.
    fn counted(&self) -> Body {
        let mut body = Body::default();
        body.count(1);
        self.write(&mut body);
        body
    }

    fn write(&self, body: &mut Body) {
        body.byte(self.resource as u8).text(self.name).byte(self.pattern as u8);
        body.text(&format!("User:{}", self.user)).text("*").byte(self.operation as u8).byte(ALLOW);
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
