//! What tells whether bytes are the same.

use std::fmt::Write;

use ring::digest::{Context, SHA256};

/// The SHA-256 of bytes that come in parts, in hexadecimal digits.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut context = Context::new(&SHA256);
    parts.into_iter().for_each(|part| context.update(part));
    let mut text = String::with_capacity(64);
    for byte in context.finish().as_ref() {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
