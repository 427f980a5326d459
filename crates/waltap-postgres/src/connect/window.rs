//! A small receive window where the server is on the same machine.
//!
//! A walsender gives each change to the kernel by itself. Over loopback each becomes a packet of its own, with all that TCP does for one, which costs
//! the walsender more than decoding: unless the window is full. Then what it sends comes together in its own buffer, and goes out in pieces as large as
//! the window once we read. So a window of a few packets, read late and then until nothing is left, halves what a change costs both sides.
//!
//! Over a network it would cost more than it saves: no more than a window is on its way at a time. There the network device lets packets wait and come
//! together.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;
use tokio::net::TcpStream;

/// What the kernel is asked for; it takes twice as much, for what it keeps beside the bytes (socket(7), SO_RCVBUF).
const BYTES: usize = 16 * 1024;

/// Whether both ends of a connection are on this machine, as far as their addresses tell.
pub(super) fn is_on_one_machine(near: SocketAddr, far: SocketAddr) -> bool {
    near.ip() == far.ip() || far.ip().is_loopback()
}

/// Lets only so much come before it is read.
pub(super) fn narrow(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(BYTES)
}
