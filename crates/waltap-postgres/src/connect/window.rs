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

/// The largest segment that we let the server send (tcp(7), TCP_MAXSEG), less than the least window.
///
/// Linux makes the window smaller and larger by how much of its buffer packets take beside their bytes (`scaling_ratio`, from 6.5 on): after many
/// that are small it is a fourth of what it was. A sender, though, waits until a whole segment fits, and without a bound its segments are half of
/// the largest window that it was ever given. Where they fit no more, it sends what does fit every 200 ms, and later less often, for ever. Behind a
/// full window segments come together in large pieces all the same: the bound costs nothing that could be measured.
const SEGMENT_BYTES: u32 = 1024;

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
    socket.set_recv_buffer_size(BYTES)?;
    SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES)?;
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    async fn fill(far: &TcpStream) -> usize {
        let mut bytes = 0;
        far.writable().await.unwrap();
        while let Ok(written) = far.try_write(&[b'x'; 400]) {
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

    #[tokio::test]
    async fn small_packets_never_make_the_window_too_small_for_the_next_large_one() {
        for size in [100, 540, 600, 1_000, 1_500] {
            let (mut near, mut far) = pair().await;
            for round in 0..3 {
                // The window is full: what comes through it comes in large pieces.
                let mut waiting = vec![0; fill(&far).await];
                let read = timeout(Duration::from_secs(10), near.read_exact(&mut waiting)).await;
                assert!(read.is_ok(), "round {round} stands still after packets of {size} bytes");
                read.unwrap().unwrap();
                // Each is a packet of its own, by which the kernel judges how much of its buffer is taken by what is not bytes.
                for more in 0..100 {
                    let mut packet = vec![b'y'; size + more / 10];
                    far.write_all(&packet).await.unwrap();
                    near.read_exact(&mut packet).await.unwrap();
                }
            }
        }
    }
}
