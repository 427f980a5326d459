//! What becomes of the records that were handed to Kafka.

use waltap_error::Error;

/// Hears what became of the records that a [`Producer`](crate::Producer) took.
///
/// Called from the producer's own poll thread, and [`DeliveryObserver::refused`] from who sends too, one call at a time, while nothing else of that producer is served: it must not
/// block, and passes on what it hears (into a channel, or counters) rather than work on it.
///
/// Every record that [`Producer::send`](crate::Producer::send) accepted is reported once, confirmed or failed, as long as the producer
/// lives. A producer that is dropped before it is drained reports nothing more: what was still in flight may or may not have
/// reached Kafka. Reports of one partition come in the order of sending; those of several partitions come in any.
pub trait DeliveryObserver: Send + 'static {
    /// Kafka has confirmed records: `count` of them that carried `opaque`, for each `(opaque, count)`. The same opaque may appear more
    /// than once. All in-sync replicas have them.
    fn confirmed(&mut self, runs: &[(u64, u64)]);

    /// A record that carried `opaque` was not delivered, and will not be: the producer does not try again.
    ///
    /// The first failure tells the cause. Kafka refuses whole batches, so the record named may be a neighbour of the guilty one; and
    /// after a refusal the producer gives up everything behind it, so as to leave no gap, and takes no more: start another one at the
    /// last confirmed place.
    fn failed(&mut self, opaque: u64, error: Error);

    /// Told before [`DeliveryObserver::failed`], or before `send` says so, where it is a record that failed and not the producer: its topic, and
    /// the bytes of its key and its value.
    fn refused(&mut self, _topic: &str, _bytes: u64, _error: &Error) {}

    /// The producer was given up, and with it all that it had in flight, which is not reported any more: start another one at the last
    /// confirmed place.
    fn lost(&mut self, error: Error) {
        self.failed(0, error);
    }
}
