//! hstore: `"key"=>"value", "key"=>NULL`.

use super::quoted_length;

/// A quoted string without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted<'a> {
    pub(crate) text: &'a [u8],
    /// Whether there are escapes in it.
    pub(crate) escapes: bool,
}

/// Takes an hstore's text apart.
pub(crate) struct Pairs<'a> {
    rest: &'a [u8],
    first: bool,
}

/// The text is not an hstore as PostgreSQL prints it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Pairs<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Pairs { rest: text, first: true }
    }

    /// The next key and its value, none at the end. A value may be null, a key may not.
    pub(crate) fn next_pair(&mut self) -> Result<Option<(Quoted<'a>, Option<Quoted<'a>>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.first {
            self.skip(b", ").ok_or(Malformed)?;
        }
        self.first = false;
        let key = self.quoted().ok_or(Malformed)?;
        self.skip(b"=>").ok_or(Malformed)?;
        let value = if self.skip(b"NULL").is_some() { None } else { Some(self.quoted().ok_or(Malformed)?) };
        Ok(Some((key, value)))
    }

    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.skip(b"\"")?;
        let (length, escapes) = quoted_length(self.rest)?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest.get(1..)?;
        Some(Quoted { text, escapes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let mut pairs = Pairs::new(br#""a"=>"1", "b c"=>NULL, "q\""=>"""#);
        let plain = |text| Quoted { text, escapes: false };
        assert_eq!(pairs.next_pair(), Ok(Some((plain(b"a"), Some(plain(b"1"))))));
        assert_eq!(pairs.next_pair(), Ok(Some((plain(b"b c"), None))));
        assert_eq!(pairs.next_pair(), Ok(Some((Quoted { text: b"q\\\"", escapes: true }, Some(plain(b""))))));
        assert_eq!(pairs.next_pair(), Ok(None));
        assert_eq!(Pairs::new(b"").next_pair(), Ok(None));
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "a",
            "\"a\"",
            "\"a\"=>",
            "\"a\"=>1",
            "\"a\"=>\"1",
            "a=>1",
            "\"a\\\"=>\"1\"",
            ", ",
            "\"a\"=>\"1\",",
            "\"a\"=>\"1\"\"b\"=>\"1\"",
        ] {
            let mut pairs = Pairs::new(text.as_bytes());
            let refused = loop {
                match pairs.next_pair() {
                    Ok(Some(_)) => {}
                    Ok(None) => break false,
                    Err(Malformed) => break true,
                }
            };
            assert!(refused, "{text}");
        }
    }
}
