//! The layers together, through the real command line and the real options.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches};
use waltap_capture::{BadEvents, SinkOptions, SnapshotMode};
use waltap_error::{Code, Result};
use waltap_event::{Format, debezium, flat, native};
use waltap_kafka::QUEUE_BYTES_DEFAULT;

use super::setting::settings;
use super::{Configuration, SettingFlags, load_from, scope};
use crate::command_line::CommandLine;

fn flags(arguments: &[&str]) -> SettingFlags<{ scope::CAPTURE }> {
    let command_line = ["waltap", "capture"].iter().chain(arguments);
    let matches = CommandLine::command().try_get_matches_from(command_line).unwrap();
    SettingFlags::from_arg_matches(matches.subcommand().unwrap().1).unwrap()
}

fn load(variables: &[(&str, &str)], arguments: &[&str]) -> Result<Configuration> {
    load_from(flags(arguments), variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn capture(variables: &[(&str, &str)], arguments: &[&str]) -> Result<waltap_capture::Options> {
    load(variables, arguments)?.capture()
}

/// A file that is gone at the end of the test.
struct File(PathBuf);

impl File {
    fn new(test: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("waltap-{}-{test}.yaml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const SOURCE: [&str; 2] = ["--source", "postgres://waltap@db"];
const KAFKA: [&str; 4] = ["--source", "postgres://waltap@db", "--brokers", "kafka:9092"];

fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    base.iter().chain(more).copied().collect()
}

#[test]
fn nothing_given_means_the_defaults() {
    let options = capture(&[], &KAFKA).unwrap();
    assert_eq!(options.name, "waltap");
    assert_eq!(options.snapshot, SnapshotMode::Initial);
    assert_eq!(options.snapshot_workers.get(), 2);
    assert_eq!(options.chunks, waltap_capture::ChunkOptions::default());
    assert_eq!(options.topic.as_str(), waltap_capture::TopicTemplate::DEFAULT);
    assert!(options.databases.matches("any") && options.tables.matches("any", "table"));
    assert!(!options.messages && options.publication.is_none() && options.keys.is_empty());
    let SinkOptions::Kafka(kafka) = options.sink else { panic!("the default sink is Kafka") };
    assert_eq!((kafka.partitions, kafka.replication_factor), (1, -1));
    assert_eq!(kafka.client.brokers(), "kafka:9092");
    assert_eq!(kafka.client.queue_bytes(), QUEUE_BYTES_DEFAULT);
}

#[test]
fn flags_go_over_variables_over_the_file() {
    let file = File::new(
        "layers",
        "source: postgres://waltap@db\nbrokers: [one:9092, two:9092]\npartitions: 2\nname: file\ntopic: f.{table}\n",
    );
    let variables = [("WALTAP_CONFIG", file.path()), ("WALTAP_NAME", "variable"), ("WALTAP_TOPIC", "v.{table}")];
    let options = capture(&variables, &["--topic", "flag.{table}"]).unwrap();
    assert_eq!(options.topic.as_str(), "flag.{table}");
    assert_eq!(options.name, "variable");
    let SinkOptions::Kafka(kafka) = options.sink else { panic!("the sink is Kafka") };
    assert_eq!(kafka.partitions, 2);
    assert_eq!(kafka.client.brokers(), "one:9092,two:9092");
}

#[test]
fn every_setting_has_a_flag_with_its_help() {
    let command = CommandLine::command();
    let capture = command.find_subcommand("capture").unwrap();
    for setting in settings() {
        let argument = capture.get_arguments().find(|argument| argument.get_long() == Some(setting.key));
        assert!(argument.is_some_and(|argument| argument.get_help().is_some()), "{}", setting.key);
    }
}

#[test]
fn switches_stand_alone_or_with_a_value() {
    let native = |tombstones| Format::Native(native::Options { tombstones });
    assert_eq!(capture(&[], &KAFKA).unwrap().format, native(false));
    assert_eq!(capture(&[], &with(&KAFKA, &["--tombstones"])).unwrap().format, native(true));
    assert_eq!(capture(&[("WALTAP_TOMBSTONES", "yes")], &with(&KAFKA, &["--tombstones=false"])).unwrap().format, native(false));
    assert_eq!(capture(&[("WALTAP_TOMBSTONES", "yes")], &KAFKA).unwrap().format, native(true));
    assert_eq!(
        capture(&[], &with(&KAFKA, &["--format", "flat", "--tombstones"])).unwrap().format,
        Format::Flat(flat::Options { tombstones: true })
    );
    let contradiction = capture(&[], &with(&KAFKA, &["--format", "flat", "--debezium", "decimal=string"])).unwrap_err();
    assert_eq!(contradiction.code(), Code::CONFLICTING_OPTIONS);
    let debezium = |change: &dyn Fn(&mut debezium::Options)| {
        let mut options = debezium::Options::default();
        change(&mut options);
        Format::Debezium(Box::new(options))
    };
    assert_eq!(capture(&[], &with(&KAFKA, &["--format", "debezium"])).unwrap().format, debezium(&|_| {}));
    assert_eq!(
        capture(&[("WALTAP_DEBEZIUM", "decimal=string; skip=none")], &with(&KAFKA, &["--format=debezium", "--tombstones=false"]))
            .unwrap()
            .format,
        debezium(&|options| {
            options.decimals = debezium::DecimalHandling::String;
            options.skipped = debezium::SkippedOperations::NONE;
            options.tombstones = false;
        })
    );
}

#[test]
fn a_wrong_value_is_named_with_its_place() {
    let file = File::new("wrong", "\n\nqueue-bytes: many\n");
    for (variables, arguments, place) in [
        (vec![], with(&KAFKA, &["--partitions", "0"]), "--partitions: `0` is not"),
        (vec![], with(&KAFKA, &["--snapshot-workers", "65"]), "--snapshot-workers: `65` is not"),
        (
            vec![],
            with(&KAFKA, &["--format", "debezium", "--debezium", "decimal"]),
            "--debezium: `decimal` is not of the form NAME=VALUE",
        ),
        (
            vec![],
            with(&KAFKA, &["--format", "debezium", "--debezium", "decimal=exact"]),
            "--debezium: `decimal=exact`: expected one of precise double string",
        ),
        (
            vec![],
            with(&KAFKA, &["--format", "debezium", "--debezium", "money=string"]),
            "--debezium: `money=string`: there is no property",
        ),
        (vec![], with(&KAFKA, &["--discovery-interval", "soon"]), "--discovery-interval: `soon` is not"),
        (vec![], with(&KAFKA, &["--name", "My Capture"]), "--name: `My Capture` is not"),
        (vec![], with(&KAFKA, &["--table", "a.b.c"]), "--table: the pattern `a.b.c`"),
        (vec![], with(&KAFKA, &["--exclude-table", "a.b.c"]), "--exclude-table: the pattern `a.b.c`"),
        (vec![], with(&KAFKA, &["--topic", "{all}"]), "--topic: the topic template `{all}`"),
        (vec![], with(&KAFKA, &["--mask-columns", "orders=id:md5"]), "--mask-columns: the columns `orders=id:md5`"),
        (vec![], with(&KAFKA, &["--key", "orders"]), "--key: the key `orders`"),
        (vec![("WALTAP_TOMBSTONES", "perhaps")], with(&KAFKA, &[]), "WALTAP_TOMBSTONES: `perhaps` is neither"),
        (vec![("WALTAP_SNAPSHOT", "later")], with(&KAFKA, &[]), "WALTAP_SNAPSHOT: `later` is not one of initial, never, only"),
        (
            vec![],
            with(&KAFKA, &["--config", file.path()]),
            &format!("{}:3: `queue-bytes`: `many` is not a size", file.path())[..],
        ),
    ] {
        let error = capture(&variables, &arguments).unwrap_err();
        assert_eq!(error.code(), Code::INVALID_VALUE, "{error}");
        assert!(error.message().starts_with(place), "{error}\nshould begin with {place}");
    }
}

#[test]
fn what_must_be_given_is_asked_for() {
    let error = capture(&[], &["--brokers", "kafka:9092"]).unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::INVALID_VALUE, "`source` is not given"));
    let error = capture(&[], &SOURCE).unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::INVALID_VALUE, "`brokers` is not given"));
    assert!(error.remedy_text().unwrap().contains("--sink stdout"));
}

#[test]
fn standard_output_needs_no_kafka_and_contradicts_it() {
    assert!(matches!(capture(&[], &with(&SOURCE, &["--sink", "stdout"])).unwrap().sink, SinkOptions::Stdout));
    assert!(matches!(
        capture(&[("WALTAP_BROKERS", "kafka:9092")], &with(&SOURCE, &["--sink", "stdout"])).unwrap().sink,
        SinkOptions::Stdout
    ));
    let error = capture(&[], &with(&KAFKA, &["--sink", "stdout"])).unwrap_err();
    assert_eq!(error.code(), Code::CONFLICTING_OPTIONS);
    let error = capture(&[("WALTAP_SINK", "stdout")], &KAFKA).unwrap_err();
    assert_eq!(error.code(), Code::CONFLICTING_OPTIONS);
}

#[test]
fn a_kafka_property_that_is_unknown_is_refused() {
    let error = capture(&[("WALTAP_KAFKA_LINGER_MILLIS", "5")], &KAFKA).unwrap_err();
    assert_eq!(error.code(), Code::KAFKA_PROPERTY);
    capture(&[("WALTAP_KAFKA_SASL_PASSWORD", "hunter2")], &with(&KAFKA, &["--kafka-property", "linger.ms=1"])).unwrap();
}

#[test]
fn the_status_server_is_on_this_machine_unless_asked_otherwise() {
    let http = |arguments: &[&str]| load(&[], arguments).unwrap().served_http();
    assert_eq!(http(&[]).unwrap().unwrap().address, "127.0.0.1:8642".parse().unwrap());
    assert_eq!(http(&["--http", "off"]).unwrap(), None);
    assert_eq!(http(&["--http", "[::1]:0"]).unwrap().unwrap().address, "[::1]:0".parse().unwrap());
    assert_eq!(http(&["--http", "localhost"]).unwrap_err().code(), Code::INVALID_VALUE);
    for address in ["0.0.0.0:8642", "[::]:8642", "10.0.0.1:1"] {
        assert_eq!(http(&["--http", address]).unwrap_err().code(), Code::CONFLICTING_OPTIONS, "{address}");
        assert_eq!(http(&["--http", address, "--http-public"]).unwrap().unwrap().address, address.parse().unwrap());
        // Who asks may ask anywhere.
        assert!(load(&[], &["--http", address]).unwrap().http().is_ok());
    }
}

#[test]
fn a_password_is_exposed_only_on_the_command_line() {
    assert!(load(&[], &["--source", "postgres://u:hunter2@db"]).unwrap().password_is_exposed());
    assert!(!load(&[("WALTAP_SOURCE", "postgres://u:hunter2@db")], &[]).unwrap().password_is_exposed());
    assert!(!load(&[], &SOURCE).unwrap().password_is_exposed());
}

#[test]
fn a_wrong_source_is_told_without_its_password() {
    let error = capture(&[], &with(&["--source", "postgres://u:hunter2@db:port"], &["--sink", "stdout"])).unwrap_err();
    assert_eq!(error.code(), Code::SOURCE_URL);
    assert!(error.message().starts_with("--source: "), "{error}");
    assert!(!format!("{} {error:?}", error.report()).contains("hunter2"));
}

#[test]
fn every_example_file_is_a_whole_capture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let configuration = load(&[], &["--config", path.to_str().unwrap()]).unwrap();
            configuration.capture().unwrap_or_else(|error| panic!("{}: {}", path.display(), error.report()));
            configuration.served_http().unwrap();
            configuration.log_format().unwrap();
            configuration.log_filter("info").unwrap();
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
    assert_eq!(names, ["capture.yaml", "minimal.yaml", "some-tables.yaml", "stdout.yaml", "tls-sasl.yaml"]);
}

#[test]
fn the_example_of_variables_is_a_whole_capture() {
    let text = include_str!("../../../../config/waltap.env");
    let variables: Vec<(&str, &str)> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
    assert!(variables.len() > 3);
    capture(&variables, &[]).unwrap();
    load(&variables, &[]).unwrap().served_http().unwrap();
}

#[test]
fn events_that_are_too_large_stop_a_capture_unless_asked_otherwise() {
    let bad_events = |arguments: &[&str]| match capture(&[], &with(&KAFKA, arguments)).unwrap().sink {
        SinkOptions::Kafka(kafka) => kafka.bad_events,
        SinkOptions::Stdout => unreachable!(),
    };
    assert_eq!(bad_events(&[]), BadEvents::Stop);
    let letters = |topic: &str| BadEvents::DeadLetter { topic: topic.to_owned() };
    assert_eq!(bad_events(&["--on-bad-event", "dead-letter"]), letters("waltap.dead-letters"));
    assert_eq!(bad_events(&["--on-bad-event", "dead-letter", "--dead-letter-topic", "dead"]), letters("dead"));
    let error = capture(&[], &with(&KAFKA, &["--dead-letter-topic", "a b"])).unwrap_err();
    assert_eq!(error.code(), Code::INVALID_VALUE);
}

#[test]
fn the_full_example_names_every_setting() {
    let text = include_str!("../../../../config/capture.yaml");
    for setting in settings() {
        let named = text.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{}:", setting.key)));
        assert!(named, "config/capture.yaml says nothing of {}", setting.key);
    }
}
