//! A way to a mock's broker on which the answers about metadata can be changed: at a cluster whose only broker is fenced, a broker names
//! all topics, and no broker. The mock cannot be asked for that.

use std::collections::HashSet;
use std::io::{Read, Result, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The number of the request for metadata.
const METADATA: i16 = 3;

/// From this version on an answer has the form that is read here. librdkafka and its mock speak a later one.
const FLEXIBLE: i16 = 9;

/// What the proxy was told, and what it has seen.
#[derive(Default)]
struct State {
    fenced: AtomicBool,
    answers_without_brokers: AtomicU64,
}

/// Leads to a broker. Clients learn of no other way to it.
pub(crate) struct MetadataProxy {
    port: u16,
    state: Arc<State>,
}

impl MetadataProxy {
    /// Listens on a port of its own, and leads to `target`.
    pub(crate) fn start(target: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let proxy = MetadataProxy { port, state: Arc::clone(&state) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A mock that is gone is no fault: its test is over.
                if let Ok(server) = TcpStream::connect(&target) {
                    carry(&client, &server, port, &state);
                }
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on no broker is named, or it is again.
    pub(crate) fn fence(&self, fenced: bool) {
        self.state.fenced.store(fenced, Ordering::SeqCst);
    }

    /// How many answers named no broker.
    pub(crate) fn answers_without_brokers(&self) -> u64 {
        self.state.answers_without_brokers.load(Ordering::SeqCst)
    }
}

fn carry(client: &TcpStream, server: &TcpStream, port: u16, state: &Arc<State>) {
    let questions = Arc::new(Mutex::new(HashSet::new()));
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let asked = Arc::clone(&questions);
    thread::spawn(move || {
        while let Ok(request) = read_frame(&mut from) {
            if i16_at(&request, 0) == METADATA {
                assert!(i16_at(&request, 2) >= FLEXIBLE, "an old version is asked for");
                asked.lock().unwrap().insert(request[4..8].to_vec());
            }
            if write_frame(&mut to, &request).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let state = Arc::clone(state);
    thread::spawn(move || {
        while let Ok(mut answer) = read_frame(&mut from) {
            if questions.lock().unwrap().remove(&answer[..4]) {
                let is_fenced = state.fenced.load(Ordering::SeqCst);
                answer = rewritten(&answer, (!is_fenced).then_some(port));
                state.answers_without_brokers.fetch_add(u64::from(is_fenced), Ordering::SeqCst);
            }
            if write_frame(&mut to, &answer).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// The answer with its only broker at another port, or without brokers.
fn rewritten(answer: &[u8], port: Option<u16>) -> Vec<u8> {
    // The number of the request, tags, and the time to wait.
    const BROKERS: usize = 4 + 1 + 4;
    // In this form a count, and a length, stands one higher than it is.
    assert_eq!((answer[4], answer[BROKERS]), (0, 2), "no tags, and one broker");
    let host = BROKERS + 1 + 4;
    let port_at = host + usize::from(answer[host]);
    let mut changed = answer[..BROKERS].to_vec();
    match port {
        Some(port) => {
            changed.extend_from_slice(&answer[BROKERS..port_at]);
            changed.extend_from_slice(&i32::from(port).to_be_bytes());
            changed.extend_from_slice(&answer[port_at + 4..]);
        }
        None => {
            let rack = port_at + 4;
            let tags = rack + usize::from(answer[rack].max(1));
            assert_eq!(answer[tags], 0, "no tags");
            changed.push(1);
            changed.extend_from_slice(&answer[tags + 1..]);
        }
    }
    changed
}

fn read_frame(from: &mut TcpStream) -> Result<Vec<u8>> {
    let mut size = [0; 4];
    from.read_exact(&mut size)?;
    let mut frame = vec![0; u32::from_be_bytes(size) as usize];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn write_frame(to: &mut TcpStream, frame: &[u8]) -> Result<()> {
    let mut whole = (frame.len() as u32).to_be_bytes().to_vec();
    whole.extend_from_slice(frame);
    to.write_all(&whole)
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}
