//! The producer against a real Kafka.

use std::collections::HashMap;

use waltap_error::{Code, Kind};
use waltap_kafka::{Options, Producer, SendError, Settings, Tail, TailRecord, TailStart};

use crate::recorder::Recorder;
use crate::{PATIENCE, broker, options_with, topic};

async fn read(topic: &str) -> Vec<TailRecord> {
    let options = options_with(&broker::brokers(), &[]);
    let mut tail = Tail::start(&options, topic, TailStart::Beginning, false, PATIENCE).await.unwrap();
    let mut records = Vec::new();
    while let Some(record) = tail.next().await.unwrap() {
        records.push(record);
    }
    records
}

/// Sends, waiting for space when the queue is full; how often that was.
async fn send(producer: &Producer, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, opaque: u64) -> u64 {
    let mut waits = 0;
    loop {
        match producer.send(topic, None, key, value, opaque) {
            Ok(()) => return waits,
            Err(SendError::Full) => producer.space().await,
            Err(SendError::Refused(error)) => panic!("{error:?}"),
        }
        waits += 1;
    }
}

#[tokio::test]
async fn records_of_a_key_keep_their_order_and_every_one_is_confirmed_once() {
    const RECORDS: u64 = 30_000;
    const KEYS: u64 = 50;
    const GROUP: u64 = 7;
    let topic = topic("order", 3, &[]).await;
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), recorder.clone()).unwrap();
    for number in 0..RECORDS {
        let key = format!("key {}", number % KEYS);
        send(&producer, &topic, Some(key.as_bytes()), Some(number.to_string().as_bytes()), number / GROUP).await;
    }
    producer.drain(PATIENCE).await.unwrap();
    assert_eq!(producer.in_flight(), waltap_kafka::InFlight::default());
    recorder.look(|recorded| {
        assert!(recorded.failed.is_empty(), "{:?}", recorded.failed);
        assert_eq!(recorded.confirmed.len() as u64, RECORDS.div_ceil(GROUP));
        for (opaque, count) in &recorded.confirmed {
            let expected = if *opaque == RECORDS / GROUP { RECORDS % GROUP } else { GROUP };
            assert_eq!(*count, expected, "group {opaque}");
        }
        assert!(recorded.batches < RECORDS as usize / 10, "reports come in batches, not {}", recorded.batches);
        assert!(recorded.threads.iter().all(|thread| *thread == recorded.threads[0]), "one thread calls");
    });

    let mut last: HashMap<Vec<u8>, (i32, u64)> = HashMap::new();
    let records = read(&topic).await;
    assert_eq!(records.len() as u64, RECORDS);
    for record in records {
        let number: u64 = String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
        if let Some((partition, previous)) = last.insert(record.key.unwrap(), (record.partition, number)) {
            assert_eq!(partition, record.partition, "a key stays in its partition");
            assert_eq!(previous + KEYS, number, "in order, without a gap");
        }
    }
    assert_eq!(last.len() as u64, KEYS);
    let partitions: std::collections::HashSet<i32> = last.values().map(|(partition, _)| *partition).collect();
    assert_eq!(partitions.len(), 3, "the keys are spread");
}

#[tokio::test]
async fn a_full_queue_is_waited_for_and_stays_within_its_bound() {
    const QUEUE_BYTES: usize = 256 << 10;
    let topic = topic("full", 1, &[]).await;
    let settings = Settings { brokers: broker::brokers(), queue_bytes: QUEUE_BYTES, ..Settings::default() };
    let recorder = Recorder::default();
    let producer = Producer::start(&Options::new(settings).unwrap(), recorder.clone()).unwrap();
    let value = vec![b'x'; 1000];
    let mut waits = 0;
    for number in 0..20_000_u64 {
        waits += send(&producer, &topic, None, Some(&value), number).await;
        assert!(producer.in_flight().bytes <= (QUEUE_BYTES + 2000) as u64, "{:?}", producer.in_flight());
    }
    producer.drain(PATIENCE).await.unwrap();
    assert!(waits > 0, "20 MB went through a queue of 256 KiB without waiting");
    assert!(waits < 2000, "woken in bursts, not {waits} times");
    assert_eq!(recorder.total(), 20_000);
}

#[tokio::test]
async fn a_record_larger_than_the_queue_goes_through() {
    let topic = topic("giant", 1, &[]).await;
    let settings = Settings { brokers: broker::brokers(), queue_bytes: 10_000, ..Settings::default() };
    let recorder = Recorder::default();
    let producer = Producer::start(&Options::new(settings).unwrap(), recorder.clone()).unwrap();
    for number in 0..10 {
        send(&producer, &topic, None, Some(&vec![b'x'; 500_000]), number).await;
    }
    producer.close(PATIENCE).await.unwrap();
    assert_eq!(recorder.total(), 10);
}

#[tokio::test]
async fn a_record_over_the_limit_is_refused_at_once_and_the_producer_goes_on() {
    let topic = topic("limit", 1, &[]).await;
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), recorder.clone()).unwrap();
    let Err(SendError::Refused(error)) = producer.send(&topic, None, Some(b"k"), Some(&vec![b'x'; 2_000_000]), 1) else {
        panic!("2 MB were taken");
    };
    assert_eq!((error.kind(), error.code()), (Kind::Data, Code::RECORD_TOO_LARGE));
    assert!(error.message().contains("2000001 bytes"), "{error}");
    producer.send(&topic, None, Some(b"k"), Some(b"small"), 2).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    recorder.look(|recorded| assert_eq!(recorded.confirmed, HashMap::from([(2, 1)])));
}

#[tokio::test]
async fn a_record_that_the_broker_finds_too_large_fails_as_data_and_ends_the_producer() {
    let topic = topic("strict", 1, &[("max.message.bytes", "1000")]).await;
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(&broker::brokers(), &[("compression.type", "none")]), recorder.clone()).unwrap();
    producer.send(&topic, None, None, Some(&[b'x'; 5000]), 7).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    recorder.look(|recorded| {
        let (opaque, error) = &recorded.failed[0];
        assert_eq!((*opaque, error.kind(), error.code()), (7, Kind::Data, Code::RECORD_TOO_LARGE));
        assert!(recorded.confirmed.is_empty());
    });
    // Behind the gap nothing more may be sent by this producer.
    let Err(SendError::Refused(error)) = producer.send(&topic, None, None, Some(b"next"), 8) else { panic!("a gap was left") };
    assert_eq!((error.kind(), error.code()), (Kind::Transient, Code::PRODUCER_LOST));
}

#[tokio::test]
async fn partitions_tombstones_and_empty_values_arrive_as_they_were_sent() {
    let topic = topic("shapes", 4, &[]).await;
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), Recorder::default()).unwrap();
    for partition in 0..4 {
        producer.send(&topic, Some(partition), None, Some(b"truncate"), 0).unwrap();
    }
    producer.send(&topic, Some(0), Some(b"tombstone"), None, 0).unwrap();
    producer.send(&topic, Some(0), Some(b""), Some(b""), 0).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    let records = read(&topic).await;
    for partition in 0..4 {
        let first = records.iter().find(|record| record.partition == partition).unwrap();
        assert_eq!((first.key.as_deref(), first.value.as_deref()), (None, Some(b"truncate".as_slice())));
    }
    let shapes: Vec<_> =
        records.iter().filter(|record| record.partition == 0).map(|record| (&record.key, &record.value)).collect();
    assert_eq!(shapes[1..], [(&Some(b"tombstone".to_vec()), &None), (&Some(Vec::new()), &Some(Vec::new()))]);
}

#[tokio::test]
async fn topics_that_take_turns_get_each_their_own() {
    const TOPICS: usize = 20;
    const THREADS: u64 = 2;
    const RECORDS: u64 = 1_000;
    let mut topics = Vec::new();
    for number in 0..TOPICS {
        topics.push(topic(&format!("turns-{number}"), 1, &[]).await);
    }
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), Recorder::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (producer, topics) = (&producer, &topics);
            scope.spawn(move || {
                for number in (thread..RECORDS).step_by(THREADS as usize) {
                    let topic = &topics[number as usize % TOPICS];
                    producer.send(topic, None, Some(topic.as_bytes()), Some(number.to_string().as_bytes()), 0).unwrap();
                }
            });
        }
    });
    producer.close(PATIENCE).await.unwrap();
    for (place, topic) in topics.iter().enumerate() {
        let records = read(topic).await;
        assert!(
            records.iter().all(|record| record.key.as_deref() == Some(topic.as_bytes())),
            "{topic} has the records of others"
        );
        let mut numbers: Vec<usize> =
            records.iter().map(|record| String::from_utf8_lossy(record.value.as_ref().unwrap()).parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (place..RECORDS as usize).step_by(TOPICS).collect::<Vec<_>>(), "{topic}");
    }
}

#[tokio::test]
async fn a_name_that_no_topic_can_have_is_refused() {
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), Recorder::default()).unwrap();
    for name in ["with a \0 in it".to_owned(), "x".repeat(600)] {
        match producer.send(&name, None, None, Some(b"x"), 0) {
            Err(SendError::Refused(error)) => assert_eq!(error.kind(), Kind::Configuration, "{error:?}"),
            other => panic!("{name:?}: {other:?}"),
        }
    }
    assert_eq!(producer.in_flight(), waltap_kafka::InFlight::default());
}

#[tokio::test]
async fn a_topic_that_is_gone_fails_as_transient() {
    let recorder = Recorder::default();
    let options = options_with(&broker::brokers(), &[("topic.metadata.propagation.max.ms", "500")]);
    let producer = Producer::start(&options, recorder.clone()).unwrap();
    producer.send("nobody-made-this", None, None, Some(b"x"), 3).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    recorder.look(|recorded| {
        let (opaque, error) = &recorded.failed[0];
        assert_eq!((*opaque, error.kind(), error.code()), (3, Kind::Transient, Code::TOPIC));
    });
}

#[tokio::test]
async fn a_topic_that_may_not_be_written_fails_as_configuration() {
    let topic = topic("forbidden", 1, &[]).await;
    let recorder = Recorder::default();
    let properties = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", broker::USER),
        ("sasl.password", broker::PASSWORD),
    ];
    let producer = Producer::start(&options_with(&broker::sasl_brokers(), &properties), recorder.clone()).unwrap();
    producer.send(&topic, None, None, Some(b"x"), 3).unwrap();
    producer.drain(PATIENCE).await.unwrap();
    recorder.look(|recorded| {
        let (opaque, error) = &recorded.failed[0];
        assert_eq!((*opaque, error.kind(), error.code()), (3, Kind::Configuration, Code::DELIVERY_REFUSED), "{error:?}");
    });
}

#[tokio::test]
async fn a_lone_record_is_confirmed_without_delay() {
    let topic = topic("lone", 1, &[]).await;
    let recorder = Recorder::default();
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), recorder.clone()).unwrap();
    for number in 0..20 {
        producer.send(&topic, None, None, Some(b"x"), number).unwrap();
        producer.drain(PATIENCE).await.unwrap();
        assert_eq!(recorder.total(), number + 1, "drained means reported");
    }
    assert_eq!(recorder.look(|recorded| recorded.batches), 20);
    producer.close(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_header_arrives_with_its_record_alone() {
    let topic = topic("header", 1, &[]).await;
    let producer = Producer::start(&options_with(&broker::brokers(), &[]), Recorder::default()).unwrap();
    producer.send(&topic, None, Some(b"k"), Some(b"1"), 0).unwrap();
    let header: (&str, &[u8]) = ("name", b"{\"id\":2}");
    producer.send_with_headers(&topic, None, Some(b"k"), None, [header].into_iter(), 0).unwrap();
    // One that is refused takes its header with it.
    let large = vec![b'x'; 2_000_000];
    let refused = producer.send_with_headers(&topic, None, Some(b"k"), Some(&large), [header].into_iter(), 0);
    assert!(matches!(refused, Err(SendError::Refused(_))), "{refused:?}");
    producer.send(&topic, None, Some(b"k"), Some(b"3"), 0).unwrap();
    producer.close(PATIENCE).await.unwrap();
    let headers: Vec<_> = read(&topic).await.into_iter().map(|record| record.headers).collect();
    assert_eq!(headers, [vec![], vec![("name".to_owned(), Some(b"{\"id\":2}".to_vec()))], vec![]]);
}
