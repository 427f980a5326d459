//! What captures leave on the two systems: slots, publications and progress. Listed, and removed when a capture is given up.

use std::time::{Duration, Instant};

use waltap_error::{Code, Result};
use waltap_kafka::{PROGRESS_TOPIC_DEFAULT, ProgressTopic};
use waltap_postgres::catalog::{databases, is_standby};
use waltap_postgres::slot::{
    OwnPublication, SlotState, claimed_slots, drop_publication, drop_slot, own_publications, own_slots, publication_names,
    slot_name, terminate_reader,
};
use waltap_postgres::{Source, Sql};

use crate::progress::{capture_prefix, forget};
use crate::selection::DatabaseSelection;

/// How long a slot that is still read may take to become free: a capture that was just stopped.
const SLOT_PATIENCE: Duration = Duration::from_secs(10);

/// How long it is tried to drop a slot each time that its reader was thrown out: less than who lost it waits before coming back.
const FORCED_PATIENCE: Duration = Duration::from_millis(400);

/// How long Kafka may take to answer.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);

/// Slots and publications on a server whose names begin as waltap's do.
#[derive(Clone, Debug, Default)]
pub struct Belongings {
    /// The slots, of all databases.
    pub slots: Vec<SlotState>,
    /// The publications, with the database of each.
    pub publications: Vec<(String, OwnPublication)>,
    /// Whether the server is a standby, on which no publication can be dropped.
    pub on_standby: bool,
}

impl Belongings {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.publications.is_empty()
    }

    /// Leaves out what belongs to other databases than those of the choice, and names their slots.
    pub fn restrict(&mut self, databases: &DatabaseSelection) -> Vec<String> {
        let is_meant = |database: Option<&str>| database.is_none_or(|database| databases.matches(database));
        self.publications.retain(|(database, _)| is_meant(Some(database)));
        let (meant, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.slots).into_iter().partition(|slot| is_meant(slot.database.as_deref()));
        self.slots = meant;
        others.into_iter().map(|slot| slot.name).collect()
    }
}

/// What captures left on a server: of one capture by its name, or of all. Databases that the role may not connect to are passed over.
pub async fn belongings(source: &Source, capture: Option<&str>) -> Result<Belongings> {
    let sql = source.sql(source.maintenance_database()).await?;
    let databases: Vec<String> =
        databases(&sql).await?.into_iter().filter(|database| database.may_connect).map(|database| database.name).collect();
    let mut slots = own_slots(&sql).await?;
    if let Some(capture) = capture {
        let names: Vec<String> = databases.iter().map(|database| slot_name(capture, database)).collect();
        slots.retain(|slot| names.contains(&slot.name));
    }
    let wanted = capture.map(publication_names);
    let mut publications = Vec::new();
    for database in databases {
        let found = own_publications(&*source.sql(&database).await?).await?;
        let of_capture =
            |publication: &OwnPublication| wanted.as_ref().is_none_or(|names| names.both().contains(&publication.name.as_str()));
        publications.extend(found.into_iter().filter(of_capture).map(|publication| (database.clone(), publication)));
    }
    Ok(Belongings { slots, publications, on_standby: is_standby(&sql).await? })
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many slots.
    pub slots: usize,
    /// How many publications. Those of another role are left alone: a capture goes on with them as they are.
    pub publications: usize,
    /// How many records of progress.
    pub records: usize,
}

/// Removes what `belongings` found, and where Kafka is given the capture's progress in the databases of the choice. A later capture of that
/// name begins anew there.
///
/// Slots go first: they are what fills the server's disk. Progress goes last, so that a removal that was cut off is seen as a loss of the
/// slot, not as a first start. But it is looked for before anything goes: with a Kafka that does not answer, everything stays. With
/// `force`, who reads a slot is thrown out.
pub async fn remove(
    source: &Source,
    kafka: Option<&waltap_kafka::Options>,
    capture: &str,
    databases: &DatabaseSelection,
    found: &Belongings,
    force: bool,
) -> Result<Removed> {
    let progress = match kafka {
        Some(kafka) => ProgressTopic::open_if_there(kafka, PROGRESS_TOPIC_DEFAULT, KAFKA_TIMEOUT).await?,
        None => None,
    };
    let mut removed = Removed::default();
    for slot in &found.slots {
        let database = slot.database.as_deref().unwrap_or(source.maintenance_database());
        let sql = source.sql(database).await?;
        match force {
            true => drop_forcibly(&sql, &slot.name).await?,
            false => drop_slot(&sql, &slot.name, SLOT_PATIENCE).await.map(drop)?,
        }
        removed.slots += 1;
    }
    for (database, publication) in found.publications.iter().filter(|(_, publication)| publication.may_drop) {
        drop_publication(&*source.sql(database).await?, &publication.name).await?;
        removed.publications += 1;
    }
    if let Some(progress) = progress {
        removed.records = forget(&progress, capture, |database| databases.matches(database)).await?;
    }
    Ok(removed)
}

/// Drops a slot though somebody reads it, who comes back a moment after each time that the connection is ended.
async fn drop_forcibly(sql: &Sql, slot: &str) -> Result<()> {
    let deadline = Instant::now() + SLOT_PATIENCE;
    loop {
        terminate_reader(sql, slot, "").await?;
        match drop_slot(sql, slot, FORCED_PATIENCE).await {
            Err(error) if error.code() == Code::SLOT_IN_USE && Instant::now() < deadline => {}
            result => return result.map(drop),
        }
    }
}

/// The databases in which a process works with a capture: it holds the claim on its slot, or reads the slot.
pub async fn at_work(source: &Source, capture: &str) -> Result<Vec<String>> {
    let sql = source.sql(source.maintenance_database()).await?;
    let databases = databases(&sql).await?;
    let slots: Vec<(String, String)> =
        databases.into_iter().map(|database| (slot_name(capture, &database.name), database.name)).collect();
    let mut at_work = claimed_slots(&sql, &slots).await?;
    let active = own_slots(&sql).await?.into_iter().filter(|slot| slot.active);
    at_work.extend(active.filter_map(|active| slots.iter().find(|(slot, _)| *slot == active.name).map(|(slot, _)| slot.clone())));
    Ok(slots.into_iter().filter(|(slot, _)| at_work.contains(slot)).map(|(_, database)| database).collect())
}

/// Whether a capture has left anything on either side.
pub async fn is_known(source: &Source, kafka: &waltap_kafka::Options, capture: &str) -> Result<bool> {
    if !belongings(source, Some(capture)).await?.is_empty() {
        return Ok(true);
    }
    match ProgressTopic::open_if_there(kafka, PROGRESS_TOPIC_DEFAULT, KAFKA_TIMEOUT).await? {
        Some(progress) => Ok(!progress.load(capture_prefix(capture).as_bytes()).await?.is_empty()),
        None => Ok(false),
    }
}
