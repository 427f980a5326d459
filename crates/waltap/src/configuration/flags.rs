//! The flags of the settings, made from their table, and what was typed of them.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, StyledStr};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::environment::CONFIG_VARIABLE;
use super::layer::{Layer, Origin};
use super::setting::{Setting, Shape, settings};

/// The flags of a command: of those settings whose scope has a bit in common with `SCOPE`, and `--config`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingFlags<const SCOPE: u8> {
    /// The file, as `--config` names it.
    pub(crate) config: Option<PathBuf>,
    /// What was typed.
    pub(crate) layer: Layer,
}

const CONFIG: &str = "config";

impl<const SCOPE: u8> Args for SettingFlags<SCOPE> {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help_heading("Configuration")
            .help("A YAML file of settings; flags and WALTAP_* variables go before it")
            .long_help(format!(
                "A YAML file of settings. Also {CONFIG_VARIABLE}.\n\nEach setting has three spellings: the flag `--queue-bytes`, the \
                 variable `WALTAP_QUEUE_BYTES` and the key `queue-bytes` of the file. A flag goes before a variable, a variable \
                 before the file, and the file before the default."
            ));
        settings()
            .filter(|setting| setting.scope & SCOPE != 0)
            .fold(command, |command, setting| command.arg(flag(setting)))
            .arg(config)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const SCOPE: u8> FromArgMatches for SettingFlags<SCOPE> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut layer = Layer::default();
        for setting in settings().filter(|setting| setting.scope & SCOPE != 0) {
            let Some(values) = matches.get_many::<String>(setting.key) else { continue };
            let origin = Origin::Flag(setting.flag());
            if setting.shape != Shape::Properties {
                layer.set(setting, values.cloned().collect(), origin);
                continue;
            }
            for pair in values {
                let Some((name, value)) = pair.split_once('=') else {
                    // The text is not shown: a password may stand in it.
                    let message = format!("a value of {} is not of the form {}\n", setting.flag(), setting.value_name);
                    return Err(clap::Error::raw(clap::error::ErrorKind::ValueValidation, message));
                };
                layer.set_property(name.trim().to_owned(), value.to_owned(), origin.clone());
            }
        }
        Ok(SettingFlags { config: matches.get_one::<PathBuf>(CONFIG).cloned(), layer })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let default = setting.default.map_or(String::new(), |default| format!(" [default: {default}]"));
    let mut long_help = format!("{}{default}", setting.help);
    if !setting.more.is_empty() {
        long_help.push_str("\n\n");
        long_help.push_str(setting.more);
    }
    let arg = Arg::new(setting.key)
        .long(setting.key)
        .value_name(setting.value_name)
        .help_heading(setting.heading)
        .help(StyledStr::from(format!("{}{default}", setting.help)))
        .long_help(StyledStr::from(long_help));
    let arg = match setting.shape {
        Shape::One => arg.action(ArgAction::Set),
        Shape::Switch => arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true"),
        Shape::List | Shape::Pairs | Shape::Properties => arg.action(ArgAction::Append),
    };
    if setting.choices.is_empty() {
        return arg;
    }
    arg.value_parser(PossibleValuesParser::new(
        setting.choices.iter().map(|(value, help)| PossibleValue::new(*value).help(*help)),
    ))
}
