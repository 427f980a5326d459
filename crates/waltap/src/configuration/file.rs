//! The configuration file: YAML, one mapping of keys, read together with the line that each stands on.

use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use waltap_error::{Code, Error, Result};

use super::layer::{Layer, Origin};
use super::nearest::nearest;
use super::setting::{Setting, Shape, setting, settings};

/// The largest file that is read: a configuration is a page or two, and anything beyond this is another file given by mistake.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file.
pub(crate) fn read_file(path: &Path) -> Result<Layer> {
    let unreadable = |what: String| Error::configuration(Code::CONFIGURATION_FILE, format!("{}: {what}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| {
        unreadable("the configuration file cannot be opened".to_owned())
            .source(error)
            .remedy("check the path given by --config or WALTAP_CONFIG, and that waltap's user may read it")
    })?;
    let mut text = String::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable("the configuration file cannot be read".to_owned()).source(error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(format!("it is larger than {FILE_BYTES_MAX} bytes, so it is no configuration file of waltap")));
    }
    parse(&text, path)
}

/// Reads the text of a file. `path` is named in errors and origins.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Layer> {
    let document: Option<Document> = serde_saphyr::from_str(text).map_err(|error| not_yaml(&error, path))?;
    let mut layer = Layer::default();
    for (key, node) in document.map(|document| document.0).unwrap_or_default() {
        let origin = Origin::File { path: path.to_owned(), line: key.referenced.line() };
        let setting = setting(&key.value).ok_or_else(|| unknown_key(&key.value, &origin))?;
        read_node(&mut layer, setting, node, origin)?;
    }
    Ok(layer)
}

/// The parser's words without its picture of the lines around: one of them may hold a password.
fn not_yaml(error: &serde_saphyr::Error, path: &Path) -> Error {
    let place = error.location().map_or(String::new(), |location| format!(":{}", location.line()));
    Error::configuration(
        Code::CONFIGURATION_FILE,
        format!("{}{place}: the configuration is not a YAML mapping of keys to values", path.display()),
    )
    .source(error.without_snippet().to_string())
    .remedy("mend the file; `waltap explain WT0030` shows what one looks like")
}

fn unknown_key(key: &str, origin: &Origin) -> Error {
    let guess = nearest(key, settings().map(|setting| setting.key));
    Error::configuration(Code::UNKNOWN_KEY, format!("{origin}: the key `{key}` is unknown")).remedy(match guess {
        Some(guess) => format!("did you mean `{guess}`?"),
        None => "`waltap capture --help` lists the flags; the keys of the file are the flags without their dashes".to_owned(),
    })
}

fn read_node(layer: &mut Layer, setting: &'static Setting, node: Node, origin: Origin) -> Result<()> {
    let wrong =
        |wanted: &str| Err(Error::configuration(Code::INVALID_VALUE, format!("{origin}: `{}` must be {wanted}", setting.key)));
    match (setting.shape, node) {
        // A key without a value is one that nobody has filled in yet: as if it were not there.
        (_, Node::Null) => {}
        (Shape::Properties, Node::Mapping(pairs)) => {
            for (name, node) in pairs {
                let line = name.referenced.line();
                let origin = match &origin {
                    Origin::File { path, .. } => Origin::File { path: path.clone(), line },
                    other => other.clone(),
                };
                match node {
                    Node::Scalar(value) => layer.set_property(name.value, value, origin),
                    _ => {
                        let message = format!("{origin}: the property `{}` must be one value", name.value);
                        return Err(Error::configuration(Code::INVALID_VALUE, message));
                    }
                }
            }
        }
        (Shape::Properties, _) => return wrong("a mapping of names to values"),
        (Shape::Pairs, Node::Mapping(pairs)) => {
            let mut texts = Vec::new();
            for (name, values) in pairs {
                match values.into_scalars() {
                    Some(values) => texts.push(format!("{}={}", name.value, values.join(","))),
                    None => return wrong("a mapping from names to values, or to lists of values"),
                }
            }
            layer.set(setting, texts, origin);
        }
        (Shape::List | Shape::Pairs, node) => match node.into_scalars() {
            Some(texts) => layer.set(setting, texts, origin),
            None => return wrong("one value or a list of values"),
        },
        (Shape::One | Shape::Switch, Node::Scalar(text)) => layer.set(setting, vec![text], origin),
        (Shape::One | Shape::Switch, _) => return wrong("one value"),
    }
    Ok(())
}

/// The file's mapping, in its order.
struct Document(Vec<(Spanned<String>, Node)>);

/// A value, with every scalar as the text that it was written as, as far as YAML gives it.
enum Node {
    Null,
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Spanned<String>, Node)>),
}

impl Node {
    /// A scalar, or a list of nothing but scalars.
    fn into_scalars(self) -> Option<Vec<String>> {
        match self {
            Node::Scalar(text) => Some(vec![text]),
            Node::Sequence(nodes) => nodes
                .into_iter()
                .map(|node| match node {
                    Node::Scalar(text) => Some(text),
                    _ => None,
                })
                .collect(),
            Node::Null | Node::Mapping(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Document;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of keys to values")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Document, A::Error> {
                pairs(map).map(Document)
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

fn pairs<'de, A: MapAccess<'de>>(mut map: A) -> Result<Vec<(Spanned<String>, Node)>, A::Error> {
    let mut pairs = Vec::new();
    while let Some(pair) = map.next_entry()? {
        pairs.push(pair);
    }
    Ok(pairs)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;
        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, a list or a mapping")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_none<E: de::Error>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                Node::deserialize(deserializer)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Scalar(value.to_string()))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Scalar(value.to_string()))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Scalar(value.to_string()))
            }

            fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
                Ok(Node::Scalar(value.to_string()))
            }

            fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
                Ok(Node::Scalar(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Scalar(value.to_string()))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Scalar(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = sequence.next_element()? {
                    nodes.push(node);
                }
                Ok(Node::Sequence(nodes))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
                pairs(map).map(Node::Mapping)
            }
        }
        deserializer.deserialize_any(NodeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Layer> {
        parse(text, Path::new("capture.yaml"))
    }

    fn texts(layer: &Layer, key: &str) -> Vec<String> {
        layer.entry(key).unwrap().texts.clone()
    }

    #[test]
    fn scalars_lists_and_mappings_are_read() {
        let layer = read(
            "source: postgres://db\npartitions: 3\ntombstones: true\nhttp: off\ndatabase: [shop, crm]\ntable: public.orders\n\
             key:\n  public.events: [tenant, id]\nkafka-property:\n  linger.ms: 5\n  compression.type: zstd\nbrokers:\n",
        )
        .unwrap();
        assert_eq!(texts(&layer, "partitions"), ["3"]);
        assert_eq!(texts(&layer, "tombstones"), ["true"]);
        assert!(["off", "false"].contains(&texts(&layer, "http")[0].as_str()));
        assert_eq!(texts(&layer, "database"), ["shop", "crm"]);
        assert_eq!(texts(&layer, "table"), ["public.orders"]);
        assert_eq!(texts(&layer, "key"), ["public.events=tenant,id"]);
        assert!(layer.entry("brokers").is_none());
        let properties: Vec<_> =
            layer.properties().map(|(name, entry)| (name, entry.texts[0].as_str(), entry.origin.to_string())).collect();
        assert_eq!(
            properties,
            [("compression.type", "zstd", "capture.yaml:11".to_owned()), ("linger.ms", "5", "capture.yaml:10".to_owned())]
        );
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(read("").unwrap(), Layer::default());
        assert_eq!(read("# only a comment\n").unwrap(), Layer::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest() {
        let error = read("source: postgres://db\n\nbroker: localhost:9092\n").unwrap_err();
        assert_eq!(error.code(), Code::UNKNOWN_KEY);
        assert_eq!(error.message(), "capture.yaml:3: the key `broker` is unknown");
        assert_eq!(error.remedy_text(), Some("did you mean `brokers`?"));
    }

    #[test]
    fn a_value_of_the_wrong_shape_is_named_with_its_line() {
        for (text, place) in [
            ("source: [a, b]\n", "capture.yaml:1: `source`"),
            ("table:\n  public: orders\n", "capture.yaml:1: `table`"),
            ("\nkafka-property: [a=b]\n", "capture.yaml:2: `kafka-property`"),
            ("kafka-property:\n  a: [b]\n", "capture.yaml:2: the property `a`"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), Code::INVALID_VALUE, "{text}");
            assert!(error.message().starts_with(place), "{error}");
        }
    }

    #[test]
    fn what_is_no_mapping_is_refused_without_showing_the_file() {
        for text in
            ["- a\n", "source: \"postgres://u:hunter2@db\n", "source: a\nsource: postgres://u:hunter2@db\n", "a: b: hunter2\n"]
        {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), Code::CONFIGURATION_FILE, "{text}");
            assert!(!error.report().contains("hunter2"), "{}", error.report());
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_file(Path::new("/nonexistent/capture.yaml")).unwrap_err();
        assert_eq!(error.code(), Code::CONFIGURATION_FILE);
        assert!(error.message().contains("/nonexistent/capture.yaml"));
    }
}
