//! One connection through the proxy: both of its directions, and its end.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::treatment::{Direction, Ends, Side, Treatment};
use crate::{Random, Result};

/// What is held back in one direction at most.
const BUFFER_BYTES: usize = 64 * 1024;

/// A throttled direction passes this part of a second's bytes at a time, so that it flows and does not jerk.
const THROTTLE_PARTS: u64 = 20;

/// Carries a connection until one of its sides closes it, or the proxy does.
pub(super) async fn carry(mut client: TcpStream, mut server: TcpStream, mut watched: watch::Receiver<Treatment>) {
    let ends = watched.borrow_and_update().ends();
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pass(from_client, to_server, Direction::Up, watched.clone(), ends);
        let down = pass(from_server, to_client, Direction::Down, watched.clone(), ends);
        tokio::select! {
            // Either side that closes, and every cut, ends both directions.
            _ = up => None,
            _ = down => None,
            treatment = watched.wait_for(|treatment| treatment.ends() != ends) => {
                treatment.ok().filter(|treatment| treatment.cuts == ends.cuts).and_then(|treatment| treatment.told)
            }
        }
    };
    match ended {
        None => return,
        Some(Side::Client) => drop(client),
        Some(Side::Server) => drop(server),
    }
    // The other one's end is still open here, and nobody reads it.
    let _ = watched.wait_for(|treatment| treatment.cuts != ends.cuts).await;
}

/// Carries one direction until its source closes. From the change of `ends` on nothing more is carried, though [`carry`] may hear of it later.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    mut watched: watch::Receiver<Treatment>,
    ends: Ends,
) -> Result {
    let mut random = Random::new(Random::seed());
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let room = match watched.borrow_and_update().lane(direction).bytes_per_second {
            Some(bytes) => (bytes / THROTTLE_PARTS).clamp(1, BUFFER_BYTES as u64) as usize,
            None => BUFFER_BYTES,
        };
        let count = from.read(&mut buffer[..room]).await?;
        if count == 0 {
            return Ok(());
        }
        let lane = watched.wait_for(|treatment| !treatment.lane(direction).frozen).await?.lane(direction);
        let mut wait = lane.delay + Duration::from_micros(random.below(lane.jitter.as_micros() as u64 + 1));
        if let Some(bytes) = lane.bytes_per_second {
            wait += Duration::from_secs_f64(count as f64 / bytes.max(1) as f64);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            // It may have been frozen meanwhile.
            watched.wait_for(|treatment| !treatment.lane(direction).frozen).await?;
        }
        if watched.borrow().ends() != ends {
            return std::future::pending().await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}
