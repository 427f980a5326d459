//! The configuration: flags over `WALTAP_*` variables over the file over the defaults.
//!
//! Two steps. First everything that was written is collected, as text, with the place where it was written ([`layer`]); an unknown name
//! ends it there. Then the text is understood ([`Configuration`]), and an error names the place. Only what was understood travels further.

mod capture;
mod environment;
mod file;
mod flags;
mod guarding;
mod layer;
mod nearest;
mod read;
mod servers;
mod setting;
mod size;

#[cfg(test)]
mod tests;

pub(crate) use flags::SettingFlags;
pub(crate) use read::{Configuration, LogFormat};
pub(crate) use servers::Http;
pub(crate) use setting::scope;
pub(crate) use size::counted;

use std::path::PathBuf;

use waltap_error::Result;

/// Collects the layers for a command.
pub(crate) fn load<const SCOPE: u8>(flags: SettingFlags<SCOPE>) -> Result<Configuration> {
    // A variable that is not valid UTF-8 has no meaning here.
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_from(flags, variables.collect())
}

fn load_from<const SCOPE: u8>(flags: SettingFlags<SCOPE>, variables: Vec<(String, String)>) -> Result<Configuration> {
    let named = variables.iter().find(|(name, value)| name == environment::CONFIG_VARIABLE && !value.is_empty());
    let path = flags.config.or_else(|| named.map(|(_, value)| PathBuf::from(value)));
    let file = path.as_deref().map(file::read_file).transpose()?.unwrap_or_default();
    let variables = environment::read_variables(variables)?;
    Ok(Configuration::new(layer::Layer::defaults().under(file).under(variables).under(flags.layer)))
}
