//! How large the messages of a stream are, by which it is decided [how late](super::gathering) and through what [window](super::window) it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Over how many bytes it is seen how large messages are.
const LOOK_BYTES: usize = 256 * 1024;

/// How large messages are on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    #[default]
    Small,
    Large,
    Huge,
}

impl Size {
    /// From so many bytes on; once messages have a size they keep it down to three quarters of that.
    fn least_bytes(self) -> usize {
        match self {
            Size::Small => 0,
            Size::Large => 512,
            Size::Huge => 4096,
        }
    }
}

/// What who takes messages out of a stream lets who reads the socket know.
#[derive(Clone, Debug, Default)]
pub(crate) struct CurrentSize(Arc<AtomicU8>);

impl CurrentSize {
    pub(super) fn get(&self) -> Size {
        let number = self.0.load(Ordering::Relaxed);
        [Size::Small, Size::Large, Size::Huge].into_iter().find(|size| *size as u8 == number).unwrap_or_default()
    }

    pub(super) fn set(&self, size: Size) {
        self.0.store(size as u8, Ordering::Relaxed);
    }
}

/// The messages that came lately.
#[derive(Debug)]
pub(crate) struct MessageSizes {
    bytes: usize,
    messages: usize,
    current: CurrentSize,
}

impl MessageSizes {
    /// Lets `current` know.
    pub(crate) fn new(current: CurrentSize) -> MessageSizes {
        MessageSizes { bytes: 0, messages: 0, current }
    }

    /// The next message has so many bytes.
    pub(crate) fn note(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.messages += 1;
        if self.bytes >= LOOK_BYTES {
            let current = self.current.get();
            let is = |size: &Size| {
                let least = if *size <= current { size.least_bytes() * 3 / 4 } else { size.least_bytes() };
                self.bytes >= self.messages * least
            };
            self.current.set([Size::Huge, Size::Large].into_iter().find(is).unwrap_or_default());
            (self.bytes, self.messages) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_large_by_what_came_lately() {
        let current = CurrentSize::default();
        let mut sizes = MessageSizes::new(current.clone());
        let mut after = |bytes: usize, of: &[usize]| {
            for size in of.iter().cycle().take(bytes * of.len() / of.iter().sum::<usize>()) {
                sizes.note(*size);
            }
            current.get()
        };
        assert_eq!(after(LOOK_BYTES / 2, &[8_000]), Size::Small, "too few to tell");
        assert_eq!(after(LOOK_BYTES, &[8_000]), Size::Huge, "rows of 8 kB");
        assert_eq!(after(2 * LOOK_BYTES, &[3_500]), Size::Huge, "about as large as what is huge");
        assert_eq!(after(2 * LOOK_BYTES, &[400]), Size::Large, "about as large as what is large");
        assert_eq!(after(2 * LOOK_BYTES, &[3_500]), Size::Large, "not yet huge");
        assert_eq!(after(2 * LOOK_BYTES, &[26, 200, 30]), Size::Small, "a row a transaction");
        assert_eq!(after(2 * LOOK_BYTES, &[400]), Size::Small, "about as small as what is small");
        assert_eq!(after(2 * LOOK_BYTES, &[26, 8_000, 30]), Size::Large, "a huge row a transaction");
    }
}
