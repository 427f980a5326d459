//! Letting taps rest, as the command line wishes.

use waltap_error::Result;

use super::known::Known;
use super::record::{PAUSE, Wish};
use crate::clock::unix_millis;
use crate::progress::{Store, json};
use crate::selection::DatabaseSelection;

/// What became of a pause or its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// The databases whose taps rest, or go on, from now on.
    pub changed: Vec<String>,
    /// Those whose taps did so already.
    pub unchanged: Vec<String>,
}

/// Lets the taps of a capture rest, in the databases of the choice, until [`resume`]: also through restarts, and when waltap does not run
/// now.
pub async fn pause(kafka: &waltap_kafka::Options, capture: &str, databases: &DatabaseSelection) -> Result<Paused> {
    let value = json(&Wish { at: unix_millis() })?;
    set_pause(kafka, capture, databases, Some(value)).await
}

/// Takes [`pause`] back.
pub async fn resume(kafka: &waltap_kafka::Options, capture: &str, databases: &DatabaseSelection) -> Result<Paused> {
    set_pause(kafka, capture, databases, None).await
}

async fn set_pause(
    kafka: &waltap_kafka::Options,
    capture: &str,
    databases: &DatabaseSelection,
    value: Option<Vec<u8>>,
) -> Result<Paused> {
    let known = Known::read(kafka, capture).await?;
    let mut paused = Paused::default();
    let mut entries = Vec::new();
    for database in known.databases(databases)? {
        let key = Store::new(None, capture, &database).key(PAUSE);
        match known.keys.contains(&key) == value.is_some() {
            true => paused.unchanged.push(database),
            false => {
                entries.push((key, value.clone()));
                paused.changed.push(database);
            }
        }
    }
    known.write(&entries).await?;
    Ok(paused)
}
