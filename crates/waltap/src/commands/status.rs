//! `waltap status`: what the running capture says of itself, as a table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use waltap_capture::{AlarmStatus, CaptureStatus, ChunkProgress, PausedTable, PausedTableState, TapState, TapStatus, human_size};
use waltap_error::{Code, Error, Result};

use crate::command_line::StatusArguments;
use crate::configuration;
use crate::failure::printable;
use crate::table::{self, Side};
use crate::{logging, output};

/// A capture on the same machine answers in milliseconds; one that does not within this hangs.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// The longest answer that is read: a thousand databases fit many times.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

pub(super) fn run(arguments: StatusArguments) -> Result<ExitCode> {
    let configuration = configuration::load(arguments.settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    let Some(http) = configuration.http()? else {
        return Err(Error::configuration(Code::NO_STATUS, "the status server is off")
            .remedy("ask with --http ADDRESS of the running capture"));
    };
    let answer = fetch(reachable(http.address))?;
    if arguments.json {
        output::print(&format!("{}\n", answer.trim_end()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let status: CaptureStatus = serde_json::from_str(&answer).map_err(|error| {
        Error::configuration(Code::NO_STATUS, format!("what answers on {} is no capture of this version of waltap", http.address))
            .source(error)
    })?;
    output::print(&printable(&describe(&status)))?;
    Ok(ExitCode::SUCCESS)
}

/// An address that listens everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn fetch(address: SocketAddr) -> Result<String> {
    let silent = |error: ureq::Error| {
        Error::transient(Code::NO_STATUS, format!("no running capture answers on {address}")).source(error).remedy(
            "is it running, and with this --http address? Its log says which address it took: \"the status server listens\"",
        )
    };
    // A proxy has no business between two processes of one user.
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIME_MAX)).proxy(None).build().into();
    let mut response = agent.get(format!("http://{address}/status")).call().map_err(silent)?;
    response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(silent)
}

const COLUMNS: &[(&str, Side)] = &[
    ("DATABASE", Side::Left),
    ("STATE", Side::Left),
    ("TABLES", Side::Right),
    ("CONFIRMED", Side::Right),
    ("SERVER", Side::Right),
    ("LAG", Side::Right),
    ("LAG TIME", Side::Right),
    ("RETAINED WAL", Side::Right),
    ("EVENTS", Side::Right),
    ("EVENTS/S", Side::Right),
    ("IN FLIGHT", Side::Right),
    ("RECONNECTS", Side::Right),
];

fn describe(status: &CaptureStatus) -> String {
    let ready = if status.ready { "ready" } else { "not ready" };
    let mut text = format!("capture {} on {} (waltap {}): {ready}\n", status.capture, status.source, status.version);
    if let Some(error) = &status.error {
        text.push_str(&format!("\nit cannot start yet: {error}\n"));
        text.push_str(&fix(status.remedy.as_deref()));
    }
    if status.taps.is_empty() {
        text.push_str("no database is captured yet\n");
        return text;
    }
    text.push('\n');
    text.push_str(&table::draw(COLUMNS, &status.taps.iter().map(row).collect::<Vec<_>>()));
    for AlarmStatus { database, alarm, text: said } in &status.alarms {
        text.push_str(&format!("\n{database}: alarm {}: {said}\n", alarm.as_str()));
    }
    for (tap, chunks) in status.taps.iter().flat_map(|tap| tap.chunks.iter().map(move |chunks| (tap, chunks))) {
        text.push_str(&format!("\n{}: {}\n", tap.database, reading(chunks)));
    }
    for (tap, table) in status.taps.iter().flat_map(|tap| tap.paused_tables.iter().map(move |table| (tap, table))) {
        text.push_str(&format!("\n{}: {}\n", tap.database, behind(table)));
    }
    for tap in &status.taps {
        if let Some(error) = &tap.error {
            text.push_str(&format!("\n{}: {error}\n", tap.database));
            text.push_str(&fix(tap.remedy.as_deref()));
        }
        if tap.state == TapState::Failed {
            text.push_str("  It is not tried again by itself: restart waltap once it is mended.\n");
        }
        if tap.wal_status.as_deref().is_some_and(|wal_status| wal_status == "unreserved" || wal_status == "lost") {
            text.push_str(&format!(
                "\n{}: the server is about to remove log that the slot {} needs, or has done so\n",
                tap.database, tap.slot
            ));
        }
    }
    text
}

/// How far a table is that is read while the stream goes on.
fn reading(chunks: &ChunkProgress) -> String {
    let ChunkProgress { table, rows, rows_expected, waiting_for, .. } = chunks;
    let expected = rows_expected.map_or_else(String::new, |expected| format!(" of about {expected}"));
    let waits = waiting_for.as_ref().map_or_else(String::new, |what| format!("; {what}"));
    format!("reading {table} in chunks: {rows}{expected} rows{waits}")
}

/// What is withheld of a table, or was.
fn behind(table: &PausedTable) -> String {
    let PausedTable { table, state, since_lsn, .. } = table;
    match state {
        PausedTableState::Paused => {
            format!("{table} is paused: its changes are withheld from {since_lsn} on, and the slot keeps the log since")
        }
        PausedTableState::CatchingUp => {
            format!("{table} catches up after a pause: what was withheld from {since_lsn} on is being sent")
        }
    }
}

fn fix(remedy: Option<&str>) -> String {
    remedy.map_or_else(String::new, |remedy| format!("  fix: {}\n", remedy.trim_end().replace('\n', "\n       ")))
}

fn row(tap: &TapStatus) -> Vec<String> {
    let state = match tap.state {
        TapState::Snapshot if tap.snapshot_rows_expected > 0 => {
            let percent = tap.snapshot_rows.saturating_mul(100) / tap.snapshot_rows_expected;
            // The catalog's estimate may be too low.
            format!("snapshot {}%", percent.min(99))
        }
        state => state.as_str().to_owned(),
    };
    vec![
        tap.database.clone(),
        state,
        tap.tables.to_string(),
        tap.confirmed_lsn.clone(),
        tap.server_lsn.clone(),
        human_size(tap.lag_bytes),
        format!("{:.1} s", tap.lag_seconds),
        tap.retained_wal_bytes.map_or("-".to_owned(), human_size),
        tap.events.to_string(),
        format!("{:.0}", tap.events_per_second),
        human_size(tap.in_flight_bytes),
        tap.reconnects.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use waltap_capture::Alarm;

    use super::*;

    #[test]
    fn a_capture_is_described() {
        let paused = |state| PausedTable { table: "public.t".to_owned(), state, since_lsn: "0/16B3748".to_owned(), paused_at: 1 };
        let tap = TapStatus {
            database: "shop".to_owned(),
            state: TapState::Snapshot,
            slot: "waltap_waltap_shop".to_owned(),
            confirmed_lsn: "0/16B3748".to_owned(),
            server_lsn: "0/16B3790".to_owned(),
            lag_bytes: 72,
            snapshot_rows: 50,
            snapshot_rows_expected: 200,
            wal_status: Some("unreserved".to_owned()),
            paused_tables: [PausedTableState::Paused, PausedTableState::CatchingUp].map(paused).to_vec(),
            error: Some("WT0020: Kafka cannot be reached".to_owned()),
            remedy: Some("start it".to_owned()),
            ..TapStatus::default()
        };
        let status = CaptureStatus {
            capture: "waltap".to_owned(),
            version: "1".to_owned(),
            source: "postgres://db".to_owned(),
            ready: false,
            error: None,
            remedy: None,
            alarms: vec![AlarmStatus { database: "shop".to_owned(), alarm: Alarm::Stalled, text: "it stands".to_owned() }],
            taps: vec![tap],
        };
        let text = describe(&status);
        for part in [
            "capture waltap on postgres://db (waltap 1): not ready",
            "snapshot 25%",
            "72 B",
            "shop: WT0020: Kafka",
            "fix: start it",
            "shop: alarm stalled: it stands",
            "shop: public.t is paused: its changes are withheld from 0/16B3748 on",
            "shop: public.t catches up after a pause",
            "waltap_waltap_shop",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_keeps_a_capture_from_working_is_told() {
        let mut status = CaptureStatus {
            capture: "waltap".to_owned(),
            version: "1".to_owned(),
            source: "postgres://db".to_owned(),
            ready: false,
            error: Some("WT0020: connecting".to_owned()),
            remedy: Some("start it".to_owned()),
            alarms: Vec::new(),
            taps: Vec::new(),
        };
        assert!(
            describe(&status)
                .ends_with("it cannot start yet: WT0020: connecting\n  fix: start it\nno database is captured yet\n")
        );
        status.error = None;
        let error = Some("WT0010: the slot is gone".to_owned());
        status.taps = vec![TapStatus { database: "shop".to_owned(), state: TapState::Failed, error, ..TapStatus::default() }];
        assert!(
            describe(&status).ends_with(
                "shop: WT0010: the slot is gone\n  It is not tried again by itself: restart waltap once it is mended.\n"
            )
        );
    }

    #[test]
    fn a_server_that_listens_everywhere_is_asked_here() {
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()), "127.0.0.1:1".parse().unwrap());
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
        assert_eq!(reachable("10.0.0.1:1".parse().unwrap()), "10.0.0.1:1".parse().unwrap());
    }

    #[test]
    fn silence_has_a_code() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(fetch(free).unwrap_err().code(), Code::NO_STATUS);
    }
}
