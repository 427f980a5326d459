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

use tokio::net::{TcpSocket, TcpStream};

/// What the kernel is asked for; it takes twice as much, for what it keeps beside the bytes (socket(7), SO_RCVBUF).
const BYTES: u32 = 16 * 1024;

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

/// Connects with a small window. It has to be small from the beginning: a sender that was once given a large one waits for half of that.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(BYTES)?;
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_is_told_from_what_is_not() {
        for (address, here) in [("127.0.0.1:5432", true), ("127.8.9.1:1", true), ("[::1]:5432", true), ("192.0.2.7:5432", false)]
        {
            assert_eq!(is_here(address.parse().unwrap()), here, "{address}");
        }
    }

    #[tokio::test]
    async fn the_window_is_small_from_the_beginning() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = connect(listener.local_addr().unwrap()).await.unwrap();
        let size = socket2::SockRef::from(&near).recv_buffer_size().unwrap();
        assert!(size <= 2 * BYTES as usize, "{size}");
    }
}
