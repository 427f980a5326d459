//! Has librdkafka send what waits for company.

use rdkafka::bindings;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaRespErr;

use super::collector::Collector;

/// How long librdkafka may wait before we look whether the producer has ended.
const ROUND_MS: i32 = 500;

/// Has librdkafka send what it holds, however long batches may wait, until nothing is in flight or the producer is of no more use. Blocks; the poll
/// thread takes the reports.
///
/// rdkafka's own `flush` lets batches go for an instant only, which the thread of a broker need not see, and takes reports itself.
pub(super) fn flush_all(native: &BaseProducer<Collector>) {
    let collector = native.context();
    while !flush(native) && !collector.has_ended() && !collector.is_dropped() {}
}

/// One round of it. Says whether nothing is in flight. librdkafka waits by the wall clock, but no longer than until the last report is taken.
fn flush(native: &BaseProducer<Collector>) -> bool {
    // SAFETY: the client lives for as long as it is borrowed, and may be used from any thread (rdkafka.h, "Thread safety"). Since rdkafka takes reports
    // as events, librdkafka serves none here and only waits.
    #[allow(unsafe_code)]
    let flushed = unsafe { bindings::rd_kafka_flush(native.client().native_ptr(), ROUND_MS) };
    flushed == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}
