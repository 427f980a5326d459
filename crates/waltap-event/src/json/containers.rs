//! The arrays and objects that a document is within.

/// How deep a document may be nested and still be embedded; a deeper one is written as a string, in which nothing of it is lost.
///
/// Readers have bounds of their own (serde_json 128, Jackson 1000) and refuse the whole record beyond them. This leaves room, within the
/// lowest of them, for the envelope and for arrays around the document.
pub(crate) const DEPTH_MAX: u32 = 100;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

/// The containers that are open, the innermost in the lowest bit: set for an object.
#[derive(Default)]
pub(super) struct Open {
    objects: u128,
    depth: u32,
}

const _: () = assert!(DEPTH_MAX <= u128::BITS);

impl Open {
    /// Opens one. None: there are too many.
    pub(super) fn enter(&mut self, container: Container) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(container == Container::Object);
        Some(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.depth == 0
    }

    /// The one that was opened last.
    pub(super) fn innermost(&self) -> Option<Container> {
        let container = if self.objects & 1 == 1 { Container::Object } else { Container::Array };
        (self.depth > 0).then_some(container)
    }

    /// Closes it. None: it is another one.
    pub(super) fn leave(&mut self, container: Container) -> Option<()> {
        if self.innermost()? != container {
            return None;
        }
        self.depth -= 1;
        self.objects >>= 1;
        Some(())
    }
}
