//! Whether the messages of a stream are large, by which its [window](super::window) goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// From so many bytes on, on average, messages are large. Below three quarters of it they are small again.
const LARGE_BYTES: usize = 512;

/// Over how many bytes it is seen how large they are.
const LOOK_BYTES: usize = 256 * 1024;

/// Whether messages are large: what who takes them out of the stream lets who reads the socket know.
#[derive(Clone, Debug, Default)]
pub(crate) struct LargeMessages(Arc<AtomicBool>);

impl LargeMessages {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, are_large: bool) {
        self.0.store(are_large, Ordering::Relaxed);
    }
}

/// How large the messages of a stream are.
#[derive(Debug)]
pub(crate) struct MessageSizes {
    bytes: usize,
    messages: usize,
    are_large: LargeMessages,
}

impl MessageSizes {
    /// Lets `are_large` know.
    pub(crate) fn new(are_large: LargeMessages) -> MessageSizes {
        MessageSizes { bytes: 0, messages: 0, are_large }
    }

    /// The next message has so many bytes.
    pub(crate) fn note(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.messages += 1;
        if self.bytes >= LOOK_BYTES {
            let least = if self.are_large.get() { LARGE_BYTES * 3 / 4 } else { LARGE_BYTES };
            self.are_large.set(self.bytes >= self.messages * least);
            (self.bytes, self.messages) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_large_by_what_came_lately() {
        let are_large = LargeMessages::default();
        let mut sizes = MessageSizes::new(are_large.clone());
        let mut after = |bytes: usize, of: &[usize]| {
            for size in of.iter().cycle().take(bytes * of.len() / of.iter().sum::<usize>()) {
                sizes.note(*size);
            }
            are_large.get()
        };
        assert!(!after(LOOK_BYTES / 2, &[8_000]), "too few to tell");
        assert!(after(LOOK_BYTES, &[8_000]), "rows of 8 kB");
        assert!(after(2 * LOOK_BYTES, &[400]), "about as large as what is large");
        assert!(!after(2 * LOOK_BYTES, &[26, 200, 30]), "a row a transaction");
        assert!(!after(2 * LOOK_BYTES, &[400]), "about as small as what is small");
        assert!(after(2 * LOOK_BYTES, &[26, 8_000, 30]), "a large row a transaction");
    }
}
