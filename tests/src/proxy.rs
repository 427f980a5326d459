//! A TCP proxy on loopback that can cut, stall and delay what passes through it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Result, free_port};

/// What is held back in one direction at most.
const BUFFER_BYTES: usize = 64 * 1024;

/// How the proxy treats its connections.
#[derive(Clone, Debug, Default)]
struct Treatment {
    /// Counts the cuts: a connection ends when it changes.
    cuts: u64,
    /// Nothing passes, and nothing closes: what a lost cable looks like.
    stalled: bool,
    /// New connections are closed at once.
    refusing: bool,
    /// Every piece waits so long.
    delay: Duration,
}

/// A running proxy; it ends, with its connections, on drop.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    treatment: Arc<watch::Sender<Treatment>>,
    acceptor: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and leads to another.
    pub async fn start(target: u16) -> Result<Self> {
        Self::start_on(free_port()?, target).await
    }

    /// Listens on the given port and leads to another.
    pub async fn start_on(port: u16, target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let treatment = Arc::new(watch::channel(Treatment::default()).0);
        let acceptor = tokio::spawn(accept(listener, target, treatment.clone()));
        Ok(Proxy { port, treatment, acceptor })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection; new ones are taken.
    pub fn cut(&self) {
        self.treatment.send_modify(|treatment| treatment.cuts += 1);
    }

    /// Lets nothing pass, or lets it pass again. Connections stay open.
    pub fn stall(&self, stalled: bool) {
        self.treatment.send_modify(|treatment| treatment.stalled = stalled);
    }

    /// Closes new connections at once, or takes them again.
    pub fn refuse(&self, refusing: bool) {
        self.treatment.send_modify(|treatment| treatment.refusing = refusing);
    }

    /// Holds every piece back for so long.
    pub fn delay(&self, delay: Duration) {
        self.treatment.send_modify(|treatment| treatment.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, target: u16, treatment: Arc<watch::Sender<Treatment>>) {
    while let Ok((client, _)) = listener.accept().await {
        let mut watched = treatment.subscribe();
        let cuts = watched.borrow_and_update().cuts;
        if watched.borrow().refusing {
            continue;
        }
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let up = pass(from_client, to_server, watched.clone());
            let down = pass(from_server, to_client, watched.clone());
            tokio::select! {
                // Either side that closes, and every cut, ends both directions.
                _ = up => {}
                _ = down => {}
                _ = watched.wait_for(|treatment| treatment.cuts != cuts) => {}
            }
        });
    }
}

/// Carries one direction until its source closes.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut watched: watch::Receiver<Treatment>,
) -> Result {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let delay = watched.wait_for(|treatment| !treatment.stalled).await?.delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}
