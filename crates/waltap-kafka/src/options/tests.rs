use super::*;

fn with(properties: &[(&str, &str)]) -> Result<Options> {
    let properties = properties.iter().map(|(name, value)| Property::new(*name, *value)).collect();
    Options::new(Settings { properties, ..Settings::default() })
}

#[test]
fn a_property_of_the_user_replaces_ours_under_any_synonym() {
    let options =
        with(&[("queue.buffering.max.ms", "77"), ("compression.codec", "zstd"), ("message.max.bytes", "5000000")]).unwrap();
    let config = options.producer_config();
    assert_eq!(config.get("linger.ms"), Some("77"));
    assert_eq!(config.get("queue.buffering.max.ms"), None);
    assert_eq!(config.get("compression.type"), Some("zstd"));
    assert_eq!(options.message_bytes_max(), 5_000_000);
}

#[test]
fn the_guarantees_are_set() {
    let config = with(&[]).unwrap().producer_config();
    for (name, value) in
        [("enable.idempotence", "true"), ("enable.gapless.guarantee", "true"), ("acks", "all"), ("delivery.timeout.ms", "0")]
    {
        assert_eq!(config.get(name), Some(value));
    }
}

#[test]
fn an_unknown_property_is_named() {
    let error = with(&[("linger.millis", "5")]).unwrap_err();
    assert_eq!(error.code(), Code::KAFKA_PROPERTY);
    assert_eq!(error.kind(), waltap_error::Kind::Configuration);
    assert_eq!(error.message(), "the Kafka property linger.millis is not known");
}

#[test]
fn a_wrong_value_is_named_with_its_property() {
    let error = with(&[("linger.ms", "soon")]).unwrap_err();
    assert_eq!(error.code(), Code::KAFKA_PROPERTY);
    assert!(error.message().contains("linger.ms"), "{error}");
}

#[test]
fn secrets_are_in_no_output() {
    let options = with(&[("sasl.password", "hunter2"), ("ssl.key.password", "hunter3"), ("sasl.username", "scott")]).unwrap();
    let settings = Settings { properties: vec![Property::new("sasl.password", "hunter2")], ..Settings::default() };
    let shown = format!("{options:?} {options:#?} {settings:?}");
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("sasl.password"), "{shown}");
    let error = with(&[("sasl.passwords", "hunter2")]).unwrap_err();
    assert!(!format!("{error:?} {}", error.report()).contains("hunter"), "{error:?}");
}

#[test]
fn an_empty_list_of_brokers_is_refused() {
    for brokers in ["", " ", "a:9092,", "a:9092, ,b:9092", "a b"] {
        let error = Options::new(Settings { brokers: brokers.to_owned(), ..Settings::default() }).unwrap_err();
        assert_eq!(error.code(), Code::INVALID_VALUE, "{brokers:?}");
    }
    let options = Options::new(Settings { brokers: " a:9092 , b:9093".to_owned(), ..Settings::default() }).unwrap();
    assert_eq!(options.brokers(), "a:9092,b:9093");
}

#[test]
fn compressions_read_back() {
    for name in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let compression: Compression = name.parse().unwrap();
        assert_eq!(compression.as_str(), name);
        Options::new(Settings { compression, ..Settings::default() }).unwrap();
    }
    assert_eq!("lzma".parse::<Compression>().unwrap_err().code(), Code::INVALID_VALUE);
}

#[test]
fn a_queue_that_holds_nothing_and_a_zero_byte_are_refused() {
    let error = Options::new(Settings { queue_bytes: 0, ..Settings::default() }).unwrap_err();
    assert_eq!(error.code(), Code::INVALID_VALUE);
    let error = with(&[("client.id", "a\0b")]).unwrap_err();
    assert_eq!(error.code(), Code::KAFKA_PROPERTY);
    assert!(error.message().contains("client.id"), "{error}");
}

#[test]
fn a_share_of_the_queue_is_never_larger_than_the_queue_nor_too_small_to_work() {
    let options = with(&[]).unwrap();
    assert_eq!(options.clone().with_queue_share(1 << 20).queue_bytes(), 1 << 20);
    assert_eq!(options.clone().with_queue_share(usize::MAX).queue_bytes(), QUEUE_BYTES_DEFAULT);
    assert_eq!(options.with_queue_share(0).queue_bytes(), QUEUE_BYTES_MIN);
}

#[test]
fn batches_are_bounded_and_never_larger_than_the_user_wants() {
    let batch = |chosen: Option<&str>, bound: usize| {
        let properties = chosen.map(|chosen| Property::new("batch.size", chosen)).into_iter().collect();
        let options = Options::new(Settings { properties, ..Settings::default() }).unwrap();
        options.with_batch_bytes(bound).producer_config().get("batch.size").map(str::to_owned)
    };
    assert_eq!(batch(None, 100_000).as_deref(), Some("100000"));
    assert_eq!(batch(None, 20_000_000).as_deref(), Some("1000000"));
    assert_eq!(batch(Some("5000"), 100_000).as_deref(), Some("5000"));
    assert_eq!(batch(Some("5000000"), 100_000).as_deref(), Some("100000"));
}

#[test]
fn of_many_topics_the_brokers_are_asked_seldom_unless_the_user_wants_it_otherwise() {
    let interval = |chosen: &str, topics: usize| {
        let options = with(&[("topic.metadata.refresh.interval.ms", chosen)]).unwrap();
        options.for_topics(topics).producer_config().get("topic.metadata.refresh.interval.ms").map(str::to_owned)
    };
    assert_eq!(interval("10000", 0).as_deref(), Some("10000"));
    assert_eq!(interval("10000", 1_000).as_deref(), Some("10000"));
    assert_eq!(interval("10000", 1_234).as_deref(), Some("15227"));
    assert_eq!(interval("10000", 2_000).as_deref(), Some("40000"));
    assert_eq!(interval("10000", 10_000).as_deref(), Some("300000"));
    assert_eq!(interval("7000", 10_000).as_deref(), Some("7000"));
    assert_eq!(interval("-1", 10_000).as_deref(), Some("-1"));
}

#[test]
fn full_batches_are_waited_for_by_the_size_of_the_queue_unless_the_user_says_how_long() {
    let linger = |properties: &[(&str, &str)], queue_bytes: usize| {
        let config = with(properties).unwrap().with_queue_share(queue_bytes).for_throughput(1).producer_config();
        config.get("linger.ms").map(|millis| millis.parse::<f64>().unwrap())
    };
    assert_eq!(linger(&[("queue.buffering.max.messages", "0")], QUEUE_BYTES_DEFAULT), Some(60.0));
    assert_eq!(linger(&[], QUEUE_BYTES_DEFAULT / 4), Some(15.0));
    assert_eq!(linger(&[("queue.buffering.max.messages", "3300")], QUEUE_BYTES_DEFAULT), Some(6.0));
    assert_eq!(linger(&[], QUEUE_BYTES_MIN), Some(2.0), "never less than usual");
    assert_eq!(linger(&[("linger.ms", "0.5")], QUEUE_BYTES_DEFAULT), Some(0.5));
    assert_eq!(linger(&[("queue.buffering.max.ms", "1200")], QUEUE_BYTES_DEFAULT), Some(1200.0), "by its other name");
}

#[test]
fn a_queue_has_room_for_full_batches_of_all_partitions_unless_the_user_chooses_batches() {
    let batch = |partitions, properties: &[(&str, &str)]| {
        let config = with(properties).unwrap().for_throughput(partitions).producer_config();
        config.get("batch.num.messages").map(str::to_owned)
    };
    assert_eq!(batch(0, &[]).as_deref(), Some("10000"), "none is taken for one");
    assert_eq!(batch(1, &[]).as_deref(), Some("10000"));
    assert_eq!(batch(6, &[]).as_deref(), Some("1833"));
    assert_eq!(batch(1_000_000, &[]).as_deref(), Some("1"));
    assert_eq!(batch(1, &[("queue.buffering.max.messages", "300")]).as_deref(), Some("100"));
    assert_eq!(batch(6, &[("batch.num.messages", "77")]).as_deref(), Some("77"));
    assert_eq!(batch(6, &[("batch.size", "5000000")]), None);
    let bounded = with(&[]).unwrap().with_batch_bytes(100_000).for_throughput(6).producer_config();
    assert_eq!(bounded.get("batch.num.messages"), Some("1833"), "a bound of ours is not the user's choice");
}

#[test]
fn producers_and_questions_have_no_statistics_whatever_the_interval_of_looks() {
    for (chosen, interval) in [(None, 5_000), (Some("0"), 5_000), (Some("700"), 700)] {
        let properties: Vec<_> = chosen.map(|millis| ("statistics.interval.ms", millis)).into_iter().collect();
        let options = with(&properties).unwrap();
        assert_eq!(options.look_interval(), Duration::from_millis(interval));
        for config in [options.producer_config(), options.inquiry_config(), options.consumer_config()] {
            assert_eq!(config.get("statistics.interval.ms"), Some("0"), "{chosen:?}");
        }
    }
}

#[test]
fn the_time_to_reconnect_is_that_of_an_attempt_and_of_the_pause_after_it() {
    assert_eq!(with(&[]).unwrap().reconnect_patience(), Duration::from_secs(32));
    let options = with(&[("socket.connection.setup.timeout.ms", "1000"), ("reconnect.backoff.max.ms", "60000")]).unwrap();
    assert_eq!(options.reconnect_patience(), Duration::from_secs(61));
}

#[test]
fn who_asks_joins_in_no_transactions() {
    let options = with(&[]).unwrap().transactional("id");
    assert_eq!(options.producer_config().get("transactional.id"), Some("id"));
    options.admin_config().create_native_config().unwrap();
    assert_eq!(options.admin_config().get("transactional.id"), None);
}
