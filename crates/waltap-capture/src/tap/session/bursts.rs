//! Frames come together while Kafka works on those before.
//!
//! librdkafka has one request of a partition on its way at a time, when it is idempotent and a request holds more than a few records. While the
//! next one is due, its thread asks for the answer again and again, without a pause and on a whole processor, for as long as the answer takes
//! (`rd_kafka_broker_producer_serve` of 2.12). So while much comes nothing more is handed over before all is confirmed, which also makes
//! requests larger, and the broker's work less. Exactly once batches wait longer in librdkafka itself ([`waltap_kafka::Options::for_throughput`]).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use waltap_error::Result;
use waltap_postgres::replication::Filled;

use crate::sink::Sink;
use crate::source::Wire;

/// When so much has come it is taken, whatever is on its way: about what the buffer of the connection holds.
const BURST_BYTES: usize = 192 * 1024;

/// How long frames may wait for others. Where Kafka takes longer to answer there is enough to do meanwhile.
const BURST_TIME: Duration = Duration::from_millis(20);

/// Of more tables than that nothing waits. Each has a request of its own, which are not all confirmed before the next are due: it is in
/// librdkafka's queue then that the records of a table come together.
pub(super) const TABLES_MAX: usize = 16;

/// Waits for frames, unless some are there that were not taken. Cancel safe.
pub(super) async fn next(wire: &mut Wire, sink: &Sink, are_there: bool, may_wait: bool) -> Result<Filled> {
    if are_there {
        return Ok(Filled::Data);
    }
    if wire.waiting().is_none() && wire.fill().await? == Filled::Ended {
        return Ok(Filled::Ended);
    }
    while may_wait
        && let Some(waiting) = wire.waiting()
        && wire.flows()
        && waiting.bytes < BURST_BYTES
        && sink.in_flight_bytes() > 0
    {
        tokio::select! {
            biased;
            () = sink.at_most(0) => break,
            () = sleep_until(Instant::from_std(waiting.since + BURST_TIME)) => break,
            filled = wire.fill() => match filled {
                Ok(Filled::Data) => {}
                // What came before it is taken first: the server may say there why it goes.
                Ok(Filled::Ended) => break,
                Err(error) => {
                    wire.put_off(error);
                    break;
                }
            },
        }
    }
    Ok(Filled::Data)
}
