//! What we tell the server about how far we are.

use crate::{Lsn, PgTime};

/// The length of a standby status update.
pub const STANDBY_STATUS_BYTES: usize = 34;

/// A standby status update, `r`: the content of a `CopyData` frame to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandbyStatus {
    /// The end of what we have received.
    pub write: Lsn,
    /// The end of what is safe. **The server forgets the log before it**, so nothing but a durable place may stand here.
    pub flush: Lsn,
    /// The end of what is applied; counts only for monitoring and for `synchronous_commit = remote_apply`.
    pub apply: Lsn,
    /// Our clock.
    pub sent_at: PgTime,
    /// Ask for a keepalive at once.
    pub reply_requested: bool,
}

/// The bytes of a standby status update.
///
/// The server takes the LSNs as the places after the last byte, as they are here ([`Commit::end_lsn`](crate::Commit::end_lsn) fits as it is).
pub fn encode_standby_status(status: &StandbyStatus) -> [u8; STANDBY_STATUS_BYTES] {
    let mut frame = [0; STANDBY_STATUS_BYTES];
    frame[0] = b'r';
    frame[1..9].copy_from_slice(&status.write.0.to_be_bytes());
    frame[9..17].copy_from_slice(&status.flush.0.to_be_bytes());
    frame[17..25].copy_from_slice(&status.apply.0.to_be_bytes());
    frame[25..33].copy_from_slice(&status.sent_at.0.to_be_bytes());
    frame[33] = u8::from(status.reply_requested);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_manual_puts_them() {
        let status = StandbyStatus {
            write: Lsn(0x0102_0304_0506_0708),
            flush: Lsn(0x1112_1314_1516_1718),
            apply: Lsn(0x2122_2324_2526_2728),
            sent_at: PgTime(-2),
            reply_requested: true,
        };
        let mut expected = vec![b'r', 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
        expected.extend([0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28]);
        expected.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 1]);
        assert_eq!(encode_standby_status(&status).as_slice(), expected);
        let quiet = StandbyStatus { reply_requested: false, ..status };
        assert_eq!(encode_standby_status(&quiet).last(), Some(&0));
    }
}
