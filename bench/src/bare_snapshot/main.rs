//! The barest snapshot: COPY, JSON written by hand for one table, and librdkafka. No types, no catalog, no progress, no second connection: the floor
//! that a snapshot into Kafka stands on.
//!
//! `bare-snapshot HOST:PORT|SOCKET-FOLDER:PORT DATABASE TABLE [BROKERS TOPIC]`. Without brokers it reads and counts. What it prints is a line
//! `seconds rows bytes`: from the moment at which COPY is asked for until the last row is there, or confirmed.

mod json;

use std::io::{Error, Result};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use waltap_bench::refusals::Refusals;
use waltap_bench::wire::{self, Purpose, Wire};
use waltap_kafka::{Options, Settings};

use json::Writer;

/// Longer than all that is queued can take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The queue is full: how long a report may be waited for.
const FULL: Duration = Duration::from_millis(10);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, database, table, sink) = match arguments.as_slice() {
        [address, database, table] => (address, database, table, None),
        [address, database, table, brokers, topic] => (address, database, table, Some((brokers, topic))),
        _ => return Err(wire::broken("wanted: ADDRESS DATABASE TABLE [BROKERS TOPIC]")),
    };
    let mut wire = Wire::connect(address, database, Purpose::Queries)?;
    let taken = match sink {
        None => read(&mut wire, table, |_| Ok(()), || Ok(()))?,
        Some((brokers, topic)) => send(&mut wire, (database, table), brokers, topic)?,
    };
    println!("{} {} {}", taken.time.as_secs_f64(), taken.rows, taken.bytes);
    Ok(())
}

struct Taken {
    time: Duration,
    rows: u64,
    bytes: u64,
}

/// Reads a table and gives each line to `row`, and calls `pause` when what was read is used up.
fn read(
    wire: &mut Wire,
    table: &str,
    mut row: impl FnMut(&[u8]) -> Result<()>,
    mut pause: impl FnMut() -> Result<()>,
) -> Result<Taken> {
    let began = Instant::now();
    wire.begin(&format!("COPY {table} TO STDOUT"), b'H')?;
    let (mut rows, mut bytes) = (0, 0);
    loop {
        while let Some((tag, line)) = wire.next_message()? {
            match tag {
                b'd' => {
                    (rows, bytes) = (rows + 1, bytes + line.len() as u64);
                    row(line)?;
                }
                b'Z' => return Ok(Taken { time: began.elapsed(), rows, bytes }),
                _ => {}
            }
        }
        pause()?;
        wire.fill()?;
    }
}

fn send(wire: &mut Wire, (database, table): (&str, &str), brokers: &str, topic: &str) -> Result<Taken> {
    let options =
        Options::new(Settings { brokers: brokers.to_owned(), ..Settings::default() }).map_err(Error::other)?.for_throughput(1);
    let mut config = options.producer_config();
    // waltap keeps to this bound by itself.
    config.set("queue.buffering.max.kbytes", (options.queue_bytes() / 1024).to_string());
    let producer: BaseProducer<Refusals> = config.create_with_context(Refusals::default()).map_err(Error::other)?;
    // A connector that is at work knows its topic.
    producer.client().fetch_metadata(Some(topic), PATIENCE).map_err(Error::other)?;
    // As long as a real one.
    let mut writer = Writer::new(database, table, "0/1A2B3C40");
    let began = Instant::now();
    let row = |line: &[u8]| {
        let (key, value) = writer.write(line).ok_or_else(|| wire::broken("a row of other columns"))?;
        let mut record = BaseRecord::to(topic).key(key).payload(value);
        while let Err((error, again)) = producer.send(record) {
            match error {
                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => producer.poll(FULL),
                error => return Err(Error::other(error)),
            };
            record = again;
        }
        Ok(())
    };
    let pause = || {
        producer.poll(Duration::ZERO);
        Ok(())
    };
    let taken = read(wire, table, row, pause)?;
    producer.flush(PATIENCE).map_err(Error::other)?;
    let refused = producer.context().count();
    if refused > 0 {
        return Err(wire::broken(&format!("Kafka refused {refused} records")));
    }
    Ok(Taken { time: began.elapsed(), ..taken })
}
