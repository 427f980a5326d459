//! The variables: `WALTAP_` and a key in capitals, or `WALTAP_KAFKA_` and a property of the Kafka client.

use waltap_capture::SABOTAGE_VARIABLE;
use waltap_error::{Code, Error, Result};

use super::layer::{Layer, Origin};
use super::nearest::nearest;
use super::setting::{ALIASES, Setting, Shape, VARIABLE_PREFIX, setting, settings};

/// Names the configuration file; the one variable that is no key of the file.
pub(crate) const CONFIG_VARIABLE: &str = "WALTAP_CONFIG";

/// Begins the variables that are properties of the Kafka client.
const PROPERTY_PREFIX: &str = "WALTAP_KAFKA_";

/// Reads the variables of waltap out of all variables. An empty one counts as unset.
pub(crate) fn read_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Layer> {
    let mut layer = Layer::default();
    for (name, value) in variables {
        if !name.starts_with(VARIABLE_PREFIX) || name == CONFIG_VARIABLE || value.is_empty() {
            continue;
        }
        // The tests' own, in builds that can be broken. To others it is unknown like any that is misspelt.
        if SABOTAGE_VARIABLE.is_some_and(|sabotage| sabotage == name) {
            continue;
        }
        let origin = Origin::Variable(name.clone());
        if let Some(setting) = setting_of(&name) {
            if let Some(other) = layer.entry(setting.key) {
                return Err(Error::configuration(
                    Code::CONFLICTING_OPTIONS,
                    format!("{} and {name} are both set, and both mean `{}`", other.origin, setting.key),
                )
                .remedy(format!("unset one of them: unset {name}")));
            }
            layer.set(setting, texts(setting, value), origin);
        } else if let Some(property) = name.strip_prefix(PROPERTY_PREFIX).filter(|property| *property != "PROPERTY") {
            layer.set_property(property.to_ascii_lowercase().replace('_', "."), value, origin);
        } else {
            return Err(unknown_variable(&name));
        }
    }
    Ok(layer)
}

fn setting_of(name: &str) -> Option<&'static Setting> {
    if let Some((_, key)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return setting(key);
    }
    // Properties have no variable of their own, but one each: see `PROPERTY_PREFIX`.
    settings().find(|setting| setting.shape != Shape::Properties && setting.variable() == name)
}

/// Lists hold commas of their own; pairs hold them too and need another mark between them.
fn texts(setting: &Setting, value: String) -> Vec<String> {
    if setting.shape == Shape::Pairs { value.split(';').map(|pair| pair.trim().to_owned()).collect() } else { vec![value] }
}

fn unknown_variable(name: &str) -> Error {
    let known: Vec<String> = settings()
        .filter(|setting| setting.shape != Shape::Properties)
        .map(Setting::variable)
        .chain(ALIASES.iter().map(|(alias, _)| (*alias).to_owned()))
        .chain([CONFIG_VARIABLE.to_owned()])
        .collect();
    // The prefix is the same for all and would make every name look near.
    let bare = |name: &str| name.trim_start_matches(VARIABLE_PREFIX).to_owned();
    let bare_known: Vec<String> = known.iter().map(|name| bare(name)).collect();
    let remedy = if name.starts_with(PROPERTY_PREFIX) {
        "give each property a variable of its own, such as WALTAP_KAFKA_SASL_PASSWORD for sasl.password".to_owned()
    } else {
        match nearest(&bare(name), bare_known.iter().map(String::as_str)) {
            Some(guess) => {
                format!("did you mean `{VARIABLE_PREFIX}{guess}`? If it is not meant for waltap, unset it: unset {name}")
            }
            None => format!("unset it: unset {name}; `waltap explain WT0031` says which variables there are"),
        }
    };
    Error::configuration(Code::UNKNOWN_KEY, format!("the environment variable `{name}` is unknown")).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Layer> {
        read_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn variables_are_keys_in_capitals() {
        let layer = read(&[
            ("PATH", "/bin"),
            ("WALTAP_CONFIG", "a.yaml"),
            ("WALTAP_EXCLUDE_TABLE", "*.audit_*"),
            ("WALTAP_TOPIC", ""),
            ("WALTAP_LOG", "debug"),
            ("WALTAP_KEY", "a.b=c,d; e.f=g"),
            ("WALTAP_KAFKA_SASL_PASSWORD", "secret"),
        ])
        .unwrap();
        let exclude = layer.entry("exclude-table").unwrap();
        assert_eq!((exclude.texts[0].as_str(), exclude.origin.to_string()), ("*.audit_*", "WALTAP_EXCLUDE_TABLE".to_owned()));
        assert!(layer.entry("topic").is_none());
        assert_eq!(layer.entry("log-level").unwrap().texts, ["debug"]);
        assert_eq!(layer.entry("key").unwrap().texts, ["a.b=c,d", "e.f=g"]);
        assert_eq!(layer.properties().next().unwrap().0, "sasl.password");
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_nearest() {
        let error = read(&[("WALTAP_BROKER", "x")]).unwrap_err();
        assert_eq!(error.code(), Code::UNKNOWN_KEY);
        assert_eq!(error.message(), "the environment variable `WALTAP_BROKER` is unknown");
        assert!(error.remedy_text().unwrap().contains("`WALTAP_BROKERS`"));
        let error = read(&[("WALTAP_KAFKA_PROPERTY", "a=b")]).unwrap_err();
        assert!(error.remedy_text().unwrap().contains("WALTAP_KAFKA_SASL_PASSWORD"));
    }

    #[test]
    fn two_names_for_one_key_contradict() {
        let error = read(&[("WALTAP_LOG", "info"), ("WALTAP_LOG_LEVEL", "debug")]).unwrap_err();
        assert_eq!(error.code(), Code::CONFLICTING_OPTIONS);
    }
}
