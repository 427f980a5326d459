//! The table of settings: one line of truth for the flag, the variable, the key in the file, the help and the default.

mod open_transactions;
mod operation;
mod sink;
mod snapshot;
mod source;
mod topics;

use std::fmt;

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value.
    One,
    /// `true` or `false`; the flag alone means `true`.
    Switch,
    /// Several values: a flag may be repeated, a file may hold a list; a stronger layer replaces the whole list.
    List,
    /// Several values of the form `name=value,value`: as a list, but in the file also a mapping, and in a variable parted by semicolons.
    Pairs,
    /// Names and values: `name=value` as a flag, a mapping in the file; a stronger layer replaces one name at a time.
    Properties,
}

/// The commands that take a setting as a flag, as bits.
pub(crate) mod scope {
    /// `capture` and `check`.
    pub(crate) const CAPTURE: u8 = 1;
    /// `slots`.
    pub(crate) const SLOTS: u8 = 2;
    /// `topics`.
    pub(crate) const TOPICS: u8 = 4;
    /// `status`.
    pub(crate) const STATUS: u8 = 8;
    /// `pause` and `resume`.
    pub(crate) const REQUESTS: u8 = 16;
    /// `drop`.
    pub(crate) const DROP: u8 = 32;
    /// `dead-letters`.
    pub(crate) const DEAD_LETTERS: u8 = 64;
    /// All of them.
    pub(crate) const ALL: u8 = CAPTURE | SLOTS | TOPICS | STATUS | REQUESTS | DROP | DEAD_LETTERS;
}

/// One setting.
pub(crate) struct Setting {
    /// The key in the file, and the flag without its dashes.
    pub(crate) key: &'static str,
    /// How it is written.
    pub(crate) shape: Shape,
    /// What stands for the value in the help.
    pub(crate) value_name: &'static str,
    /// The heading of the help under which it stands.
    pub(crate) heading: &'static str,
    /// What holds when nothing is given, written as a user would write it.
    pub(crate) default: Option<&'static str>,
    /// The values that are allowed, each with its meaning. Empty: any that can be read.
    pub(crate) choices: &'static [(&'static str, &'static str)],
    /// Whether a value may be a secret, and so is never shown.
    pub(crate) secret: bool,
    /// The help in a line.
    pub(crate) help: &'static str,
    /// More of it, with examples.
    pub(crate) more: &'static str,
    /// Which commands take it as a flag.
    pub(crate) scope: u8,
}

impl Setting {
    /// The environment variable: `WALTAP_` and the key in capitals.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.to_ascii_uppercase().replace('-', "_"))
    }

    /// The flag, with its dashes.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.key)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

/// Every variable of waltap begins so.
pub(crate) const VARIABLE_PREFIX: &str = "WALTAP_";

/// What most settings share.
const PLAIN: Setting = Setting {
    key: "",
    shape: Shape::One,
    value_name: "",
    heading: "",
    default: None,
    choices: &[],
    secret: false,
    help: "",
    more: "",
    scope: scope::CAPTURE,
};

/// In the order of the help.
const GROUPS: [&[Setting]; 6] =
    [source::SOURCE, open_transactions::OPEN_TRANSACTIONS, snapshot::SNAPSHOT, sink::SINK, topics::TOPICS, operation::OPERATION];

/// Every setting, in the order of the help.
pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.into_iter().flatten()
}

/// A variable that stands for a key under a shorter name than the rule gives.
pub(crate) const ALIASES: &[(&str, &str)] = &[("WALTAP_LOG", "log-level")];

/// The setting of a key.
pub(crate) fn setting(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_spelled_like_flags() {
        for (index, setting) in settings().enumerate() {
            assert!(setting.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", setting.key);
            assert!(!settings().take(index).any(|other| other.key == setting.key), "{} is there twice", setting.key);
            assert!(!setting.help.is_empty() && !setting.heading.is_empty() && !setting.value_name.is_empty(), "{}", setting.key);
        }
        for (_, key) in ALIASES {
            assert!(setting(key).is_some(), "{key}");
        }
    }

    #[test]
    fn a_default_is_one_of_the_choices() {
        for setting in settings().filter(|setting| !setting.choices.is_empty()) {
            let default = setting.default.unwrap();
            assert!(setting.choices.iter().any(|(choice, _)| *choice == default), "{}", setting.key);
        }
    }

    #[test]
    fn no_variable_looks_like_a_kafka_property() {
        for setting in settings().filter(|setting| setting.shape != Shape::Properties) {
            assert!(!setting.variable().starts_with("WALTAP_KAFKA_"), "{}", setting.key);
        }
    }
}
