//! A socket that is read late while much comes; see [`Gathering`].
//!
//! While bytes come together the runtime must not hear of the socket at all: it waits for it by epoll(7), and the kernel would wake it for
//! every packet although nobody wants to read. So the socket is taken out of epoll while the stream flows, and put back when it rests.

use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::gathering::{Gathering, OVER_TCP, THROUGH_SMALL_WINDOW};
use super::message_sizes::CurrentSize;
use super::window::Window;

/// How much is read at once: the room for it is made of zeros first.
const READ_BYTES: usize = 64 * 1024;

/// A socket of the runtime, and the same without it. Both never block.
pub(crate) trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin + Sized {
    type Detached: AsFd + Unpin;

    fn detach(self) -> io::Result<Self::Detached>;
    fn attach(detached: Self::Detached) -> io::Result<Self>;
    fn read(detached: &Self::Detached, bytes: &mut [u8]) -> io::Result<usize>;
    fn write(detached: &Self::Detached, bytes: &[u8]) -> io::Result<usize>;
}

macro_rules! socket {
    ($socket:ty, $detached:ty) => {
        impl Socket for $socket {
            type Detached = $detached;

            fn detach(self) -> io::Result<Self::Detached> {
                self.into_std()
            }

            fn attach(detached: Self::Detached) -> io::Result<Self> {
                Self::from_std(detached)
            }

            fn read(mut detached: &Self::Detached, bytes: &mut [u8]) -> io::Result<usize> {
                detached.read(bytes)
            }

            fn write(mut detached: &Self::Detached, bytes: &[u8]) -> io::Result<usize> {
                detached.write(bytes)
            }
        }
    };
}
socket!(TcpStream, net::TcpStream);
socket!(UnixStream, unix::net::UnixStream);

/// A socket that may be read late.
pub(crate) struct Late<S: Socket> {
    state: State<S>,
    /// Boxed: most sessions have none.
    gathering: Option<Box<Gathering>>,
    has_small_window: bool,
    window: Option<Window>,
    /// A write waits for the runtime to say that there is room, which it would not once the socket is taken out.
    write_waits: bool,
}

enum State<S: Socket> {
    Attached(S),
    Detached(S::Detached),
    /// It went while it changed between the two, which only a process without memory or file descriptors sees.
    Gone,
}

impl<S: Socket> Late<S> {
    /// A socket that is read as soon as something is there.
    pub(crate) fn new(socket: S) -> Late<S> {
        Late { state: State::Attached(socket), gathering: None, has_small_window: false, window: None, write_waits: false }
    }

    /// From now on, lets bytes come together.
    pub(super) fn gather(&mut self, gathering: Gathering) {
        self.gathering = Some(Box::new(gathering));
    }

    /// The socket in the runtime.
    fn attached(&mut self) -> io::Result<Pin<&mut S>> {
        if let State::Detached(_) = self.state
            && let State::Detached(socket) = std::mem::replace(&mut self.state, State::Gone)
        {
            self.state = State::Attached(S::attach(socket)?);
        }
        match &mut self.state {
            State::Attached(socket) => Ok(Pin::new(socket)),
            State::Detached(_) | State::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn detach(&mut self) -> io::Result<()> {
        if let State::Attached(_) = self.state
            && let State::Attached(socket) = std::mem::replace(&mut self.state, State::Gone)
        {
            self.state = State::Detached(socket.detach()?);
        }
        Ok(())
    }

    fn suit_window(&mut self, count: usize) {
        let Some(window) = &mut self.window else { return };
        match &self.state {
            State::Attached(socket) => window.note(socket, count),
            State::Detached(socket) => window.note(socket, count),
            State::Gone => {}
        }
    }

    /// Reads what came together. `None`: nothing has.
    fn read_late(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<Option<()>> {
        let State::Detached(socket) = &self.state else { return Ok(None) };
        let room = buffer.initialize_unfilled_to(buffer.remaining().min(READ_BYTES));
        loop {
            match S::read(socket, room) {
                Ok(count) => {
                    buffer.advance(count);
                    return Ok(Some(()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Late<TcpStream> {
    /// The same of a connection that may have a [small window](super::window::connect).
    pub(super) fn with_window(socket: TcpStream, has_small_window: bool) -> Late<TcpStream> {
        Late { has_small_window, ..Late::new(socket) }
    }

    /// From now on, lets packets come together, in the way that suits the path and the messages.
    pub(super) fn gather_packets(&mut self, messages: CurrentSize) -> io::Result<()> {
        let window = self.has_small_window.then(|| Window::new(messages.clone()));
        self.gather(Gathering::new(if window.is_some() { THROUGH_SMALL_WINDOW } else { OVER_TCP }, messages)?);
        self.window = window;
        Ok(())
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.state {
            State::Attached(socket) => socket.peer_addr(),
            State::Detached(socket) => socket.peer_addr(),
            State::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl<S: Socket> AsyncRead for Late<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(gathering) = &mut this.gathering else { return this.attached()?.poll_read(context, buffer) };
        ready!(gathering.poll_ready(context));
        let before = buffer.filled().len();
        if this.read_late(buffer)?.is_none() {
            if let State::Detached(_) = this.state
                && let Some(gathering) = &mut this.gathering
                && gathering.pause()
            {
                ready!(gathering.poll_ready(context));
            }
            ready!(this.attached()?.poll_read(context, buffer))?;
        }
        let count = buffer.filled().len() - before;
        this.suit_window(count);
        if let Some(gathering) = &mut this.gathering
            && count > 0
            && gathering.note(count)
            && !this.write_waits
        {
            this.detach()?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> AsyncWrite for Late<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let State::Detached(socket) = &this.state {
            match S::write(socket, bytes) {
                // The runtime knows how to wait.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                done => return Poll::Ready(done),
            }
        }
        let written = this.attached()?.poll_write(context, bytes);
        this.write_waits = written.is_pending();
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().attached()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::message_sizes::Size;
    use super::super::window;
    use super::*;

    /// Writes in many small pieces, with rests between some; what comes must be the same, in both directions.
    async fn carries_all<S: Socket + Send + 'static>(near: S, mut far: S)
    where
        S::Detached: Send,
    {
        let sent: Vec<u8> = (0..4_000_000_u32).map(|n| (n / 7) as u8).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            for (number, piece) in sent.chunks(300).enumerate() {
                far.write_all(piece).await.unwrap();
                if number % 5_000 == 4_999 {
                    // The other side waits for the next byte by then, and answers.
                    assert_eq!(far.read_u8().await.unwrap(), (number / 5_000) as u8);
                }
            }
            far.shutdown().await.unwrap();
            far
        });
        let mut near = Late::new(near);
        near.gather(Gathering::new(OVER_TCP, CurrentSize::default()).unwrap());
        let (mut received, mut detached, mut answers) = (Vec::with_capacity(1 << 16), 0, 0_u8);
        while near.read_buf(&mut received).await.unwrap() > 0 {
            detached += u32::from(matches!(near.state, State::Detached(_)));
            while received.len() >= (usize::from(answers) + 1) * 5_000 * 300 {
                near.write_u8(answers).await.unwrap();
                answers += 1;
            }
        }
        assert!(received == expected, "{} bytes", received.len());
        assert!(detached > 0, "nothing came together");
        assert_eq!(answers, 2);
        drop(writer.await.unwrap());
    }

    #[tokio::test]
    async fn a_stream_of_large_messages_has_a_wide_window() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, has_small_window) = window::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let buffer = |near: &Late<TcpStream>| match &near.state {
            State::Attached(socket) => SockRef::from(socket).recv_buffer_size().unwrap(),
            State::Detached(socket) => SockRef::from(socket).recv_buffer_size().unwrap(),
            State::Gone => panic!("the socket is gone"),
        };
        let mut near = Late::with_window(near, has_small_window);
        let messages = CurrentSize::default();
        near.gather_packets(messages.clone()).unwrap();
        let (before, mut taken) = (buffer(&near), [0; 1_000]);
        for (size, is_wider) in [(Size::Small, false), (Size::Large, true)] {
            messages.set(size);
            far.write_all(&[1; 1_000]).await.unwrap();
            near.read_exact(&mut taken).await.unwrap();
            assert_eq!(buffer(&near) > before, is_wider, "{before}, {}", buffer(&near));
        }
    }

    #[tokio::test]
    async fn a_write_that_waits_for_room_goes_on_while_much_is_read() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut near = Late::new(near);
        near.gather(Gathering::new(OVER_TCP, CurrentSize::default()).unwrap());
        let (mut near_reader, mut near_writer) = tokio::io::split(near);
        let (mut far_reader, mut far_writer) = far.into_split();
        let written = tokio::spawn(async move { near_writer.write_all(&[1; 4_000_000]).await });
        let reading = tokio::spawn(async move {
            let mut received = Vec::with_capacity(1 << 16);
            while near_reader.read_buf(&mut received).await.unwrap() > 0 {}
            received.len()
        });
        // Nobody makes room meanwhile.
        for _ in 0..20_000 {
            far_writer.write_all(&[2; 300]).await.unwrap();
        }
        let mut taken = vec![0; 4_000_000];
        let whole = tokio::time::timeout(std::time::Duration::from_secs(20), far_reader.read_exact(&mut taken)).await;
        whole.expect("the write has stopped").unwrap();
        written.await.unwrap().unwrap();
        far_writer.shutdown().await.unwrap();
        assert_eq!(reading.await.unwrap(), 6_000_000);
    }

    #[tokio::test]
    async fn nothing_is_lost_between_late_reads_and_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        near.set_nodelay(true).unwrap();
        let (far, _) = listener.accept().await.unwrap();
        carries_all(near, far).await;
        let (near, far) = UnixStream::pair().unwrap();
        carries_all(near, far).await;
    }
}
