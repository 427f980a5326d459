//! A small receive window where the server is on the same machine.
//!
//! A walsender gives each change to the kernel by itself. Over loopback each becomes a packet of its own, with all that TCP does for one, which costs
//! the walsender more than decoding: unless the window is full. Then what it sends comes together in its own buffer, and goes out in pieces as large as
//! the window once we read. So a window of a few packets, read late and then until nothing is left, halves what a change costs both sides.
//!
//! Over a network it would cost more than it saves: no more than a window is on its way at a time. There the network device lets packets wait and come
//! together.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

/// What the kernel is asked for; it takes twice as much, for what it keeps beside the bytes (socket(7), SO_RCVBUF).
const BYTES: u32 = 16 * 1024;

/// The largest segment that we let the server send (tcp(7), TCP_MAXSEG; RFC 9293, 3.7.1): what every peer may send unasked, by which Linux too judges
/// at first whether a window is worth telling of.
///
/// Linux makes the window smaller and larger by how much of its buffer packets take beside their bytes (`scaling_ratio`, from 6.5 on): after many
/// that are small it is a fourth of what it was. A sender, though, waits until a whole segment fits, and without a bound its segments are half of
/// the largest window that it was ever given. Where they fit no more, it sends what does fit every 200 ms, and later less often, for ever. With
/// segments of 1,024 bytes it still stands for 200 ms now and then. Behind a full window segments come together in large pieces all the same.
const SEGMENT_BYTES: u32 = 536;

/// Whether an address is one of this machine's.
pub(super) fn is_here(address: SocketAddr) -> bool {
    // What would be sent there from has the address itself. Nothing is sent.
    let source = || {
        let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(address)?;
        socket.local_addr()
    };
    address.ip().is_loopback() || source().is_ok_and(|source| source.ip() == address.ip())
}

/// Connects with a small window and small segments, which both have to be so from the beginning.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The window alone would do harm. Without either the stream is as it is over a network.
    match SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES).and_then(|()| socket.set_recv_buffer_size(BYTES)) {
        Ok(()) => tracing::debug!(%address, "the server is on this machine: the stream is read through a small window"),
        Err(error) => tracing::debug!(%address, %error, "no small window"),
    }
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    /// Both ends of a connection: ours, and the server's.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        far.set_nodelay(true).unwrap();
        (near, far)
    }

    /// Writes small pieces until no more are taken; how many bytes that was.
    async fn fill(far: &TcpStream, size: usize) -> usize {
        let (piece, mut bytes) = (vec![b'x'; size], 0);
        far.writable().await.unwrap();
        while let Ok(written) = far.try_write(&piece) {
            bytes += written;
        }
        bytes
    }

    #[test]
    fn what_is_here_is_told_from_what_is_not() {
        for (address, here) in [("127.0.0.1:5432", true), ("127.8.9.1:1", true), ("[::1]:5432", true), ("192.0.2.7:5432", false)]
        {
            assert_eq!(is_here(address.parse().unwrap()), here, "{address}");
        }
    }

    #[tokio::test]
    async fn the_window_is_small_from_the_beginning() {
        let (near, _far) = pair().await;
        let size = SockRef::from(&near).recv_buffer_size().unwrap();
        assert!(size <= 2 * BYTES as usize, "{size}");
    }

    /// What a server sends.
    enum Step {
        /// Pieces of so many bytes until no more are taken, and then read: what comes through a full window comes in large packets.
        Fill(usize),
        /// So many packets of so many bytes, each read before the next: by those the kernel judges what packets take.
        Packets(usize, usize),
    }
    use Step::{Fill, Packets};

    /// How often a read waited as long as a sender does that has nothing but its timer to go by (200 ms).
    async fn waits(steps: &[Step]) -> usize {
        let (mut near, mut far) = pair().await;
        let mut waits = 0;
        for step in steps {
            match *step {
                Fill(size) => {
                    let mut left = fill(&far, size).await;
                    let mut taken = vec![0; 65_536];
                    while left > 0 {
                        let begun = Instant::now();
                        let read = timeout(Duration::from_secs(10), near.read(&mut taken)).await;
                        left -= read.expect("the stream stands still").unwrap();
                        waits += usize::from(begun.elapsed() >= Duration::from_millis(150));
                    }
                }
                Packets(count, size) => {
                    let mut packet = vec![b'y'; size];
                    for _ in 0..count {
                        far.write_all(&packet).await.unwrap();
                        near.read_exact(&mut packet).await.unwrap();
                    }
                }
            }
        }
        waits
    }

    #[tokio::test]
    async fn small_packets_never_make_the_window_too_small_for_the_next_large_one() {
        let sequences = [
            [Fill(400), Packets(50, 540), Packets(50, 549), Fill(400), Fill(400)],
            [Fill(400), Packets(50, 1_500), Packets(50, 1_509), Fill(400), Fill(400)],
            [Fill(400), Packets(50, 700), Packets(50, 600), Fill(700), Fill(700)],
            [Fill(120), Packets(50, 536), Fill(700), Packets(150, 536), Fill(900)],
        ];
        for (number, sequence) in sequences.iter().enumerate() {
            let mut all = 0;
            for _ in 0..6 {
                all += waits(sequence).await;
            }
            // A busy machine may let a read wait as long; a window that is too small does each time.
            assert!(all < 3, "sequence {number}: {all} reads waited for the sender's timer");
        }
    }
}
