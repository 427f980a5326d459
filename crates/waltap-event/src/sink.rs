//! Where records go.

/// Takes the Kafka records of events, in order.
///
/// An encoder calls it from one task, and not before the whole event is written. The bytes are the encoder's own buffers and are used
/// again for the next event: a sink copies what it keeps. An error ends the event at once and comes back as
/// [`Failure::Sink`](crate::Failure::Sink); the encoder does not try again, so a sink that may be full waits, or keeps the record aside
/// and says so by other means.
pub trait RecordSink {
    /// Why a record was refused.
    type Error;

    /// Takes a record. No key: the table has none. No value: a tombstone.
    fn record(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Self::Error>;

    /// Takes a record with headers: those of a [`HeaderSet`](crate::HeaderSet), and what the format `debezium` says beside a change of a key.
    /// Apart from [`RecordSink::record`], which need not carry what most records do not have.
    fn record_with_headers(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), Self::Error>;

    /// Takes a record without a key that must reach every partition, since it concerns all keys: a truncate.
    fn record_to_all(&mut self, value: &[u8], headers: &[Header<'_>]) -> Result<(), Self::Error>;
}

/// A header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a [u8],
    /// Whether the value is JSON. Otherwise it is text as it stands.
    pub is_json: bool,
}
