//! How a capture is guarded, and what it does when its slot is lost.

use std::time::Duration;

use waltap_capture::{GuardOptions, OnMaxRetainedWal, OnSlotLost, SnapshotMode};
use waltap_error::{Code, Error, Result};

use super::read::Configuration;
use super::size::parse_size;

/// A slot keeps whole segments of the log, of 16 MiB unless the server was made otherwise.
const RETAINED_WAL_MIN: u64 = 16 << 20;

/// A heartbeat opens a connection.
const HEARTBEAT_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The guard looks every five seconds.
const STALL_TIMEOUT_MIN: Duration = Duration::from_secs(10);

impl Configuration {
    pub(super) fn guard(&self) -> Result<GuardOptions> {
        let max_retained_wal = self.read("max-retained-wal", |text| match parse_size(text) {
            Ok(bytes) if bytes >= RETAINED_WAL_MIN => Ok(bytes),
            Ok(_) => Err("is less than 16MiB, one segment of the server's log"),
            Err(_) => Err("is not a size in bytes such as `500MB`, `64GiB` or `100000000`"),
        })?;
        let on_max_retained_wal = match self.choice("on-max-retained-wal")? {
            "drop-slot" => OnMaxRetainedWal::DropSlot,
            _ => OnMaxRetainedWal::Warn,
        };
        if on_max_retained_wal == OnMaxRetainedWal::DropSlot && max_retained_wal.is_none() {
            let message = "`on-max-retained-wal: drop-slot` is given, and no size with `max-retained-wal`";
            return Err(Error::configuration(Code::CONFLICTING_OPTIONS, message)
                .remedy("say how much log a slot may keep, as in --max-retained-wal 64GiB"));
        }
        let stall_timeout =
            self.required("stall-timeout", |text| duration_or_off(text, STALL_TIMEOUT_MIN, "is less than 10s"))?;
        let heartbeat_interval =
            self.required("heartbeat-interval", |text| duration_or_off(text, HEARTBEAT_INTERVAL_MIN, "is less than 1s"))?;
        Ok(GuardOptions { max_retained_wal, on_max_retained_wal, stall_timeout, heartbeat_interval })
    }

    pub(super) fn on_slot_lost(&self, snapshot: SnapshotMode) -> Result<OnSlotLost> {
        if self.choice("on-slot-lost")? != "resnapshot" {
            return Ok(OnSlotLost::Fail);
        }
        if snapshot != SnapshotMode::Initial {
            let message = "`on-slot-lost: resnapshot` reads every table again, which only `snapshot: initial` does";
            return Err(Error::configuration(Code::CONFLICTING_OPTIONS, message).remedy("leave out one of the two"));
        }
        Ok(OnSlotLost::Resnapshot)
    }

    pub(super) fn standby(&self) -> Result<bool> {
        let standby = self.switch("standby")?;
        if standby && (self.choice("sink")? == "stdout" || self.choice("snapshot")? == "only") {
            let message = "`standby` waits for a slot, and neither `sink: stdout` nor `snapshot: only` keeps one";
            return Err(Error::configuration(Code::CONFLICTING_OPTIONS, message).remedy("leave out one of the two"));
        }
        Ok(standby)
    }
}

/// Reads a duration that may be `off`; `less` says that it is below the least one.
fn duration_or_off(text: &str, least: Duration, less: &'static str) -> Result<Option<Duration>, &'static str> {
    match text.trim() {
        "off" | "false" => Ok(None),
        text => match humantime::parse_duration(text) {
            Ok(duration) if duration >= least => Ok(Some(duration)),
            Ok(_) => Err(less),
            Err(_) => Err("is neither `off` nor a duration such as `5m` or `30s`"),
        },
    }
}
