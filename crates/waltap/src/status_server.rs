//! The HTTP server that shows a running capture: `/healthz`, `/readyz`, `/metrics` and `/status`.

use std::net::{IpAddr, SocketAddr, TcpListener};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use waltap_capture::{AlarmStatus, CaptureStatus, PausedTable, PausedTableState, TapState, TapStatus, human_size};
use waltap_error::{Code, Error, Result};

use crate::configuration::Http;

/// What the server shows. Called by each request.
pub(crate) trait Shown: Clone + Send + Sync + 'static {
    /// The page of `/status`.
    fn status(&self) -> CaptureStatus;
    /// The page of `/metrics`, in the OpenMetrics format.
    fn metrics(&self) -> String;
    /// Whether every tap does its work and Kafka answers.
    fn is_ready(&self) -> bool;
}

impl Shown for waltap_capture::Handle {
    fn status(&self) -> CaptureStatus {
        waltap_capture::Handle::status(self)
    }

    fn metrics(&self) -> String {
        waltap_capture::Handle::metrics(self)
    }

    fn is_ready(&self) -> bool {
        waltap_capture::Handle::is_ready(self)
    }
}

/// A server that has its address and does not answer yet.
pub(crate) struct StatusServer {
    listener: TcpListener,
    address: SocketAddr,
    is_public: bool,
}

impl StatusServer {
    /// Takes the address, before anything else happens: a second capture by mistake ends here.
    pub(crate) fn bind(http: Http) -> Result<Self> {
        let unusable = |error: std::io::Error| {
            Error::configuration(Code::HTTP_ADDRESS, format!("the status server cannot listen on {}", http.address))
                .source(error)
                .remedy("choose another address with --http, a free port with --http 127.0.0.1:0, or none with --http off")
        };
        let listener = TcpListener::bind(http.address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        Ok(StatusServer { listener, address, is_public: http.is_public })
    }

    /// The address, with the port that was found for port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, until the runtime ends.
    pub(crate) fn serve(self, shown: impl Shown) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .map_err(|error| Error::configuration(Code::HTTP_ADDRESS, "the status server cannot start").source(error))?;
        let mut router = router(shown);
        if self.address.ip().is_loopback() && !self.is_public {
            router = router.layer(from_fn(refuse_other_hosts));
        }
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(error = %error, "the status server ended");
            }
        });
        Ok(())
    }
}

fn router<S: Shown>(shown: S) -> Router {
    Router::new()
        // The process lives, or nobody would answer. What it waits for is the matter of `/readyz`: a restart would not help.
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readyz::<S>))
        .route("/metrics", get(metrics::<S>))
        .route("/status", get(status::<S>))
        .fallback(async || (StatusCode::NOT_FOUND, "waltap serves /healthz, /readyz, /metrics and /status\n"))
        .with_state(shown)
}

/// Who listens on this machine alone is not asked under another machine's name: a page in somebody's browser could read what it shows, by a
/// name of its own that leads here (DNS rebinding).
async fn refuse_other_hosts(request: Request, next: Next) -> Response {
    match is_of_this_machine(request.headers()) {
        true => next.run(request).await,
        false => (
            StatusCode::MISDIRECTED_REQUEST,
            "the status server listens on this machine alone: ask for localhost or 127.0.0.1, or start waltap with --http-public\n",
        )
            .into_response(),
    }
}

/// Whether the name that was asked for is `localhost` or a plain address, which no foreign page has. HTTP/1.0 asks for none.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok()
}

async fn readyz<S: Shown>(State(shown): State<S>) -> Response {
    if shown.is_ready() {
        let status = shown.status();
        let is_any = |state| status.taps.iter().any(|tap| tap.state == state);
        let word = match () {
            () if is_any(TapState::Standby) => "standby",
            () if is_any(TapState::Paused) => "paused",
            () => "ready",
        };
        return format!("{word}\n{}{}", pauses(&status), alarms(&status)).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons(&shown.status())).into_response()
}

/// The taps and tables that rest, and what that costs the server, a line each.
fn pauses(status: &CaptureStatus) -> String {
    let paused = status.taps.iter().filter(|tap| tap.state == TapState::Paused);
    let line = |tap: &TapStatus| match tap.retained_wal_bytes {
        Some(bytes) => format!("{}: paused, its slot keeps {} of log\n", tap.database, human_size(bytes)),
        None => format!("{}: paused\n", tap.database),
    };
    let tables = status.taps.iter().flat_map(|tap| tap.paused_tables.iter().map(move |table| (tap, table)));
    let of_table = |(tap, table): (&TapStatus, &PausedTable)| match (table.state, tap.retained_wal_bytes) {
        (PausedTableState::Paused, Some(bytes)) => {
            format!("{}: {} paused, the slot keeps {} of log\n", tap.database, table.table, human_size(bytes))
        }
        (PausedTableState::Paused, None) => format!("{}: {} paused\n", tap.database, table.table),
        (PausedTableState::CatchingUp, _) => format!("{}: {} catches up after a pause\n", tap.database, table.table),
    };
    paused.map(line).chain(tables.map(of_table)).collect()
}

/// The alarms that are on, a line each.
fn alarms(status: &CaptureStatus) -> String {
    status
        .alarms
        .iter()
        .map(|AlarmStatus { database, alarm, text }| format!("{database}: {}: {text}\n", alarm.as_str()))
        .collect()
}

/// Why a capture is not ready, a line a tap and an alarm.
fn reasons(status: &CaptureStatus) -> String {
    let mut reasons: String = status
        .taps
        .iter()
        .filter(|tap| !tap.state.is_well() || tap.error.is_some())
        .map(|tap| {
            let restart = if tap.state == TapState::Failed { " (restart waltap once it is mended)" } else { "" };
            let error = tap.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            format!("{}: {}{restart}{error}\n", tap.database, tap.state.as_str())
        })
        .collect();
    if let Some(error) = &status.error {
        reasons.push_str(&format!("cannot start yet: {error}\n"));
    }
    reasons.push_str(&pauses(status));
    reasons.push_str(&alarms(status));
    if reasons.is_empty() {
        reasons.push_str("starting\n");
    }
    reasons
}

async fn metrics<S: Shown>(State(shown): State<S>) -> Response {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], shown.metrics()).into_response()
}

async fn status<S: Shown>(State(shown): State<S>) -> Response {
    match serde_json::to_string(&shown.status()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
