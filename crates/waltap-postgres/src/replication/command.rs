//! The text of replication commands. Their grammar is not SQL's: it has no escapes but the doubled quote.

use waltap_pgoutput::Lsn;

use super::{SlotOptions, StartOptions};
use crate::connect::ServerVersion;

/// PostgreSQL 15 put the options of CREATE_REPLICATION_SLOT into parentheses.
const OPTIONS_IN_PARENTHESES: u32 = 15;

/// PostgreSQL 14 sends messages of `pg_logical_emit_message` through pgoutput.
const MESSAGES: u32 = 14;

/// PostgreSQL 14 sends transactions that are open, with protocol 2.
const STREAMING: u32 = 14;

/// PostgreSQL 15 sends transactions when they are prepared, with protocol 3.
const TWO_PHASE: u32 = 15;

/// PostgreSQL 17 lets standbys keep logical slots.
const FAILOVER: u32 = 17;

/// PostgreSQL 16 says of a transaction that is rolled back where that was, with protocol 4.
const ABORT_PLACES: u32 = 16;

/// Whether a server of this version can send transactions that are open.
pub(super) fn streams_open_transactions(version: ServerVersion) -> bool {
    version.major() >= STREAMING
}

pub(super) fn create_slot(name: &str, options: SlotOptions, version: ServerVersion) -> String {
    let temporary = if options.temporary { " TEMPORARY" } else { "" };
    let snapshot = match (version.major() >= OPTIONS_IN_PARENTHESES, options.export_snapshot) {
        (true, true) => "SNAPSHOT 'export'",
        (true, false) => "SNAPSHOT 'nothing'",
        (false, true) => "EXPORT_SNAPSHOT",
        (false, false) => "NOEXPORT_SNAPSHOT",
    };
    let two_phase = if options.two_phase { ", TWO_PHASE" } else { "" };
    let failover = if options.failover && version.major() >= FAILOVER { ", FAILOVER" } else { "" };
    let options = match version.major() >= OPTIONS_IN_PARENTHESES {
        true => format!("({snapshot}{two_phase}{failover})"),
        false => snapshot.to_owned(),
    };
    format!("CREATE_REPLICATION_SLOT {}{temporary} LOGICAL pgoutput {options}", identifier(name))
}

pub(super) fn keep_on_standbys(name: &str) -> String {
    format!("ALTER_REPLICATION_SLOT {} (FAILOVER true)", identifier(name))
}

pub(super) fn timeline_history(timeline: u32) -> String {
    format!("TIMELINE_HISTORY {timeline}")
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
    let (protocol, more) = protocol(options, version);
    format!(
        "START_REPLICATION SLOT {} LOGICAL {from} (\"proto_version\" '{protocol}', \"publication_names\" {}{messages}{more})",
        identifier(&options.slot),
        literal(&publications.join(","))
    )
}

/// The lowest protocol that does what is asked for, as far as the server can, and the options that ask for it.
fn protocol(options: &StartOptions, version: ServerVersion) -> (u8, String) {
    let (mut protocol, mut more) = (1, String::new());
    if options.streaming && version.major() >= ABORT_PLACES {
        (protocol, more) = (4, ", \"streaming\" 'parallel'".to_owned());
    } else if options.streaming && streams_open_transactions(version) {
        (protocol, more) = (2, ", \"streaming\" 'on'".to_owned());
    }
    if options.two_phase && version.major() >= TWO_PHASE {
        protocol = protocol.max(3);
        more.push_str(", \"two_phase\" 'on'");
    }
    (protocol, more)
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
        let export = SlotOptions { temporary: true, export_snapshot: true, ..SlotOptions::default() };
        assert_eq!(create_slot("s", export, new), "CREATE_REPLICATION_SLOT \"s\" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')");
        assert_eq!(
            create_slot("s", SlotOptions::default(), old),
            "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput NOEXPORT_SNAPSHOT"
        );
        let two_phase = SlotOptions { two_phase: true, ..SlotOptions::default() };
        assert_eq!(
            create_slot("s", two_phase, new),
            "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput (SNAPSHOT 'nothing', TWO_PHASE)"
        );
        let kept = SlotOptions { failover: true, export_snapshot: true, ..SlotOptions::default() };
        let newest = ServerVersion::from_number(170_000);
        assert_eq!(
            create_slot("s", kept, newest),
            "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput (SNAPSHOT 'export', FAILOVER)"
        );
        assert_eq!(create_slot("s", kept, new), "CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput (SNAPSHOT 'export')");
        assert_eq!(keep_on_standbys("s"), "ALTER_REPLICATION_SLOT \"s\" (FAILOVER true)");
        let mut options = StartOptions {
            slot: "s".to_owned(),
            publications: vec!["a".to_owned(), "it's \"b\"".to_owned()],
            from: Lsn::ZERO,
            messages: true,
            streaming: false,
            two_phase: false,
            status_interval: None,
        };
        let begin =
            "START_REPLICATION SLOT \"s\" LOGICAL 0/10 (\"proto_version\" '1', \"publication_names\" '\"a\",\"it''s \"\"b\"\"\"'";
        assert_eq!(start(&options, Lsn(16), new), format!("{begin}, \"messages\" 'true')"));
        assert_eq!(start(&options, Lsn(16), old), format!("{begin})"));
        options.messages = false;
        let asks = |options: &StartOptions, major: u32| protocol(options, ServerVersion::from_number(major * 10_000));
        let on = ", \"streaming\" 'on'".to_owned();
        let parallel = ", \"streaming\" 'parallel'".to_owned();
        let two_phase = ", \"two_phase\" 'on'".to_owned();
        options.streaming = true;
        assert_eq!(asks(&options, 13), (1, String::new()));
        assert_eq!(asks(&options, 14), (2, on.clone()));
        assert_eq!(asks(&options, 16), (4, parallel.clone()));
        options.two_phase = true;
        assert_eq!(asks(&options, 15), (3, on + &two_phase));
        assert_eq!(asks(&options, 18), (4, parallel + &two_phase));
        options.streaming = false;
        assert_eq!(asks(&options, 18), (3, two_phase));
        assert_eq!(show("a.b"), "SHOW \"a\".\"b\"");
    }
}
