//! Standard output as a sink: a line a record, `{"topic":…,"key":…,"value":…}` (`"headers":{…}` when it has any), for looking and for tests.

use std::io::{ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use waltap_error::{Code, Error, Result};
use waltap_kafka::DeliveryObserver;

use super::{Account, Record, Reports};

/// How many bytes of lines are gathered before they must be written: a batch for the pipe, small beside everything else.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// How many batches may wait for the writing thread. With the reader of the pipe at rest, the taps stop here.
const BATCHES_WAITING_MAX: usize = 4;

/// The one standard output of the process, shared by all taps. A thread of its own writes, since a full pipe blocks.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    batches: mpsc::Sender<Batch>,
    /// Whether whoever read the pipe has had enough.
    closed: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Batch {
    lines: Vec<u8>,
    accounts: Vec<(u64, u64)>,
    reports: Reports,
}

impl Output {
    /// Starts the thread that writes.
    pub(crate) fn start() -> Result<Self> {
        let (batches, mut waiting) = mpsc::channel::<Batch>(BATCHES_WAITING_MAX);
        let (close, closed) = watch::channel(false);
        let write = move || {
            while let Some(mut batch) = waiting.blocking_recv() {
                let mut output = std::io::stdout().lock();
                match output.write_all(&batch.lines).and_then(|()| output.flush()) {
                    Ok(()) => batch.reports.confirmed(&batch.accounts),
                    // `| head` has seen what it wanted. The capture is told, and nobody waits for the rest.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                        close.send_replace(true);
                        batch.reports.confirmed(&batch.accounts);
                    }
                    Err(error) => {
                        let error = Error::configuration(Code::OUTPUT, "writing events to standard output").source(error);
                        batch.reports.failed(0, error);
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("stdout".to_owned()).spawn(write).map_err(|error| {
            Error::configuration(Code::OUTPUT, "starting the thread that writes to standard output").source(error)
        })?;
        Ok(Output { batches, closed })
    }

    /// Waits until nobody reads the output any more. Cancel safe.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        if closed.wait_for(|closed| *closed).await.is_err() {
            // The writing thread has failed, which its taps are told.
            std::future::pending().await
        }
    }

    /// The sink of one tap.
    pub(crate) fn sink(&self, reports: Reports) -> OutputSink {
        OutputSink { output: self.clone(), reports, gathered: Mutex::default() }
    }
}

/// Standard output, as one tap sees it.
#[derive(Debug)]
pub(crate) struct OutputSink {
    output: Output,
    reports: Reports,
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    lines: Vec<u8>,
    accounts: Vec<(u64, u64)>,
}

/// There is no room before [`OutputSink::flush`].
pub(super) struct Full;

impl OutputSink {
    pub(super) fn offer(&self, record: Record<'_>) -> Result<(), Full> {
        // A pipe has no partitions: a record for all of them is written once.
        if record.partition.is_some_and(|partition| partition > 0) {
            self.count(record.account);
            return Ok(());
        }
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.lines.len() >= BUFFER_BYTES_MAX {
            return Err(Full);
        }
        write_line(&record, &mut gathered.lines);
        gathered.count(record.account);
        Ok(())
    }

    fn count(&self, account: Account) {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner).count(account);
    }

    /// Hands what is gathered to the writing thread.
    pub(super) async fn flush(&self) -> Result<()> {
        let gathered = std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner));
        if gathered.accounts.is_empty() {
            return Ok(());
        }
        let batch = Batch { lines: gathered.lines, accounts: gathered.accounts, reports: self.reports.clone() };
        let closed = |_| Error::configuration(Code::OUTPUT, "standard output was closed by its reader");
        self.output.batches.send(batch).await.map_err(closed)
    }
}

impl Gathered {
    fn count(&mut self, account: Account) {
        let opaque = account.to_opaque();
        match self.accounts.last_mut() {
            Some((last, count)) if *last == opaque => *count += 1,
            _ => self.accounts.push((opaque, 1)),
        }
    }
}

/// Keys and values are JSON already, or are made a string of JSON; a topic's name has no character that JSON escapes.
fn write_line(record: &Record<'_>, line: &mut Vec<u8>) {
    line.extend_from_slice(b"{\"topic\":\"");
    line.extend_from_slice(record.topic.as_bytes());
    line.extend_from_slice(b"\",\"key\":");
    write_part(record.key, record.is_plain, line);
    line.extend_from_slice(b",\"value\":");
    write_part(record.value, record.is_plain, line);
    let mut mark: &[u8] = b",\"headers\":{";
    for header in record.headers {
        line.extend_from_slice(mark);
        line.extend_from_slice(json_string(header.name.as_bytes()).as_bytes());
        line.push(b':');
        match header.is_json {
            true => line.extend_from_slice(header.value),
            false => line.extend_from_slice(json_string(header.value).as_bytes()),
        }
        mark = b",";
    }
    if !record.headers.is_empty() {
        line.push(b'}');
    }
    line.extend_from_slice(b"}\n");
}

fn write_part(part: Option<&[u8]>, is_plain: bool, line: &mut Vec<u8>) {
    match part {
        None => line.extend_from_slice(b"null"),
        Some(text) if is_plain && !is_json_line(text) => line.extend_from_slice(json_string(text).as_bytes()),
        Some(json) => line.extend_from_slice(json),
    }
}

fn is_json_line(text: &[u8]) -> bool {
    !text.contains(&b'\n') && !text.contains(&b'\r') && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// A text as JSON.
fn json_string(text: &[u8]) -> String {
    serde_json::Value::from(String::from_utf8_lossy(text)).to_string()
}

#[cfg(test)]
mod tests {
    use waltap_event::Header;

    use super::*;

    fn line(value: Option<&[u8]>, headers: &[Header<'_>]) -> String {
        let account = Account::Snapshot(1);
        let record = Record {
            topic: "shop.public.orders",
            partition: None,
            key: Some(b"{\"id\":1}"),
            value,
            headers,
            is_plain: false,
            account,
        };
        let mut line = Vec::new();
        write_line(&record, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_is_an_object_with_headers_when_there_are_any() {
        let start = r#"{"topic":"shop.public.orders","key":{"id":1},"value":"#;
        assert_eq!(line(Some(b"{}"), &[]), format!("{start}{{}}}}\n"));
        assert_eq!(line(None, &[]), format!("{start}null}}\n"));
        let headers = [
            Header { name: "odd\"name", value: b"a\"b", is_json: false },
            Header { name: "__debezium.newkey", value: b"{\"id\":2}", is_json: true },
        ];
        assert_eq!(
            line(Some(b"{}"), &headers),
            format!("{start}{{}},\"headers\":{{\"odd\\\"name\":\"a\\\"b\",\"__debezium.newkey\":{{\"id\":2}}}}}}\n")
        );
    }
}
