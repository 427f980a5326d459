//! A TCP proxy on loopback that can cut, delay, throttle, freeze and half-open what passes through it.

mod connection;
mod treatment;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::connection::carry;
pub use self::treatment::{Direction, Side};
use self::treatment::{Lane, Treatment};
use crate::{Result, free_port};

/// Both directions.
const BOTH: [Direction; 2] = [Direction::Up, Direction::Down];

/// A running proxy; it ends, with its connections, on drop.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    treatment: Arc<watch::Sender<Treatment>>,
    connections: Arc<AtomicU64>,
    acceptor: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and leads to another.
    pub async fn start(target: u16) -> Result<Self> {
        Self::start_on(free_port()?, target).await
    }

    /// Listens on the given port and leads to another.
    pub async fn start_on(port: u16, target: u16) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, port, target).await
    }

    /// The same at another address of loopback.
    pub async fn start_at(address: Ipv4Addr, port: u16, target: u16) -> Result<Self> {
        let listener = TcpListener::bind((address, port)).await?;
        let treatment = Arc::new(watch::channel(Treatment::default()).0);
        let target = Arc::new(AtomicU16::new(target));
        let connections = Arc::new(AtomicU64::new(0));
        let acceptor = tokio::spawn(accept(listener, target.clone(), treatment.clone(), connections.clone()));
        Ok(Proxy { port, target, treatment, connections, acceptor })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were carried so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Leads to another port from now on, and closes every connection.
    pub fn lead_to(&self, target: u16) {
        self.target.store(target, Ordering::Relaxed);
        self.cut();
    }

    /// Closes every connection; new ones are taken.
    pub fn cut(&self) {
        self.treatment.send_modify(|treatment| treatment.cuts += 1);
    }

    /// Closes every connection on one side, and tells the other nothing before the next cut. New ones are taken.
    pub fn abandon(&self, told: Side) {
        self.treatment.send_modify(|treatment| {
            treatment.abandoned += 1;
            treatment.told = Some(told);
        });
    }

    /// Lets nothing pass, or lets it pass again. Connections stay open.
    pub fn freeze(&self, frozen: bool) {
        self.change(&BOTH, |lane| lane.frozen = frozen);
    }

    /// The same in one direction: half a connection.
    pub fn freeze_one(&self, direction: Direction, frozen: bool) {
        self.change(&[direction], |lane| lane.frozen = frozen);
    }

    /// Closes new connections at once, or takes them again.
    pub fn refuse(&self, refusing: bool) {
        self.treatment.send_modify(|treatment| treatment.refusing = refusing);
    }

    /// Holds every piece back for so long, and by chance up to `jitter` longer. Order is kept.
    pub fn delay(&self, delay: Duration, jitter: Duration) {
        self.change(&BOTH, |lane| (lane.delay, lane.jitter) = (delay, jitter));
    }

    /// Lets no more pass in a second, each way.
    pub fn throttle(&self, bytes_per_second: Option<u64>) {
        self.change(&BOTH, |lane| lane.bytes_per_second = bytes_per_second);
    }

    /// Ends every fault. Connections of which one side was told the end are closed on the other too.
    pub fn heal(&self) {
        self.treatment.send_modify(|treatment| {
            if treatment.told.take().is_some() {
                treatment.cuts += 1;
            }
            treatment.refusing = false;
            (treatment.up, treatment.down) = (Lane::default(), Lane::default());
        });
    }

    fn change(&self, directions: &[Direction], change: impl Fn(&mut Lane)) {
        self.treatment.send_modify(|treatment| directions.iter().for_each(|direction| change(treatment.lane_mut(*direction))));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.acceptor.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<AtomicU16>,
    treatment: Arc<watch::Sender<Treatment>>,
    connections: Arc<AtomicU64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let watched = treatment.subscribe();
        if watched.borrow().refusing {
            continue;
        }
        let target = target.load(Ordering::Relaxed);
        connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            if let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await {
                carry(client, server, watched).await;
            }
        });
    }
}
