//! Removing what a capture leaves: slots, publications and progress.

use std::io::{self, BufRead, IsTerminal, Write};

use waltap_capture::{Belongings, DatabaseSelection, belongings, human_size, remove};
use waltap_error::{Code, Error, Result};
use waltap_postgres::Source;

use crate::configuration::counted;
use crate::failure::printable;
use crate::{logging, output};

/// What a capture leaves on both systems, to be removed.
pub(super) struct Removal {
    pub(super) source: Source,
    pub(super) capture: String,
    pub(super) databases: DatabaseSelection,
    /// `None`: the progress stays.
    pub(super) kafka: Option<waltap_kafka::Options>,
    /// The command that was given.
    pub(super) command: &'static str,
    /// Whether who reads a slot is thrown out.
    pub(super) force: bool,
}

impl Removal {
    /// Says what goes, asks unless `yes`, and removes it.
    pub(super) async fn run(self, yes: bool) -> Result<()> {
        let mut found = belongings(&self.source, Some(&self.capture)).await?;
        let others = found.restrict(&self.databases);
        if found.is_empty() && self.kafka.is_none() {
            output::print(&format!("no slots and no publications of the capture {} on {}\n", self.capture, self.source))?;
            return Ok(());
        }
        let story = printable(&self.story(&found, &others));
        if yes {
            logging::print_error(&story);
        } else if !confirmed(self.command, &story)? {
            output::print("nothing was dropped\n")?;
            return Ok(());
        }
        let removed = remove(&self.source, self.kafka.as_ref(), &self.capture, &self.databases, &found, self.force).await?;
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
            if slot.active && !self.force {
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
            if found.on_standby {
                story.push_str(&format!(
                    "The publication {} of database {database} stays: it can be dropped on the primary.\n",
                    publication.name
                ));
                continue;
            }
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
fn confirmed(command: &str, story: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        let what = format!("`{command}` asks first, and there is no terminal to ask on");
        return Err(Error::configuration(Code::INVALID_VALUE, what)
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
    use super::super::slots::tests::found;
    use super::*;

    #[test]
    fn what_will_be_lost_and_what_stays_is_said_first() {
        let drop = Removal {
            source: Source::parse("postgres://waltap:hunter2@db").unwrap(),
            capture: "waltap".to_owned(),
            databases: DatabaseSelection::parse(&["shop"]).unwrap(),
            kafka: None,
            command: "drop",
            force: false,
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
