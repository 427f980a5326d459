//! The metrics that a capture exports, in OpenMetrics text. Their names are an interface: dashboards and alarms depend on them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use waltap_postgres::slot::WalStatus;

use crate::alarm::{Alarm, AlarmStatus};
use crate::board::Board;
use crate::status::TapState;

/// Labels of what is counted for each table.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TableLabels {
    database: String,
    schema: String,
    table: String,
    op: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TapLabels {
    database: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    database: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WalStatusLabels {
    database: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ErrorLabels {
    database: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AlarmLabels {
    database: String,
    alarm: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TopicLabels {
    database: String,
    topic: String,
}

type FloatGauge = Gauge<f64, std::sync::atomic::AtomicU64>;

/// Every metric of a capture.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Mutex<Registry>,
    events: Family<TableLabels, Counter>,
    bytes: Family<TableLabels, Counter>,
    state: Family<StateLabels, Gauge>,
    received_lsn: Family<TapLabels, Gauge>,
    confirmed_lsn: Family<TapLabels, Gauge>,
    server_lsn: Family<TapLabels, Gauge>,
    lag_bytes: Family<TapLabels, Gauge>,
    lag_seconds: Family<TapLabels, FloatGauge>,
    retained_wal: Family<TapLabels, Gauge>,
    wal_status: Family<WalStatusLabels, Gauge>,
    alarm: Family<AlarmLabels, Gauge>,
    in_flight_bytes: Family<TapLabels, Gauge>,
    open_transactions: Family<TapLabels, Gauge>,
    spill_memory_bytes: Family<TapLabels, Gauge>,
    spill_disk_bytes: Family<TapLabels, Gauge>,
    reconnects: Family<TapLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    dead_letters: Family<TopicLabels, Counter>,
    tables: Family<TapLabels, Gauge>,
    snapshot_rows: Family<TapLabels, Gauge>,
    snapshot_rows_expected: Family<TapLabels, Gauge>,
    chunk_tables: Family<TapLabels, Gauge>,
    chunk_rows: Family<TapLabels, Counter>,
    paused_tables: Family<TapLabels, Gauge>,
}

/// What is counted of one table and operation.
#[derive(Clone, Debug)]
pub(crate) struct OpCounters {
    events: Counter,
    bytes: Counter,
}

impl OpCounters {
    /// Counts what a batch held. Not for each row.
    pub(crate) fn add(&self, events: u64, bytes: u64) {
        self.events.inc_by(events);
        self.bytes.inc_by(bytes);
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("waltap");
        macro_rules! family {
            ($name:literal, $help:literal) => {{
                let family = Family::default();
                registry.register($name, $help, family.clone());
                family
            }};
            ($name:literal, $help:literal, $unit:expr) => {{
                let family = Family::default();
                registry.register_with_unit($name, $help, $unit, family.clone());
                family
            }};
        }
        let inner = Inner {
            events: family!("events", "Events handed to the sink, by table and by the operation that they come from"),
            bytes: family!("events", "Bytes of keys and values handed to the sink, by table and operation", Unit::Bytes),
            state: family!("tap_state", "1 for the state in which the tap is, 0 for the others"),
            received_lsn: family!("received_lsn", "End of the log received"),
            confirmed_lsn: family!("confirmed_lsn", "Place in the log up to which the sink has confirmed everything"),
            server_lsn: family!("server_lsn", "End of the server's log, as the server last said"),
            lag_bytes: family!("lag", "Log between the confirmed place and the server's end", Unit::Bytes),
            lag_seconds: family!("lag", "Age of the oldest committed transaction that is not confirmed", Unit::Seconds),
            retained_wal: family!("slot_retained_wal", "Log that the server keeps for the slot", Unit::Bytes),
            wal_status: family!("slot_wal_status", "1 for the server's wal_status of the slot, 0 for the others"),
            alarm: family!("alarm", "1 for an alarm that is on, 0 for the others"),
            in_flight_bytes: family!("in_flight", "Handed to Kafka and not confirmed", Unit::Bytes),
            open_transactions: family!("open_transactions", "Transactions of which changes came and the commit has not"),
            spill_memory_bytes: family!("spill_memory", "Changes of open transactions, held in memory", Unit::Bytes),
            spill_disk_bytes: family!("spill_disk", "Changes of open transactions, on the disk", Unit::Bytes),
            reconnects: family!("reconnects", "How often the tap had to begin again"),
            errors: family!("errors", "Errors met, by kind: transient, configuration, data"),
            dead_letters: family!(
                "dead_letters",
                "Records written to the topic of dead letters, by the topic that does not take them"
            ),
            tables: family!("tables", "Tables captured"),
            snapshot_rows: family!("snapshot_rows", "Rows of the snapshot sent"),
            snapshot_rows_expected: family!("snapshot_rows_expected", "Rows that the snapshot is expected to have, by estimate"),
            chunk_tables: family!("chunk_tables", "Tables that are read in chunks while the stream goes on"),
            chunk_rows: family!("chunk_rows", "Rows read in chunks and handed to the sink"),
            paused_tables: family!(
                "paused_tables",
                "Tables that are paused, or were and have not caught up: the slot waits for them"
            ),
            registry: Mutex::new(registry),
        };
        Metrics(Arc::new(inner))
    }

    /// The counters of a table and operation, to be kept by who counts.
    pub(crate) fn op(&self, database: &str, schema: &str, table: &str, op: &'static str) -> OpCounters {
        let labels = TableLabels { database: database.to_owned(), schema: schema.to_owned(), table: table.to_owned(), op };
        OpCounters { events: self.0.events.get_or_create_owned(&labels), bytes: self.0.bytes.get_or_create_owned(&labels) }
    }

    /// Counts a record that was written to the topic of dead letters.
    pub(crate) fn count_dead_letter(&self, database: &str, topic: &str) {
        let labels = TopicLabels { database: database.to_owned(), topic: topic.to_owned() };
        self.0.dead_letters.get_or_create(&labels).inc();
    }

    /// The text of all metrics, with the gauges as the boards show them now.
    pub(crate) fn text(&self, boards: &[Arc<Board>], alarms: &[AlarmStatus]) -> String {
        for board in boards {
            self.show(board);
        }
        self.show_alarms(boards, alarms);
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    fn show_alarms(&self, boards: &[Arc<Board>], alarms: &[AlarmStatus]) {
        // An alarm may be on before its tap is there.
        let databases = boards.iter().map(|board| board.database()).chain(alarms.iter().map(|status| status.database.as_str()));
        for database in databases {
            for alarm in Alarm::ALL {
                let is_on = alarms.iter().any(|status| status.database == database && status.alarm == alarm);
                let labels = AlarmLabels { database: database.to_owned(), alarm: alarm.as_str() };
                self.0.alarm.get_or_create(&labels).set(i64::from(is_on));
            }
        }
    }

    fn show(&self, board: &Board) {
        let labels = TapLabels { database: board.database().to_owned() };
        let status = board.status();
        let facts = board.facts();
        let set = |family: &Family<TapLabels, Gauge>, value: u64| {
            // Gauges are signed 64-bit; no place in a log comes near their end.
            family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        for state in TapState::ALL {
            let labels = StateLabels { database: labels.database.clone(), state: state.as_str() };
            self.0.state.get_or_create(&labels).set(i64::from(state == facts.state));
        }
        for (kind, count) in ["transient", "configuration", "data"].into_iter().zip(facts.errors) {
            let labels = ErrorLabels { database: labels.database.clone(), kind };
            self.0.errors.get_or_create(&labels).inner().store(count, Ordering::Relaxed);
        }
        set(&self.0.received_lsn, facts.received.0);
        set(&self.0.confirmed_lsn, facts.confirmed.0);
        set(&self.0.server_lsn, facts.server.0);
        set(&self.0.lag_bytes, status.lag_bytes);
        self.0.lag_seconds.get_or_create(&labels).set(status.lag_seconds);
        if let Some(bytes) = facts.retained_wal_bytes {
            set(&self.0.retained_wal, bytes);
        }
        if let Some(wal_status) = &facts.wal_status {
            for status in [WalStatus::Reserved, WalStatus::Extended, WalStatus::Unreserved, WalStatus::Lost] {
                let labels = WalStatusLabels { database: labels.database.clone(), status: status.as_str() };
                self.0.wal_status.get_or_create(&labels).set(i64::from(status.as_str() == wal_status));
            }
        }
        set(&self.0.in_flight_bytes, facts.in_flight_bytes);
        set(&self.0.open_transactions, facts.waiting.transactions as u64);
        set(&self.0.spill_memory_bytes, facts.waiting.memory_bytes);
        set(&self.0.spill_disk_bytes, facts.waiting.disk_bytes);
        self.0.reconnects.get_or_create(&labels).inner().store(facts.reconnects, Ordering::Relaxed);
        set(&self.0.tables, facts.tables as u64);
        set(&self.0.snapshot_rows, facts.snapshot_rows);
        set(&self.0.snapshot_rows_expected, facts.snapshot_rows_expected);
        set(&self.0.paused_tables, facts.paused.len() as u64);
        set(&self.0.chunk_tables, facts.chunks.len() as u64);
        self.0.chunk_rows.get_or_create(&labels).inner().store(facts.chunk_rows, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_gauges_are_in_the_text() {
        let metrics = Metrics::new();
        metrics.op("shop", "public", "orders", "c").add(3, 120);
        let board = Arc::new(Board::new("shop", "waltap_shop"));
        board.set_state(TapState::Streaming);
        board.facts().retained_wal_bytes = Some(42);
        board.facts().wal_status = Some("extended".to_owned());
        board.facts().reconnects = 2;
        metrics.count_dead_letter("shop", "shop.public.docs");
        let alarm = AlarmStatus { database: "shop".to_owned(), alarm: Alarm::RetainedWal, text: String::new() };
        let text = metrics.text(&[board], &[alarm]);
        for line in [
            r#"waltap_events_total{database="shop",schema="public",table="orders",op="c"} 3"#,
            r#"waltap_events_bytes_total{database="shop",schema="public",table="orders",op="c"} 120"#,
            r#"waltap_tap_state{database="shop",state="streaming"} 1"#,
            r#"waltap_tap_state{database="shop",state="failed"} 0"#,
            r#"waltap_slot_retained_wal_bytes{database="shop"} 42"#,
            r#"waltap_slot_wal_status{database="shop",status="extended"} 1"#,
            r#"waltap_slot_wal_status{database="shop",status="lost"} 0"#,
            r#"waltap_alarm{database="shop",alarm="retained_wal"} 1"#,
            r#"waltap_alarm{database="shop",alarm="stalled"} 0"#,
            r#"waltap_reconnects_total{database="shop"} 2"#,
            r#"waltap_dead_letters_total{database="shop",topic="shop.public.docs"} 1"#,
            r#"waltap_alarm{database="shop",alarm="dead_letters"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
