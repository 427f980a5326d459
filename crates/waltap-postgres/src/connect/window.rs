//! A small receive window where the server is on the same machine.
//!
//! A walsender gives each change to the kernel by itself. Over loopback each becomes a packet of its own, with all that TCP does for one, which costs
//! the walsender more than decoding: unless the window is full. Then what it sends comes together in its own buffer, and goes out in pieces as large as
//! the window once we read. So a window of a few packets, read late and then until nothing is left, halves what a change costs both sides.
//!
//! Large changes need no such help, and a window of a few of them has both sides wait for each other: while those come it is wider. It can be no wider
//! than was agreed upon at first, though; where it is known that most changes are large, it is the kernel's from the beginning.
//!
//! Over a network it would cost more than it saves: no more than a window is on its way at a time. There the network device lets packets wait and come
//! together.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use super::message_sizes::{CurrentSize, Size};

/// What the kernel is asked for; it takes twice as much, for what it keeps beside the bytes (socket(7), SO_RCVBUF).
const BYTES: u32 = 32 * 1024;

/// The same while messages are large: as much as a window can be that began with the other one (RFC 7323, 2.2: the scale is agreed upon at first).
const WIDE_BYTES: u32 = 64 * 1024 - 1;

/// The largest segment that we let the server send (tcp(7), TCP_MAXSEG; RFC 9293, 3.7.1): what every peer may send unasked, by which Linux too judges
/// at first whether a window is worth telling of.
///
/// Linux makes the window smaller and larger by how much of its buffer packets take beside their bytes (`scaling_ratio`, from 6.5 on): after many
/// that are small it is a fourth of what it was. A sender, though, waits until a whole segment fits, and without a bound its segments are half of
/// the largest window that it was ever given. Where they fit no more, it sends what does fit every 200 ms, and later less often, for ever. With
/// segments of 1,024 bytes it still stands for 200 ms now and then. Behind a full window segments come together in large pieces all the same.
const SEGMENT_BYTES: u32 = 536;

/// Of changes that take so many bytes or more on average the kernel's window is the better one, by measurement: of 8 kB come a fifth more, and of
/// 6.5 as many for less of our processor time; of 5 kB come fewer.
const LARGE_CHANGE_BYTES: u64 = 6 * 1024;

/// Whether a small window helps with changes of so many bytes from there; as long as that is not known, they are taken for small.
pub(super) fn helps(address: SocketAddr, change_bytes: Option<u64>) -> bool {
    is_here(address) && change_bytes.is_none_or(|bytes| bytes < LARGE_CHANGE_BYTES)
}

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

/// Connects with a small window and small segments, which both have to be so from the beginning. Says whether they are.
pub(super) async fn connect(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The window alone would do harm. Without either the stream is as it is over a network.
    let narrowed = SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES).and_then(|()| socket.set_recv_buffer_size(BYTES));
    match &narrowed {
        Ok(()) => tracing::debug!(%address, "the server is on this machine: the stream is read through a small window"),
        Err(error) => tracing::debug!(%address, %error, "no small window"),
    }
    Ok((socket.connect(address).await?, narrowed.is_ok()))
}

/// The window of a connection that was made by [`connect`].
#[derive(Debug)]
pub(super) struct Window {
    width: Width,
    messages: CurrentSize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Small,
    Wide,
    /// What we promised to take still has to come before the buffer may be smaller, or the kernel would have to throw some of it away.
    Promised {
        left: usize,
    },
    /// The kernel has refused to change it.
    Fixed,
}

impl Window {
    /// Of a connection that has a small one.
    pub(super) fn new(messages: CurrentSize) -> Window {
        Window { width: Width::Small, messages }
    }

    /// So many bytes were read just now: has the window suit the messages.
    pub(super) fn note(&mut self, socket: &impl AsFd, count: usize) {
        let changed = match (self.width, self.messages.get() > Size::Small) {
            (Width::Small, false) | (Width::Wide, true) | (Width::Fixed, _) => return,
            (Width::Small, true) => buffer(socket, WIDE_BYTES).and_then(|()| clamp(socket, WIDE_BYTES)).map(|()| Width::Wide),
            (Width::Promised { .. }, true) => clamp(socket, WIDE_BYTES).map(|()| Width::Wide),
            (Width::Wide, false) => clamp(socket, BYTES).map(|()| Width::Promised { left: WIDE_BYTES as usize }),
            // Each time, since the kernel sets a bound of its own when packets change in size.
            (Width::Promised { left }, false) if left > count => {
                clamp(socket, BYTES).map(|()| Width::Promised { left: left - count })
            }
            (Width::Promised { .. }, false) => buffer(socket, BYTES).map(|()| Width::Small),
        };
        self.width = changed.unwrap_or_else(|error| {
            tracing::debug!(%error, "the window stays as it is");
            Width::Fixed
        });
    }
}

fn buffer(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(bytes as usize)
}

/// Bounds the window that the kernel offers (tcp(7), TCP_WINDOW_CLAMP), which is else what it was bounded to when the connection was made.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn clamp(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    let size = libc::socklen_t::try_from(size_of::<u32>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel reads `size` bytes of a number that outlives the call.
    let result = unsafe {
        let descriptor = socket.as_fd().as_raw_fd();
        libc::setsockopt(descriptor, libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP, std::ptr::from_ref(&bytes).cast(), size)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn clamp(_: &impl AsFd, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
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
        let (near, is_small) = connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(is_small);
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

    /// How much was read, and whether that waited as long as a sender does that has nothing but its timer to go by (200 ms).
    async fn timed_read(near: &mut TcpStream, taken: &mut [u8]) -> (usize, bool) {
        let begun = Instant::now();
        let read = timeout(Duration::from_secs(10), near.read(taken)).await;
        (read.expect("the stream stands still").unwrap(), begun.elapsed() >= Duration::from_millis(150))
    }

    #[test]
    fn what_is_here_is_told_from_what_is_not() {
        for (address, here) in [("127.0.0.1:5432", true), ("127.8.9.1:1", true), ("[::1]:5432", true), ("192.0.2.7:5432", false)]
        {
            assert_eq!(is_here(address.parse().unwrap()), here, "{address}");
        }
    }

    #[test]
    fn large_changes_and_other_machines_want_no_small_window() {
        let helps = |address: &str, bytes| helps(address.parse().unwrap(), bytes);
        for (bytes, expected) in [(None, true), (Some(200), true), (Some(6_143), true), (Some(6_144), false)] {
            assert_eq!(helps("127.0.0.1:5432", bytes), expected, "{bytes:?}");
            assert!(!helps("192.0.2.7:5432", bytes), "{bytes:?}");
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

    /// How often a read waited for the sender's timer.
    async fn waits(steps: &[Step]) -> usize {
        let (mut near, mut far) = pair().await;
        let mut waits = 0;
        for step in steps {
            match *step {
                Fill(size) => {
                    let mut left = fill(&far, size).await;
                    let mut taken = vec![0; 65_536];
                    while left > 0 {
                        let (read, has_waited) = timed_read(&mut near, &mut taken).await;
                        (left, waits) = (left - read, waits + usize::from(has_waited));
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

    /// Fills what the stream holds with such pieces and reads it, until so many bytes were read. How often a read waited for the sender's timer.
    async fn stream(near: &mut TcpStream, far: &TcpStream, window: &mut Window, size: usize, bytes: usize) -> usize {
        let (mut all, mut left, mut waits, mut taken) = (0, 0, 0, vec![0; 65_536]);
        while all < bytes {
            left += fill(far, size).await;
            while left > 0 {
                let (read, has_waited) = timed_read(near, &mut taken).await;
                window.note(near, read);
                (left, all, waits) = (left - read, all + read, waits + usize::from(has_waited));
            }
        }
        waits
    }

    /// The most that comes at once behind a full window.
    async fn width(near: &mut TcpStream, far: &TcpStream) -> usize {
        let (mut most, mut taken) = (0, vec![0; 1 << 20]);
        for _ in 0..5 {
            let mut left = fill(far, 8_000).await;
            most = most.max(near.peek(&mut taken).await.unwrap());
            while left > 0 {
                left -= near.read(&mut taken).await.unwrap();
            }
        }
        most
    }

    #[tokio::test]
    async fn the_window_is_wide_while_messages_are_large_and_nothing_waits_when_it_changes() {
        let (mut near, far) = pair().await;
        let messages = CurrentSize::default();
        let mut window = Window::new(messages.clone());
        let mut waits = 0;
        for _ in 0..10 {
            messages.set(Size::Small);
            waits += stream(&mut near, &far, &mut window, 300, 1_000_000).await;
            assert_eq!(window.width, Width::Small);
            assert!(SockRef::from(&near).recv_buffer_size().unwrap() <= 2 * BYTES as usize);
            // How much of its buffer the kernel offers goes by what packets have taken lately.
            let small = width(&mut near, &far).await;
            messages.set(Size::Huge);
            waits += stream(&mut near, &far, &mut window, 8_000, 1_000_000).await;
            assert_eq!(window.width, Width::Wide);
            let wide = width(&mut near, &far).await;
            assert!(wide > small, "{wide} and {small} bytes");
        }
        assert!(waits < 3, "{waits} reads waited for the sender's timer");
    }
}
