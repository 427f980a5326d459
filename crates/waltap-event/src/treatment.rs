//! What is done to a column's values before they are written.

use std::fmt;

use ring::hmac;
use waltap_pgoutput::Value;

use crate::json::hexadecimal;

/// What becomes of a column's values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Treatment {
    /// They are written.
    #[default]
    Keep,
    /// They are left out, as if the table did not have the column.
    Omit,
    /// Something else is written in their place.
    Mask(Mask),
}

/// What is written in place of a value: always text, so a masked column is one of type text. NULL stays null, and a large value that an
/// update did not touch stays untold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mask {
    /// A digest of PostgreSQL's text of the value: equal values have equal digests, and nobody without the salt can tell the value by trying.
    Hash(Salt),
    /// The first characters of PostgreSQL's text of the value, at most so many.
    Truncate(usize),
    /// This text.
    Constant(String),
}

impl Mask {
    /// Whether different values stay different, so that they may be a key.
    pub fn is_distinct(&self) -> bool {
        matches!(self, Mask::Hash(_))
    }

    /// What is written in place of a value. `digest` is where one is kept.
    pub(crate) fn apply<'a>(&'a self, value: Value<'a>, digest: &'a mut Digest) -> Value<'a> {
        let (Value::Text(text) | Value::Binary(text)) = value else { return value };
        Value::Text(match self {
            Mask::Hash(salt) => salt.digest(text, digest),
            Mask::Truncate(characters) => truncated(text, *characters),
            Mask::Constant(constant) => constant.as_bytes(),
        })
    }
}

/// The secret of [`Mask::Hash`].
#[derive(Clone, Debug)]
pub struct Salt(hmac::Key);

impl Salt {
    /// A salt of any length but none.
    pub fn new(secret: &[u8]) -> Option<Self> {
        (!secret.is_empty()).then(|| Salt(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// HMAC-SHA-256 (RFC 2104) with the salt as its key, in hexadecimal.
    fn digest<'a>(&self, text: &[u8], digest: &'a mut Digest) -> &'a [u8] {
        let tag = hmac::sign(&self.0, text);
        for (digits, byte) in digest.0.chunks_exact_mut(2).zip(tag.as_ref()) {
            digits.copy_from_slice(&hexadecimal::digits(*byte));
        }
        &digest.0
    }
}

impl PartialEq for Salt {
    /// Two salts are the same when they give the same digests.
    fn eq(&self, other: &Self) -> bool {
        hmac::sign(&self.0, b"").as_ref() == hmac::sign(&other.0, b"").as_ref()
    }
}

impl Eq for Salt {}

/// The hexadecimal digits of a digest.
pub(crate) struct Digest([u8; 64]);

impl Default for Digest {
    fn default() -> Self {
        Digest([b'0'; 64])
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// The first characters of a text. What is not UTF-8 is counted by its bytes: its characters are not known.
fn truncated(text: &[u8], characters: usize) -> &[u8] {
    let is_utf8 = simdutf8::basic::from_utf8(text).is_ok();
    let begins = |byte: &u8| !is_utf8 || byte & 0xc0 != 0x80;
    let end = text.iter().enumerate().filter(|(_, byte)| begins(byte)).nth(characters).map_or(text.len(), |(index, _)| index);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(mask: &Mask, value: Value<'_>) -> String {
        let mut digest = Digest::default();
        match mask.apply(value, &mut digest) {
            Value::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_digest_is_the_one_of_rfc_4231() {
        // Test case 2.
        let mask = Mask::Hash(Salt::new(b"Jefe").unwrap());
        assert_eq!(
            masked(&mask, Value::Text(b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(Salt::new(b"").is_none());
        assert_eq!(Salt::new(b"a"), Salt::new(b"a"));
        assert_ne!(Salt::new(b"a"), Salt::new(b"b"));
        assert!(!format!("{:?}", Salt::new(b"hunter2")).contains("hunter2"));
    }

    #[test]
    fn characters_are_not_cut_in_two() {
        for (text, characters, cut) in
            [("", 0, ""), ("abc", 0, ""), ("abc", 2, "ab"), ("abc", 9, "abc"), ("äöü", 2, "äö"), ("日本語", 1, "日")]
        {
            assert_eq!(masked(&Mask::Truncate(characters), Value::Text(text.as_bytes())), cut);
        }
        // A name in CP866, every byte of which would be inside of a character in UTF-8.
        assert_eq!(truncated(b"\x88\xa2\xa0\xad\xae\xa2", 1), b"\x88");
        assert_eq!(truncated(b"\x88\xa2", 0), b"");
    }

    #[test]
    fn only_values_are_masked() {
        let mask = Mask::Constant("***".to_owned());
        assert_eq!(masked(&mask, Value::Text(b"secret")), "***");
        assert_eq!(masked(&mask, Value::Null), "Null");
        assert_eq!(masked(&mask, Value::Unchanged), "Unchanged");
    }
}
