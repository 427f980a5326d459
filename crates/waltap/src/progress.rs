//! How far the snapshots are: bars on a terminal, a log line now and then otherwise.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use waltap_capture::{Handle, TapState, TapStatus};

use crate::logging;

/// How often a bar is drawn anew: fast enough to look alive.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

/// How often a line is logged: slow enough not to fill a log during a day-long snapshot.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

const BAR: &str = "{prefix:>20} [{bar:30}] {human_pos} of about {human_len} rows  {rate}/s  {eta} left";

/// Of tables that were never analyzed, nobody knows how many rows to expect.
const BAR_WITHOUT_END: &str = "{prefix:>20} {spinner} {human_pos} rows  {rate}/s";

/// Shows the snapshots of a capture until the runtime ends.
pub(crate) fn show(handle: Handle) {
    let on_terminal = std::io::stderr().is_terminal() && !logging::writes_json();
    if on_terminal {
        tokio::spawn(draw(handle));
    } else {
        tokio::spawn(log(handle));
    }
}

async fn draw(handle: Handle) {
    let mut bars = BTreeMap::new();
    let mut interval = tokio::time::interval(DRAW_INTERVAL);
    loop {
        interval.tick().await;
        update(&mut bars, &handle.status().taps);
    }
}

fn update(bars: &mut BTreeMap<String, ProgressBar>, taps: &[TapStatus]) {
    for tap in taps {
        if tap.state == TapState::Snapshot {
            let bar = bars.entry(tap.database.clone()).or_insert_with(|| {
                let style = style(BAR_WITHOUT_END);
                logging::bars().add(ProgressBar::no_length().with_style(style).with_prefix(tap.database.clone()))
            });
            if tap.snapshot_rows_expected > 0 {
                if bar.length().is_none() {
                    bar.set_style(style(BAR));
                }
                // The catalog's estimate may be too low.
                bar.set_length(tap.snapshot_rows_expected.max(tap.snapshot_rows));
            }
            bar.set_position(tap.snapshot_rows);
            bar.tick();
        } else if let Some(bar) = bars.remove(&tap.database) {
            bar.finish_and_clear();
            logging::bars().remove(&bar);
        }
    }
    let gone: Vec<String> = bars.keys().filter(|database| !taps.iter().any(|tap| tap.database == **database)).cloned().collect();
    for database in gone {
        if let Some(bar) = bars.remove(&database) {
            bar.finish_and_clear();
            logging::bars().remove(&bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; should one be wrong, indicatif's own does as well.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate)
}

/// Rows a second, whole ones.
fn rate(state: &ProgressState, text: &mut dyn std::fmt::Write) {
    // Writing into the bar's own buffer does not fail.
    let _ = write!(text, "{}", HumanCount(state.per_sec() as u64));
}

async fn log(handle: Handle) {
    let mut interval = tokio::time::interval(LOG_INTERVAL);
    loop {
        interval.tick().await;
        for tap in handle.status().taps.iter().filter(|tap| tap.state == TapState::Snapshot) {
            let expected = (tap.snapshot_rows_expected > 0).then(|| tap.snapshot_rows_expected.max(tap.snapshot_rows));
            let of = expected.map_or_else(String::new, |expected| format!(" of about {}", HumanCount(expected)));
            tracing::info!(
                database = tap.database,
                rows = tap.snapshot_rows,
                rows_expected = expected,
                "snapshot: {}{of} rows",
                HumanCount(tap.snapshot_rows)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(state: TapState, rows: u64, expected: u64) -> TapStatus {
        TapStatus {
            database: "shop".to_owned(),
            state,
            snapshot_rows: rows,
            snapshot_rows_expected: expected,
            ..TapStatus::default()
        }
    }

    #[test]
    fn a_bar_lives_as_long_as_the_snapshot() {
        ProgressStyle::with_template(BAR).unwrap();
        ProgressStyle::with_template(BAR_WITHOUT_END).unwrap();
        let mut bars = BTreeMap::new();
        update(&mut bars, &[tap(TapState::Snapshot, 5, 0)]);
        assert_eq!((bars["shop"].position(), bars["shop"].length()), (5, None));
        update(&mut bars, &[tap(TapState::Snapshot, 5, 10)]);
        assert_eq!((bars["shop"].position(), bars["shop"].length()), (5, Some(10)));
        update(&mut bars, &[tap(TapState::Snapshot, 12, 10)]);
        assert_eq!((bars["shop"].position(), bars["shop"].length()), (12, Some(12)));
        update(&mut bars, &[tap(TapState::Streaming, 12, 10)]);
        assert!(bars.is_empty());
        update(&mut bars, &[tap(TapState::Snapshot, 5, 10)]);
        update(&mut bars, &[]);
        assert!(bars.is_empty());
    }
}
