//! Which announcement of a table is the newest: one of the stream itself, or one within a transaction that waits for its commit.
//!
//! The server announces a table to the stream and to each open transaction apart. What a transaction was told while it was open may be older than
//! what the stream has been told since, and is taken when the transaction is sent: then the stream's own word has to be taken again.

use std::collections::HashMap;

/// The announcements of a session, as far as they can get out of order.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// Counts announcements.
    next: u64,
    /// By transaction and table: the number of the last announcement within it.
    gathered: HashMap<(u32, u32), u64>,
    /// By table: the last announcement to the stream itself since something was gathered.
    plain: HashMap<u32, (u64, Vec<u8>)>,
}

impl Announcements {
    /// Notes an announcement within a transaction that waits.
    pub(super) fn note_gathered(&mut self, xid: u32, relation: u32) {
        self.next += 1;
        self.gathered.insert((xid, relation), self.next);
    }

    /// Notes an announcement to the stream itself.
    pub(super) fn note_plain(&mut self, relation: u32, message: &[u8]) {
        if !self.gathered.is_empty() {
            self.next += 1;
            self.plain.insert(relation, (self.next, message.to_vec()));
        }
    }

    /// Ends a transaction: answers the messages that are newer than what it was told.
    pub(super) fn end(&mut self, xid: u32) -> Vec<Vec<u8>> {
        let mut newer = Vec::new();
        self.gathered.retain(|(of, relation), number| {
            if *of == xid
                && let Some((_, message)) = self.plain.get(relation).filter(|(plain, _)| plain > number)
            {
                newer.push(message.clone());
            }
            *of != xid
        });
        if self.gathered.is_empty() {
            self.plain.clear();
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stream_was_told_since_is_told_again() {
        let mut announcements = Announcements::default();
        announcements.note_plain(5, b"before anything waits");
        announcements.note_gathered(1, 5);
        announcements.note_gathered(1, 6);
        announcements.note_plain(5, b"new");
        announcements.note_gathered(2, 5);
        assert_eq!(announcements.end(2), Vec::<Vec<u8>>::new(), "it was told later");
        assert_eq!(announcements.end(1), [b"new".to_vec()]);
        assert_eq!(announcements.end(1), Vec::<Vec<u8>>::new());
        assert!(announcements.plain.is_empty());
    }
}
