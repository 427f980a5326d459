//! The text of replication commands. Their grammar is not SQL's: it has no escapes but the doubled quote.

use waltap_pgoutput::Lsn;

use super::{SlotOptions, StartOptions};
use crate::connect::ServerVersion;

/// PostgreSQL 15 put the options of CREATE_REPLICATION_SLOT into parentheses.
const OPTIONS_IN_PARENTHESES: u32 = 15;

/// PostgreSQL 14 sends messages of `pg_logical_emit_message` through pgoutput.
const MESSAGES: u32 = 14;

pub(super) fn create_slot(name: &str, options: SlotOptions, version: ServerVersion) -> String {
    let temporary = if options.temporary { " TEMPORARY" } else { "" };
    let snapshot = match (version.major() >= OPTIONS_IN_PARENTHESES, options.export_snapshot) {
        (true, true) => "(SNAPSHOT 'export')",
        (true, false) => "(SNAPSHOT 'nothing')",
        (false, true) => "EXPORT_SNAPSHOT",
        (false, false) => "NOEXPORT_SNAPSHOT",
    };
    format!("CREATE_REPLICATION_SLOT {}{temporary} LOGICAL pgoutput {snapshot}", identifier(name))
}

pub(super) fn drop_slot(name: &str) -> String {
    format!("DROP_REPLICATION_SLOT {}", identifier(name))
}

pub(super) fn show(setting: &str) -> String {
    let parts: Vec<String> = setting.split('.').map(identifier).collect();
    format!("SHOW {}", parts.join("."))
}

pub(super) fn start(options: &StartOptions, from: Lsn, version: ServerVersion) -> String {
    // A list of identifiers within a literal.
    let publications: Vec<String> = options.publications.iter().map(|name| identifier(name)).collect();
    let messages = if options.messages && version.major() >= MESSAGES { ", \"messages\" 'true'" } else { "" };
    format!(
        "START_REPLICATION SLOT {} LOGICAL {from} (\"proto_version\" '1', \"publication_names\" {}{messages})",
        identifier(&options.slot),
        literal(&publications.join(","))
    )
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_each_version() {
        let (new, old) = (ServerVersion::from_number(150_000), ServerVersion::from_number(130_001));
        let export = SlotOptions { temporary: true, export_snapshot: true };
        assert_eq!(create_slot("s", export, new), "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')");
        assert_eq!(
            create_slot("s", SlotOptions::default(), old),
            "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput NOEXPORT_SNAPSHOT"
        );
        let options = StartOptions {
            slot: "s".to_owned(),
            publications: vec!["a".to_owned(), "it's \"b\"".to_owned()],
            from: Lsn::ZERO,
            messages: true,
            status_interval: None,
        };
        let begin =
            "START_REPLICATION SLOT \"s\" LOGICAL 0/10 (\"proto_version\" '1', \"publication_names\" '\"a\",\"it''s \"\"b\"\"\"'";
        assert_eq!(start(&options, Lsn(16), new), format!("{begin}, \"messages\" 'true')"));
        assert_eq!(start(&options, Lsn(16), old), format!("{begin})"));
        assert_eq!(show("a.b"), "SHOW \"a\".\"b\"");
    }
}
