//! The bytes that were read, and the messages in them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much is read at once when there is much: enough for hundreds of rows, little beside the memory of a tap.
const BUFFER_BYTES: usize = 256 * 1024;

/// A buffer that has grown is kept up to this size: large messages seldom come alone.
const KEPT_BYTES: usize = 2 * BUFFER_BYTES;

/// Reading stops to be worth while below this much room.
const ROOM_BYTES_MIN: usize = 16 * 1024;

/// The longest message. PostgreSQL builds a message in a buffer of at most 1 GiB; what claims to be longer is not one.
const MESSAGE_BYTES_MAX: usize = (1 << 30) + 64 * 1024;

/// Tag and length.
const HEADER_BYTES: usize = 5;

/// A message claims a length that none has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImpossibleLength {
    pub(super) tag: u8,
    pub(super) length: u32,
}

/// Where a whole message stands in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) tag: u8,
    start: usize,
    end: usize,
}

/// One buffer, which messages are borrowed from.
pub(super) struct Inbox {
    /// Made of zeros once, and not for each read.
    buffer: Vec<u8>,
    /// What before this was read.
    filled: usize,
    /// What before this was taken.
    taken: usize,
    /// How long the next message is, header included, when it is known and not whole yet.
    awaited: usize,
}

impl Inbox {
    /// An inbox that begins with what was read already.
    pub(super) fn new(rest: &[u8]) -> Inbox {
        Inbox { buffer: begin_with(rest, BUFFER_BYTES.max(rest.len())), filled: rest.len(), taken: 0, awaited: 0 }
    }

    /// Takes the next message, if it is whole.
    pub(super) fn next(&mut self) -> Result<Option<Envelope>, ImpossibleLength> {
        let unread = self.buffer.get(self.taken..self.filled).unwrap_or_default();
        let Some(&[tag, a, b, c, d]) = unread.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]);
        // The length counts itself and not the tag.
        let whole = length as usize + 1;
        if !(HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&whole) {
            return Err(ImpossibleLength { tag, length });
        }
        if unread.len() < whole {
            self.awaited = whole;
            return Ok(None);
        }
        let start = self.taken + HEADER_BYTES;
        self.taken += whole;
        self.awaited = 0;
        Ok(Some(Envelope { tag, start, end: self.taken }))
    }

    /// What a message holds.
    pub(super) fn content(&self, envelope: Envelope) -> &[u8] {
        self.buffer.get(envelope.start..envelope.end).unwrap_or_default()
    }

    /// Waits for bytes, then takes all that is there, up to the room of the buffer. Says how many came; 0 means that no more will. Cancel
    /// safe: a byte is either in the inbox or still with the kernel.
    pub(super) async fn fill(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        self.make_room();
        let before = self.filled;
        // The one place that reads: how much is gathered before it wakes belongs here.
        poll_fn(|context| {
            loop {
                let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
                if room.is_empty() {
                    return Poll::Ready(Ok(self.filled - before));
                }
                match pin!(reader.read(room)).poll(context) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Ok(self.filled - before)),
                    Poll::Ready(Ok(count)) => self.filled += count,
                    // What came before the error is delivered first; the error comes again.
                    Poll::Ready(Err(_)) | Poll::Pending if self.filled > before => {
                        return Poll::Ready(Ok(self.filled - before));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Moves what is left to the front. The buffer grows for large messages, and gives back what a very large one needed.
    fn make_room(&mut self) {
        let left = self.filled - self.taken;
        let wanted = if self.awaited > left { self.awaited } else { left + ROOM_BYTES_MIN };
        let size = self.buffer.len();
        if wanted > size {
            // Whoever fills without taking needs more again soon.
            let new = if self.awaited > left { wanted } else { left + BUFFER_BYTES };
            self.move_to(new);
        } else if size > KEPT_BYTES && wanted <= KEPT_BYTES {
            self.move_to(wanted.max(BUFFER_BYTES));
        } else if self.taken > 0 {
            self.buffer.copy_within(self.taken..self.filled, 0);
        }
        (self.taken, self.filled) = (0, left);
    }

    /// Begins another buffer with what is left.
    fn move_to(&mut self, bytes: usize) {
        self.buffer = begin_with(self.buffer.get(self.taken..self.filled).unwrap_or_default(), bytes);
    }
}

/// A buffer of so many bytes. The kernel makes the zeros of a large one, when they are touched.
fn begin_with(start: &[u8], bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    if let Some(place) = buffer.get_mut(..start.len()) {
        place.copy_from_slice(start);
    }
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend(u32::try_from(content.len() + 4).unwrap().to_be_bytes());
        bytes.extend(content);
        bytes
    }

    #[tokio::test]
    async fn messages_come_out_however_the_bytes_come_in() {
        let sizes = [0, 1, 17, 300, 70_000, 5, BUFFER_BYTES * 3, KEPT_BYTES * 3, 2, 0];
        // Byte by byte takes its time: without the large ones.
        for (chunk, largest) in [(1, 300), (4096, usize::MAX), (1 << 20, usize::MAX)] {
            let sizes = sizes.iter().filter(|size| **size <= largest);
            let sent: Vec<Vec<u8>> = sizes.enumerate().map(|(index, size)| vec![index as u8; *size]).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|content| message(b'd', content)).collect();
            let (mut near, mut far) = tokio::io::duplex(chunk);
            let writer = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut far, &bytes).await });
            let mut inbox = Inbox::new(&[]);
            let mut received = Vec::new();
            while inbox.fill(&mut near).await.unwrap() > 0 {
                while let Some(envelope) = inbox.next().unwrap() {
                    received.push(inbox.content(envelope).to_vec());
                }
            }
            writer.await.unwrap().unwrap();
            assert!(received == sent, "chunks of {chunk}");
            inbox.make_room();
            assert!(inbox.buffer.len() <= 2 * BUFFER_BYTES, "{}", inbox.buffer.len());
        }
    }

    #[tokio::test]
    async fn the_buffer_of_a_large_message_serves_those_that_follow() {
        let large = message(b'd', &vec![7; BUFFER_BYTES + 50_000]);
        let mut inbox = Inbox::new(&[]);
        let mut buffers = std::collections::HashSet::new();
        for _ in 0..5 {
            let mut bytes = &large[..];
            while !bytes.is_empty() {
                assert!(inbox.fill(&mut bytes).await.unwrap() > 0);
            }
            assert!(inbox.next().unwrap().is_some());
            buffers.insert(inbox.buffer.as_ptr());
        }
        assert_eq!(buffers.len(), 1);
    }

    #[tokio::test]
    async fn what_is_filled_without_being_taken_grows_in_few_steps() {
        let bytes = vec![b'd'; BUFFER_BYTES * 4];
        let mut bytes = &bytes[..];
        let mut inbox = Inbox::new(&[]);
        let mut fills = 0;
        while !bytes.is_empty() {
            assert!(inbox.fill(&mut bytes).await.unwrap() > 0);
            fills += 1;
        }
        assert!(fills <= 5, "{fills}");
    }

    #[test]
    fn impossible_lengths_are_refused_at_once() {
        for length in [0_u32, 3, (1 << 30) + (1 << 20), u32::MAX] {
            let mut header = vec![b'd'];
            header.extend(length.to_be_bytes());
            assert_eq!(Inbox::new(&header).next(), Err(ImpossibleLength { tag: b'd', length }));
        }
        assert_eq!(Inbox::new(b"d\0\0\0").next(), Ok(None));
    }
}
