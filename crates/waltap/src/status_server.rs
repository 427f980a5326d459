//! The HTTP server that shows a running capture: `/healthz`, `/readyz`, `/metrics` and `/status`.

use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use waltap_capture::{AlarmStatus, CaptureStatus, TapState};
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
        Ok(StatusServer { listener, address })
    }

    /// The address, with the port that was found for port 0.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, until the runtime ends.
    pub(crate) fn serve(self, shown: impl Shown) -> Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .map_err(|error| Error::configuration(Code::HTTP_ADDRESS, "the status server cannot start").source(error))?;
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router(shown)).await {
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

async fn readyz<S: Shown>(State(shown): State<S>) -> Response {
    if shown.is_ready() {
        let status = shown.status();
        let stands_by = status.taps.iter().any(|tap| tap.state == TapState::Standby);
        return format!(
            "{}
{}",
            if stands_by { "standby" } else { "ready" },
            alarms(&status)
        )
        .into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons(&shown.status())).into_response()
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
        .filter(|tap| {
            !matches!(tap.state, TapState::Streaming | TapState::Snapshot | TapState::Idle | TapState::Standby)
                || tap.error.is_some()
        })
        .map(|tap| {
            let restart = if tap.state == TapState::Failed { " (restart waltap once it is mended)" } else { "" };
            let error = tap.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            format!("{}: {}{restart}{error}\n", tap.database, tap.state.as_str())
        })
        .collect();
    if let Some(error) = &status.error {
        reasons.push_str(&format!("cannot start yet: {error}\n"));
    }
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
