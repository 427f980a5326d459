//! The topics that a producer sends to, by librdkafka's own handles.
//!
//! Given a topic's name, librdkafka compares it with the name of each topic that it knows, record by record: with a thousand tables that was a
//! quarter of all that waltap did. A handle says which it is. rdkafka has none for producers, so its functions are called here.

use std::collections::{HashMap, HashSet};
use std::ffi::{CString, NulError, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, PoisonError, RwLock};

use rdkafka::bindings::{self, rd_kafka_vtype_t as Field};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaHeaders, RDKafkaRespErr, RDKafkaTopic};

use super::collector::Collector;

/// The partition of a record that says none: its key chooses.
const ANY_PARTITION: i32 = -1;

/// A record to be sent, to a topic that is named beside it.
#[derive(Debug)]
pub(super) struct Record<'r> {
    pub(super) partition: Option<i32>,
    pub(super) key: Option<&'r [u8]>,
    pub(super) value: Option<&'r [u8]>,
    pub(super) headers: Option<OwnedHeaders>,
    pub(super) opaque: u64,
}

/// A handle, which its owner gives back.
#[derive(Clone, Copy, Debug)]
struct Handle(NonNull<RDKafkaTopic>);

// SAFETY: librdkafka's functions may be called from any thread, and a topic's handle be used by several (rdkafka.h, "Thread safety").
#[allow(unsafe_code)]
unsafe impl Send for Handle {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Handle {}

/// The handles of a client. It is kept for as long as they are, since it must not be destroyed before them.
pub(super) struct TopicHandles {
    client: Arc<BaseProducer<Collector>>,
    by_name: RwLock<HashMap<Box<str>, Handle>>,
}

impl TopicHandles {
    pub(super) fn new(client: Arc<BaseProducer<Collector>>) -> Self {
        TopicHandles { client, by_name: RwLock::default() }
    }

    /// Hands a record to librdkafka, which copies it. Fails as rdkafka's own `send` does: with librdkafka's error, or with a name that has a NUL.
    pub(super) fn send(&self, topic: &str, record: Record<'_>) -> Result<(), KafkaError> {
        let known = self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        let topic = match known {
            Some(topic) => topic,
            None => self.open(topic)?,
        };
        let code = match record.headers {
            None => produce(topic, &record),
            Some(_) => produce_with_headers(&self.client, topic, record),
        };
        match code {
            RDKafkaErrorCode::NoError => Ok(()),
            code => Err(KafkaError::MessageProduction(code)),
        }
    }

    /// The topics that were sent to.
    pub(super) fn names(&self) -> HashSet<String> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).keys().map(|name| name.to_string()).collect()
    }

    /// Makes a topic known to librdkafka, which asks the brokers for it.
    #[cold]
    fn open(&self, name: &str) -> Result<Handle, KafkaError> {
        let text = CString::new(name).map_err(|error: NulError| KafkaError::from(error))?;
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been quicker.
        if let Some(handle) = by_name.get(name) {
            return Ok(*handle);
        }
        // SAFETY: the client lives; the name ends with a NUL and is copied; without settings of its own the topic takes the client's.
        #[allow(unsafe_code)]
        let handle = unsafe { bindings::rd_kafka_topic_new(self.client.client().native_ptr(), text.as_ptr(), null_mut()) };
        // It refuses names that are too long; settings that no topic can have were refused when the client was made.
        let handle = NonNull::new(handle).map(Handle).ok_or(KafkaError::MessageProduction(RDKafkaErrorCode::InvalidTopic))?;
        by_name.insert(name.into(), handle);
        Ok(handle)
    }
}

impl Drop for TopicHandles {
    fn drop(&mut self) {
        let by_name = self.by_name.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (_, Handle(topic)) in by_name.drain() {
            // SAFETY: each came from `rd_kafka_topic_new` and is given back once; its client lives until the fields are dropped, after this.
            #[allow(unsafe_code)]
            unsafe {
                bindings::rd_kafka_topic_destroy(topic.as_ptr());
            }
        }
    }
}

/// Records without a key or a value have a null pointer there; an empty one has a pointer that is never read.
fn bytes(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}

/// A record without headers, by the shorter of librdkafka's functions.
fn produce(Handle(topic): Handle, record: &Record<'_>) -> RDKafkaErrorCode {
    let ((key, key_length), (value, value_length)) = (bytes(record.key), bytes(record.value));
    let partition = record.partition.unwrap_or(ANY_PARTITION);
    let opaque = record.opaque as usize as *mut c_void;
    // SAFETY: `topic` is a handle that was not given back, of a client that lives. Key and value are only read, and copied before it returns. The opaque
    // is a number to librdkafka, which the context takes back as one.
    #[allow(unsafe_code)]
    let error = unsafe {
        let flags = bindings::RD_KAFKA_MSG_F_COPY;
        match bindings::rd_kafka_produce(topic.as_ptr(), partition, flags, value, value_length, key, key_length, opaque) {
            0 => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
            // Of this thread. There is one whenever a record was not taken; without one it must not pass for taken.
            _ => match bindings::rd_kafka_last_error() {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => RDKafkaRespErr::RD_KAFKA_RESP_ERR__FAIL,
                error => error,
            },
        }
    };
    error.into()
}

/// A record that may have headers, for a topic of this client.
fn produce_with_headers(client: &BaseProducer<Collector>, Handle(topic): Handle, record: Record<'_>) -> RDKafkaErrorCode {
    let ((key, key_length), (value, value_length)) = (bytes(record.key), bytes(record.value));
    // A reference to the headers is a pointer to librdkafka's own: rdkafka has no other way to them.
    let headers = record.headers.as_ref().map_or(null_mut(), |headers| std::ptr::from_ref(headers.as_borrowed()).cast_mut());
    // SAFETY: the fields are those of rdkafka.h, each with arguments of its type, up to the end that it asks for. `topic` is a handle of this client
    // that was not given back. Key and value are only read, and copied before it returns. Headers, where there are some, are nobody else's. The opaque
    // is a number to librdkafka, which the context takes back as one.
    #[allow(unsafe_code)]
    let error = unsafe {
        bindings::rd_kafka_producev(
            client.client().native_ptr(),
            Field::RD_KAFKA_VTYPE_RKT,
            topic.as_ptr(),
            Field::RD_KAFKA_VTYPE_PARTITION,
            record.partition.unwrap_or(ANY_PARTITION),
            Field::RD_KAFKA_VTYPE_MSGFLAGS,
            bindings::RD_KAFKA_MSG_F_COPY,
            Field::RD_KAFKA_VTYPE_VALUE,
            value,
            value_length,
            Field::RD_KAFKA_VTYPE_KEY,
            key,
            key_length,
            Field::RD_KAFKA_VTYPE_HEADERS,
            headers.cast::<RDKafkaHeaders>(),
            Field::RD_KAFKA_VTYPE_OPAQUE,
            record.opaque as usize as *mut c_void,
            Field::RD_KAFKA_VTYPE_END,
        )
    };
    if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        // They are librdkafka's now.
        std::mem::forget(record.headers);
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::config::FromClientConfigAndContext;
    use rdkafka::message::Header;
    use waltap_error::Error;

    use super::super::shared::Shared;
    use super::*;
    use crate::delivery::DeliveryObserver;

    struct Nobody;

    impl DeliveryObserver for Nobody {
        fn confirmed(&mut self, _: &[(u64, u64)]) {}
        fn failed(&mut self, _: u64, _: Error) {}
    }

    #[test]
    fn a_record_for_which_librdkafka_has_no_room_is_refused_with_headers_and_without() {
        let mut config = ClientConfig::new();
        // A broker is not needed: records wait for one.
        config.set("bootstrap.servers", "127.0.0.1:9").set("queue.buffering.max.messages", "2");
        let collector = Collector::new(Box::new(Nobody), Arc::new(Shared::new(1 << 20)));
        let client = BaseProducer::from_config_and_context(&config, collector).unwrap();
        let topics = TopicHandles::new(Arc::new(client));
        let send = |headers: Option<OwnedHeaders>| {
            topics.send("orders", Record { partition: None, key: Some(b"1"), value: None, headers, opaque: 7 })
        };
        let headers = || OwnedHeaders::new().insert(Header { key: "name", value: Some("value") });
        assert_eq!(send(None), Ok(()));
        assert_eq!(send(Some(headers())), Ok(()));
        let full = Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
        assert_eq!(send(None), full);
        assert_eq!(send(Some(headers())), full);
    }
}
