//! Layers of settings as they were written: the table's defaults, the file, the variables, the flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::setting::{Setting, settings};

/// Where a value was written, weakest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In the file, at a line.
    File { path: PathBuf, line: u64 },
    /// In an environment variable.
    Variable(String),
    /// In a flag.
    Flag(String),
}

impl Origin {
    /// How strong the layer is: a higher one wins.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Variable(_) => 2,
            Origin::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("the default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting's values, not understood yet, and where they were written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// One, unless the setting is a list.
    pub(crate) texts: Vec<String>,
    /// Where.
    pub(crate) origin: Origin,
}

impl fmt::Debug for Entry {
    /// Without the values: one of them may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What one place says, or several places put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    entries: BTreeMap<&'static str, Entry>,
    properties: BTreeMap<String, Entry>,
}

impl Layer {
    /// The defaults of the table.
    pub(crate) fn defaults() -> Self {
        let mut layer = Layer::default();
        for setting in settings() {
            if let Some(default) = setting.default {
                layer.set(setting, vec![default.to_owned()], Origin::Default);
            }
        }
        layer
    }

    /// Writes a setting.
    pub(crate) fn set(&mut self, setting: &Setting, texts: Vec<String>, origin: Origin) {
        self.entries.insert(setting.key, Entry { texts, origin });
    }

    /// Writes a property of the Kafka client.
    pub(crate) fn set_property(&mut self, name: String, value: String, origin: Origin) {
        self.properties.insert(name, Entry { texts: vec![value], origin });
    }

    /// Puts a stronger layer over this one.
    #[must_use]
    pub(crate) fn under(mut self, stronger: Layer) -> Layer {
        self.entries.extend(stronger.entries);
        self.properties.extend(stronger.properties);
        self
    }

    /// What is said of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The properties of the Kafka client, by name.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.properties.iter().map(|(name, entry)| (name.as_str(), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::super::setting::setting;
    use super::*;

    fn layer(key: &'static str, text: &str, origin: Origin) -> Layer {
        let mut layer = Layer::default();
        layer.set(setting(key).unwrap(), vec![text.to_owned()], origin);
        layer
    }

    #[test]
    fn the_stronger_layer_wins_and_remembers_where_it_is_from() {
        let file = layer("topic", "f.{table}", Origin::File { path: "a.yaml".into(), line: 3 });
        let variable = layer("topic", "v.{table}", Origin::Variable("WALTAP_TOPIC".into()));
        let merged = Layer::defaults().under(file).under(variable);
        let topic = merged.entry("topic").unwrap();
        assert_eq!((&topic.texts[..], topic.origin.to_string()), (&["v.{table}".to_owned()][..], "WALTAP_TOPIC".to_owned()));
        assert_eq!(merged.entry("partitions").unwrap().origin, Origin::Default);
        assert!(merged.entry("brokers").is_none());
    }

    #[test]
    fn properties_are_merged_name_by_name() {
        let (mut file, mut flags) = (Layer::default(), Layer::default());
        let line = Origin::File { path: "a.yaml".into(), line: 3 };
        file.set_property("linger.ms".into(), "5".into(), line.clone());
        file.set_property("sasl.password".into(), "secret".into(), line);
        flags.set_property("linger.ms".into(), "1".into(), Origin::Flag("--kafka-property".into()));
        let merged = file.under(flags);
        let found: Vec<_> = merged.properties().map(|(name, entry)| (name, entry.texts[0].as_str())).collect();
        assert_eq!(found, [("linger.ms", "1"), ("sasl.password", "secret")]);
    }

    #[test]
    fn debug_output_holds_no_values() {
        let layer = layer("source", "postgres://u:hunter2@h", Origin::Flag("--source".into()));
        assert!(!format!("{layer:?}").contains("hunter2"));
    }
}
