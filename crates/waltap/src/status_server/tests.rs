//! The server over a real socket, before a capture that says what a test wants.

use std::io::{Read, Write};

use waltap_capture::TapStatus;

use super::*;

#[derive(Clone)]
struct Fake {
    ready: bool,
    taps: Vec<TapStatus>,
}

impl Shown for Fake {
    fn status(&self) -> CaptureStatus {
        CaptureStatus {
            capture: "waltap".to_owned(),
            version: "0".to_owned(),
            source: "postgres://db".to_owned(),
            ready: self.ready,
            error: self.taps.is_empty().then(|| "WT0020: connecting to Kafka at k:9092".to_owned()),
            remedy: None,
            alarms: Vec::new(),
            taps: self.taps.clone(),
        }
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn is_ready(&self) -> bool {
        self.ready
    }
}

fn serve(fake: Fake) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = StatusServer::bind(Http { address: "127.0.0.1:0".parse().unwrap(), is_public: false }).unwrap();
    let address = server.address();
    runtime.block_on(async { server.serve(fake) }).unwrap();
    (runtime, address)
}

fn fetch(address: SocketAddr, path: &str) -> (u16, String, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(format!("http://{address}{path}")).call().unwrap();
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    (response.status().as_u16(), kind, response.body_mut().read_to_string().unwrap())
}

fn tap(database: &str, state: TapState, error: Option<&str>) -> TapStatus {
    TapStatus { database: database.to_owned(), state, error: error.map(str::to_owned), ..TapStatus::default() }
}

#[test]
fn a_ready_capture_shows_itself() {
    let (_runtime, address) = serve(Fake { ready: true, taps: vec![tap("shop", TapState::Streaming, None)] });
    assert_eq!(fetch(address, "/healthz").0, 200);
    assert_eq!(fetch(address, "/readyz").0, 200);
    let (status, kind, body) = fetch(address, "/metrics");
    assert_eq!((status, body.as_str()), (200, "# EOF\n"));
    assert!(kind.starts_with("application/openmetrics-text"));
    let (status, kind, body) = fetch(address, "/status");
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    let shown: CaptureStatus = serde_json::from_str(&body).unwrap();
    assert_eq!((shown.taps[0].database.as_str(), shown.taps[0].state), ("shop", TapState::Streaming));
    assert_eq!(fetch(address, "/").0, 404);
}

#[test]
fn a_tap_that_rests_is_ready_and_says_what_its_slot_keeps() {
    let paused = TapStatus { retained_wal_bytes: Some(3 << 30), ..tap("shop", TapState::Paused, None) };
    let (_runtime, address) = serve(Fake { ready: true, taps: vec![tap("crm", TapState::Streaming, None), paused] });
    let (status, _, body) = fetch(address, "/readyz");
    assert_eq!((status, body.as_str()), (200, "paused\nshop: paused, its slot keeps 3.0 GiB of log\n"));
}

#[test]
fn a_capture_that_is_not_ready_says_why() {
    let taps = vec![
        tap("crm", TapState::Streaming, None),
        tap("shop", TapState::Waiting, Some("WT0001: connecting to db:5432")),
        tap("hr", TapState::Snapshot, None),
        tap("logs", TapState::Streaming, Some("Kafka does not answer")),
        tap("new", TapState::Starting, None),
        tap("old", TapState::Failed, Some("WT0010: the slot is gone")),
    ];
    let (_runtime, address) = serve(Fake { ready: false, taps });
    let (status, _, body) = fetch(address, "/readyz");
    assert_eq!(
        (status, body.as_str()),
        (
            503,
            "shop: waiting: WT0001: connecting to db:5432\nlogs: streaming: Kafka does not answer\nnew: starting\n\
             old: failed (restart waltap once it is mended): WT0010: the slot is gone\n"
        )
    );
    assert_eq!(fetch(address, "/healthz").0, 200);
}

#[test]
fn a_capture_that_cannot_start_says_why() {
    let (_runtime, address) = serve(Fake { ready: false, taps: Vec::new() });
    let (status, _, body) = fetch(address, "/readyz");
    assert_eq!((status, body.as_str()), (503, "cannot start yet: WT0020: connecting to Kafka at k:9092\n"));
    assert!(fetch(address, "/status").2.contains("WT0020"));
}

#[test]
fn an_address_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = StatusServer::bind(Http { address: taken.local_addr().unwrap(), is_public: false }).err().unwrap();
    assert_eq!(error.code(), Code::HTTP_ADDRESS);
}

/// What the first line of the answer says to a request for this host.
fn asked_for(address: SocketAddr, host: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /status HTTP/1.1\r\n{host}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_foreign_name_that_leads_to_this_machine_is_refused() {
    let (_runtime, address) = serve(Fake { ready: true, taps: vec![tap("shop", TapState::Streaming, None)] });
    for host in ["localhost", "LOCALHOST:8642", "127.0.0.1", "127.0.0.1:8642", "[::1]:8642", "[::1]", "192.168.0.7:8642"] {
        let answer = asked_for(address, &format!("Host: {host}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    for host in ["evil.example", "evil.example:8642", "localhost.evil.example:8642", "127.0.0.1.evil.example", "localhost:x", ""]
    {
        let answer = asked_for(address, &format!("Host: {host}\r\n"));
        assert!(!answer.starts_with("HTTP/1.1 200") && !answer.contains("shop"), "{host}: {answer}");
    }
}
