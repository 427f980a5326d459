//! `waltap slots`: what captures left on the server, listed and dropped.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use waltap_capture::{Belongings, DatabaseSelection, belongings, remove};
use waltap_error::{Code, Error, Result};
use waltap_postgres::Source;
use waltap_postgres::slot::{self, SlotState};

use super::block_on;
use crate::command_line::{SlotsArguments, SlotsCommand};
use crate::configuration::{self, Configuration, counted, human_size};
use crate::failure::printable;
use crate::table::{self, Side};
use crate::{logging, output};

pub(super) fn run(arguments: SlotsArguments) -> Result<ExitCode> {
    let (settings, action) = match arguments.command {
        SlotsCommand::List { json, settings } => (settings, Action::List { json }),
        SlotsCommand::Drop { yes, keep_progress, settings } => (settings, Action::Drop { yes, keep_progress }),
    };
    let configuration = configuration::load(settings)?;
    logging::start(&configuration, logging::LEVEL_OF_OTHERS)?;
    let source = configuration.source()?;
    match action {
        Action::List { json } => {
            block_on(Box::pin(list(source, configuration.name_if_given()?, configuration.databases()?, json)))?;
        }
        Action::Drop { yes, keep_progress } => {
            let capture = configuration.name()?;
            let kafka = if keep_progress { None } else { Some(kafka(&configuration, &capture)?) };
            let job = Drop { source, capture, databases: configuration.databases()?, kafka };
            block_on(Box::pin(job.run(yes)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

enum Action {
    List { json: bool },
    Drop { yes: bool, keep_progress: bool },
}

/// Where the progress is. A drop that left it behind would make the next capture stop, which is not what somebody wants who begins anew.
fn kafka(configuration: &Configuration, capture: &str) -> Result<waltap_kafka::Options> {
    configuration.kafka_if_given()?.ok_or_else(|| {
        let what = format!(
            "`brokers` is not given: the progress of the capture {capture} would stay in Kafka, and a later one would miss its slots"
        );
        Error::configuration(Code::INVALID_VALUE, what)
            .remedy("give --brokers HOST:PORT; or, where there is no such Kafka any more, --keep-progress")
    })
}

async fn list(source: Source, capture: Option<String>, databases: DatabaseSelection, json: bool) -> Result<()> {
    let mut found = belongings(&source, capture.as_deref()).await?;
    found.restrict(&databases);
    if json {
        output::print_json(&as_json(&found))?;
    } else if found.is_empty() {
        output::print(&format!("no slots and no publications of waltap on {source}\n"))?;
    } else {
        output::print(&printable(&describe(&found)))?;
    }
    Ok(())
}

const SLOT_COLUMNS: &[(&str, Side)] = &[
    ("SLOT", Side::Left),
    ("CAPTURE", Side::Left),
    ("DATABASE", Side::Left),
    ("ACTIVE", Side::Left),
    ("CONFIRMED", Side::Right),
    ("RETAINED WAL", Side::Right),
    ("WAL STATUS", Side::Left),
];

const PUBLICATION_COLUMNS: &[(&str, Side)] =
    &[("PUBLICATION", Side::Left), ("DATABASE", Side::Left), ("OWNER", Side::Left), ("TABLES", Side::Right)];

fn describe(found: &Belongings) -> String {
    let slots: Vec<Vec<String>> = found.slots.iter().map(slot_row).collect();
    let publications: Vec<Vec<String>> = found
        .publications
        .iter()
        .map(|(database, publication)| {
            vec![publication.name.clone(), database.clone(), publication.owner.clone(), publication.tables.to_string()]
        })
        .collect();
    let mut text = String::new();
    if !slots.is_empty() {
        text.push_str(&table::draw(SLOT_COLUMNS, &slots));
    }
    if !publications.is_empty() {
        if !slots.is_empty() {
            text.push('\n');
        }
        text.push_str(&table::draw(PUBLICATION_COLUMNS, &publications));
    }
    text
}

fn slot_row(slot: &SlotState) -> Vec<String> {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    vec![
        slot.name.clone(),
        or_dash(capture_of(slot).map(str::to_owned)),
        or_dash(slot.database.clone()),
        if slot.active { "yes" } else { "no" }.to_owned(),
        or_dash(slot.confirmed_flush_lsn.map(|lsn| lsn.to_string())),
        or_dash(slot.retained_bytes.map(human_size)),
        state_word(slot),
    ]
}

fn state_word(slot: &SlotState) -> String {
    match (&slot.invalidation, slot.wal_status) {
        (Some(invalidation), _) => format!("invalidated: {}", invalidation.reason),
        (None, Some(status)) => status.as_str().to_owned(),
        (None, None) => "-".to_owned(),
    }
}

fn capture_of(slot: &SlotState) -> Option<&str> {
    slot::capture_of(&slot.name, slot.database.as_deref()?)
}

fn as_json(found: &Belongings) -> serde_json::Value {
    let slots: Vec<_> = found
        .slots
        .iter()
        .map(|slot| {
            serde_json::json!({
                "slot": slot.name,
                "capture": capture_of(slot),
                "database": slot.database,
                "active": slot.active,
                "confirmed_lsn": slot.confirmed_flush_lsn.map(|lsn| lsn.to_string()),
                "retained_wal_bytes": slot.retained_bytes,
                "wal_status": slot.wal_status.map(|status| status.as_str()),
                "invalidation": slot.invalidation.as_ref().map(|invalidation| &invalidation.reason),
            })
        })
        .collect();
    let publications: Vec<_> = found
        .publications
        .iter()
        .map(|(database, publication)| {
            serde_json::json!({
                "publication": publication.name,
                "database": database,
                "owner": publication.owner,
                "tables": publication.tables,
            })
        })
        .collect();
    serde_json::json!({ "slots": slots, "publications": publications })
}

struct Drop {
    source: Source,
    capture: String,
    databases: DatabaseSelection,
    kafka: Option<waltap_kafka::Options>,
}

impl Drop {
    async fn run(self, yes: bool) -> Result<()> {
        let mut found = belongings(&self.source, Some(&self.capture)).await?;
        let others = found.restrict(&self.databases);
        if found.is_empty() && self.kafka.is_none() {
            output::print(&format!("no slots and no publications of the capture {} on {}\n", self.capture, self.source))?;
            return Ok(());
        }
        let story = printable(&self.story(&found, &others));
        if yes {
            logging::print_error(&story);
        } else if !confirmed(&story)? {
            output::print("nothing was dropped\n")?;
            return Ok(());
        }
        let removed = remove(&self.source, self.kafka.as_ref(), &self.capture, &self.databases, &found).await?;
        output::print(&format!(
            "dropped {} and {}, forgot {} of progress\n",
            counted(removed.slots as u64, "slot"),
            counted(removed.publications as u64, "publication"),
            counted(removed.records as u64, "record")
        ))?;
        Ok(())
    }

    /// What goes, and what is lost by it.
    fn story(&self, found: &Belongings, others: &[String]) -> String {
        let mut story = format!("To drop, of the capture {} on {}:\n", self.capture, self.source);
        for slot in &found.slots {
            let database = slot.database.as_deref().unwrap_or("-");
            let confirmed = slot.confirmed_flush_lsn.map_or("its start".to_owned(), |lsn| lsn.to_string());
            story.push_str(&format!("  slot {} of database {database}: changes after {confirmed} are lost to it", slot.name));
            if let Some(bytes) = slot.retained_bytes {
                story.push_str(&format!("; {} of log are set free", human_size(bytes)));
            }
            story.push('\n');
            if slot.active {
                story.push_str("    it is being read now: stop its capture first\n");
            }
        }
        let (ours, foreign): (Vec<_>, Vec<_>) = found.publications.iter().partition(|(_, publication)| publication.may_drop);
        for (database, publication) in ours {
            let tables = counted(publication.tables, "table");
            story.push_str(&format!("  publication {} of database {database}, of {tables}\n", publication.name));
        }
        if let Some(kafka) = &self.kafka {
            story.push_str(&format!("  its progress in Kafka at {}\n", kafka.brokers()));
        }
        for (database, publication) in foreign {
            story.push_str(&format!(
                "The publication {} of database {database} stays: it belongs to the role {}, and a later capture goes on with it.\n",
                publication.name, publication.owner
            ));
        }
        if !others.is_empty() {
            story.push_str(&format!("Other databases than those of --database keep their slots: {}\n", others.join(", ")));
        }
        if self.kafka.is_none() {
            story.push_str("Its progress in Kafka stays: a capture of the same name would miss its slots and say so (WT0010).\n");
        }
        story.push_str("Topics and their records stay as they are.\n");
        story
    }
}

/// Asks a person. Without a terminal there is none.
fn confirmed(story: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Error::configuration(Code::INVALID_VALUE, "`slots drop` asks first, and there is no terminal to ask on")
            .remedy("give --yes to drop without being asked; `waltap slots list` shows what is there"));
    }
    logging::print_error(&format!("{story}Drop them? Write yes: "));
    // A prompt that cannot be shown is answered by nobody.
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Error::configuration(Code::INVALID_VALUE, "the answer cannot be read").source(error))?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

#[cfg(test)]
mod tests {
    use waltap_postgres::slot::{OwnPublication, WalStatus, slot_name};

    use super::*;

    fn slot(capture: &str, database: &str) -> SlotState {
        SlotState {
            name: slot_name(capture, database),
            plugin: Some("pgoutput".to_owned()),
            database: Some(database.to_owned()),
            temporary: false,
            active: true,
            two_phase: false,
            active_pid: Some(1),
            restart_lsn: "0/16B3748".parse().ok(),
            confirmed_flush_lsn: "0/16B3790".parse().ok(),
            wal_status: Some(WalStatus::Reserved),
            safe_wal_bytes: None,
            invalidation: None,
            retained_bytes: Some(2048),
            server_lsn: "0/16B3800".parse().unwrap(),
        }
    }

    fn found() -> Belongings {
        let publication = |name: &str, owner: &str, may_drop| OwnPublication {
            name: name.to_owned(),
            owner: owner.to_owned(),
            may_drop,
            tables: 1,
        };
        let own = publication("waltap_waltap", "waltap", true);
        let foreign = publication("waltap_waltap_inserts", "shop_owner", false);
        Belongings {
            slots: vec![slot("waltap", "shop"), slot("waltap", "crm")],
            publications: vec![("shop".to_owned(), own), ("shop".to_owned(), foreign)],
        }
    }

    #[test]
    fn slots_and_publications_are_listed() {
        let text = describe(&found());
        for part in ["waltap_waltap_shop", "0/16B3790", "2.0 KiB", "reserved", "waltap_waltap", "OWNER"] {
            assert!(text.contains(part), "{text}");
        }
        let json = as_json(&found());
        assert_eq!(json["slots"][0]["capture"], "waltap");
        assert_eq!(json["publications"][0]["tables"], 1);
    }

    #[test]
    fn what_will_be_lost_and_what_stays_is_said_first() {
        let drop = Drop {
            source: Source::parse("postgres://waltap:hunter2@db").unwrap(),
            capture: "waltap".to_owned(),
            databases: DatabaseSelection::parse(&["shop"]).unwrap(),
            kafka: None,
        };
        let mut found = found();
        let others = found.restrict(&drop.databases);
        let story = drop.story(&found, &others);
        for part in [
            "slot waltap_waltap_shop",
            "changes after 0/16B3790 are lost",
            "being read now",
            "publication waltap_waltap of database shop, of 1 table\n",
            "waltap_waltap_inserts of database shop stays: it belongs to the role shop_owner",
            "keep their slots: waltap_waltap_crm",
            "WT0010",
        ] {
            assert!(story.contains(part), "{story}");
        }
        assert!(!story.contains("slot waltap_waltap_crm of") && !story.contains("hunter2"), "{story}");
    }
}
