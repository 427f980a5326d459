//! Which names a topic may have.

use std::borrow::Cow;

use waltap_error::{Code, Error, Result};

/// The longest name that Kafka takes: a partition's folder is named after its topic, and file systems end at 255 bytes.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The name with every character that Kafka does not allow (anything but ASCII letters, digits, `.`, `_` and `-`) replaced by `_`.
///
/// Refused when nothing legal can be made of it: empty, `.`, `..`, or over [`TOPIC_NAME_BYTES_MAX`]. A long name is not cut, since two
/// tables could then meet in one topic.
pub fn legal_topic_name(name: &str) -> Result<Cow<'_, str>> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let legal: Cow<'_, str> = if name.chars().all(allowed) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.chars().map(|character| if allowed(character) { character } else { '_' }).collect())
    };
    let fault = match legal.as_ref() {
        "" => "it is empty",
        "." | ".." => "Kafka keeps that name for itself",
        name if name.len() > TOPIC_NAME_BYTES_MAX => "it is longer than 249 characters",
        _ => return Ok(legal),
    };
    Err(Error::configuration(Code::TOPIC, format!("{name:?} cannot be the name of a topic: {fault}"))
        .remedy("choose another topic template: --topic '{database}.{schema}.{table}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names_stay_and_others_become_legal() {
        for (name, legal) in [
            ("shop.public.orders", "shop.public.orders"),
            ("A-Z_09.x", "A-Z_09.x"),
            ("shop.public.Großkunden x", "shop.public.Gro_kunden_x"),
            ("a/b:c\"d", "a_b_c_d"),
            ("…", "_"),
            ("...", "..."),
        ] {
            assert_eq!(legal_topic_name(name).unwrap(), legal);
        }
        assert!(matches!(legal_topic_name("plain"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn names_that_cannot_be_made_legal_are_refused() {
        for name in ["", ".", "..", &"x".repeat(250)] {
            assert_eq!(legal_topic_name(name).unwrap_err().code(), Code::TOPIC);
        }
        legal_topic_name(&"x".repeat(249)).unwrap();
        // Counted after the replacement: 200 characters of two bytes each are 200 underscores.
        legal_topic_name(&"ß".repeat(200)).unwrap();
    }
}
