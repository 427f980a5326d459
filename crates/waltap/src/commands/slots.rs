//! `waltap slots`: what captures left on the server, listed and dropped.

use std::process::ExitCode;

use waltap_capture::{Belongings, DatabaseSelection, belongings, human_size};
use waltap_error::{Code, Error, Result};
use waltap_postgres::Source;
use waltap_postgres::slot::{self, SlotState};

use super::block_on;
use super::removal::Removal;
use crate::command_line::{SlotsArguments, SlotsCommand};
use crate::configuration::{self, Configuration};
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
            let job =
                Removal { source, capture, databases: configuration.databases()?, kafka, command: "slots drop", force: false };
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

#[cfg(test)]
pub(super) mod tests {
    use waltap_postgres::slot::{OwnPublication, WalStatus, slot_name};

    use super::*;

    pub(in super::super) fn slot(capture: &str, database: &str) -> SlotState {
        SlotState {
            name: slot_name(capture, database),
            plugin: Some("pgoutput".to_owned()),
            database: Some(database.to_owned()),
            active: true,
            active_pid: Some(1),
            restart_lsn: "0/16B3748".parse().ok(),
            confirmed_flush_lsn: "0/16B3790".parse().ok(),
            wal_status: Some(WalStatus::Reserved),
            retained_bytes: Some(2048),
            server_lsn: "0/16B3800".parse().unwrap(),
            ..SlotState::default()
        }
    }

    pub(in super::super) fn found() -> Belongings {
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
            on_standby: false,
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
}
