//! Arrays: `{1,NULL,"two words"}`, `[2:3]={{1},{2}}` (PostgreSQL manual, "Array Input and Output Syntax").

use super::quoted_length;

/// How many dimensions PostgreSQL's arrays have at most (`MAXDIM` in its source).
pub(crate) const DIMENSIONS_MAX: usize = 6;

/// A piece of an array's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Open,
    Close,
    Delimiter,
    Null,
    /// An element as it is.
    Element(&'a [u8]),
    /// A quoted element with escapes in it, without its quotes.
    Escaped(&'a [u8]),
}

/// What may come next.
#[derive(Clone, Copy)]
enum Expect {
    Open,
    ItemOrClose,
    Item,
    DelimiterOrClose,
}

/// Takes an array's text apart.
pub(crate) struct Lexer<'a> {
    rest: &'a [u8],
    delimiter: u8,
    depth: usize,
    expect: Expect,
}

/// The bytes that stand in no element without quotes, besides the delimiter.
const ENDS_BARE_ELEMENT: [bool; 256] = {
    let mut ends = [false; 256];
    let mut index = 0;
    while index < 4 {
        ends[b"{}\"\\"[index] as usize] = true;
        index += 1;
    }
    ends
};

/// The text is not an array as PostgreSQL prints it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8], delimiter: u8) -> Self {
        Lexer { rest: after_bounds(text), delimiter, depth: 0, expect: Expect::Open }
    }

    /// The next token; none at the end of a whole array.
    // A call for each token would cost about as much as the token.
    #[inline(always)]
    pub(crate) fn next_token(&mut self) -> Result<Option<Token<'a>>, Malformed> {
        let Some((byte, after)) = self.rest.split_first() else {
            let whole = self.depth == 0 && matches!(self.expect, Expect::DelimiterOrClose);
            return if whole { Ok(None) } else { Err(Malformed) };
        };
        let token = match (self.expect, *byte) {
            (Expect::Open | Expect::Item | Expect::ItemOrClose, b'{') if self.depth < DIMENSIONS_MAX => {
                self.depth += 1;
                self.expect = Expect::ItemOrClose;
                self.rest = after;
                Token::Open
            }
            (Expect::ItemOrClose | Expect::DelimiterOrClose, b'}') if self.depth > 0 => {
                self.depth -= 1;
                self.expect = Expect::DelimiterOrClose;
                self.rest = after;
                Token::Close
            }
            (Expect::DelimiterOrClose, byte) if byte == self.delimiter && self.depth > 0 => {
                self.expect = Expect::Item;
                self.rest = after;
                Token::Delimiter
            }
            (Expect::Item | Expect::ItemOrClose, b'"') => {
                let (length, escapes) = quoted_length(after).ok_or(Malformed)?;
                let (quoted, rest) = after.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest.get(1..).ok_or(Malformed)?;
                self.expect = Expect::DelimiterOrClose;
                if escapes { Token::Escaped(quoted) } else { Token::Element(quoted) }
            }
            (Expect::Item | Expect::ItemOrClose, _) => self.bare_element()?,
            _ => return Err(Malformed),
        };
        Ok(Some(token))
    }

    #[inline]
    fn bare_element(&mut self) -> Result<Token<'a>, Malformed> {
        let ends = |byte: &u8| *byte == self.delimiter || ENDS_BARE_ELEMENT[usize::from(*byte)];
        let length = self.rest.iter().position(ends).ok_or(Malformed)?;
        let (element, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        if element.is_empty() {
            return Err(Malformed);
        }
        self.rest = rest;
        self.expect = Expect::DelimiterOrClose;
        // A string that reads NULL is quoted.
        Ok(if element == b"NULL" { Token::Null } else { Token::Element(element) })
    }
}

/// Leaves out the bounds, `[2:3][0:1]=`, that are printed where they do not begin at 1.
fn after_bounds(text: &[u8]) -> &[u8] {
    let is_bound = |byte: &u8| matches!(byte, b'[' | b']' | b':' | b'-' | b'0'..=b'9');
    match text.iter().position(|byte| !is_bound(byte)) {
        Some(end) if end > 0 && text.get(end) == Some(&b'=') => text.get(end + 1..).unwrap_or(text),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Token::{Close, Delimiter, Element, Escaped, Null, Open};
    use super::*;

    fn tokens(text: &str, delimiter: u8) -> Result<Vec<Token<'_>>, Malformed> {
        let mut lexer = Lexer::new(text.as_bytes(), delimiter);
        let mut tokens = Vec::new();
        while let Some(token) = lexer.next_token()? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    #[test]
    fn tokens_of_an_array() {
        let expected = vec![
            Open,
            Open,
            Element(b"1"),
            Delimiter,
            Null,
            Close,
            Delimiter,
            Open,
            Element(b"NULL"),
            Delimiter,
            Escaped(br#"a\"b\\"#),
            Close,
            Close,
        ];
        assert_eq!(tokens(r#"[0:1][-5:-4]={{1,NULL},{"NULL","a\"b\\"}}"#, b','), Ok(expected));
        assert_eq!(tokens("{}", b','), Ok(vec![Open, Close]));
        assert_eq!(tokens("{(1,1),(0,0);(2,2),(1,1)}", b';').unwrap().len(), 5);
        assert_eq!(
            tokens(r#"{"",NULLS,null}"#, b',').unwrap()[1..6],
            [Element(b""), Delimiter, Element(b"NULLS"), Delimiter, Element(b"null")]
        );
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "1",
            "{",
            "}",
            "{1",
            "{1}}",
            "{{1}",
            "{1,}",
            "{,1}",
            "{1}{2}",
            "{1\"2\"}",
            "{\"1\"2}",
            "{\"1}",
            "{\"1\\\"}",
            "{a\\b}",
            "{1}x",
            "[1:2]",
            "[1:2]=",
            "=",
            "={1}",
            "{{{{{{{1}}}}}}}",
            "1 2 3",
        ] {
            assert_eq!(tokens(text, b','), Err(Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_opens_closes(text in "[\\[\\]{}\",:=0-9NUL\\\\a ]{0,24}") {
            if let Ok(tokens) = tokens(&text, b',') {
                let count = |wanted| tokens.iter().filter(|token| **token == wanted).count();
                prop_assert!(count(Open) > 0);
                prop_assert_eq!(count(Open), count(Close));
            }
        }
    }
}
