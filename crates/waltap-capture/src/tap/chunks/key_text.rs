//! The key of a row, as text.

/// The values of a key's columns, in the key's order. The stream and a COPY have the same text for the same value, so rows that are the same have the
/// same one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyText(Box<[u8]>);

impl KeyText {
    /// Of its values.
    pub(crate) fn new<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Self {
        let mut bytes = Vec::new();
        for value in values {
            // A value is shorter than 1 GiB. The length goes first, so that no two keys are one.
            bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            bytes.extend_from_slice(value);
        }
        KeyText(bytes.into())
    }

    /// Its values; `None` where they are no UTF-8, which only a database without an encoding has.
    pub(crate) fn values(&self) -> Option<Vec<String>> {
        let mut values = Vec::new();
        let mut rest = &*self.0;
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (value, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            values.push(std::str::from_utf8(value).ok()?.to_owned());
            rest = after;
        }
        Some(values)
    }

    /// How much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len() + size_of::<Self>()
    }
}

impl From<&[String]> for KeyText {
    fn from(values: &[String]) -> Self {
        KeyText::new(values.iter().map(String::as_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_and_come_back() {
        let key = |values: &[&str]| KeyText::new(values.iter().map(|value| value.as_bytes()));
        assert_ne!(key(&["a", "bc"]), key(&["ab", "c"]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
        assert_eq!(key(&["a", "", "€"]).values(), Some(vec!["a".to_owned(), String::new(), "€".to_owned()]));
        assert_eq!(KeyText::new([&b"\xff"[..]]).values(), None);
    }
}
