//! The session settings that every connection has, so that values read the same everywhere and nothing cuts a long copy short.

use waltap_error::Result;

use super::Session;
use crate::server_error::Doing;

/// Settings pinned by the startup message. They come after the user's own, so that they win. Stream and snapshot print values alike only
/// because both have them.
const PINNED: &[(&str, &str)] = &[
    ("DateStyle", "ISO"),
    ("IntervalStyle", "iso_8601"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    // The shortest digits that read back exactly.
    ("extra_float_digits", "3"),
    ("lc_monetary", "C"),
    // Names within values (regclass and its kin) come with their schema, and no statement of ours can meet a foreign function.
    ("search_path", "pg_catalog"),
    ("quote_all_identifiers", "off"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// Settings that only later versions know: in the startup message they would make an older server refuse us.
const PINNED_SINCE: &[(u32, &str, &str)] = &[(14, "idle_session_timeout", "0"), (17, "transaction_timeout", "0")];

/// The `options` of the startup message: the user's, then ours.
pub(super) fn startup_options(users: Option<&str>) -> String {
    let mut options = users.unwrap_or_default().to_owned();
    for (name, value) in PINNED {
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str("-c ");
        options.push_str(name);
        options.push('=');
        options.push_str(value);
    }
    options
}

/// One of the pinned settings that every server reports by itself, and whose default is another.
const REPORTED: &str = "IntervalStyle";

/// Whether the server has taken the pinned settings, by what it reports. What stands in between may have left them out.
pub(super) fn are_taken(parameters: &[(String, String)]) -> bool {
    let pinned = PINNED.iter().find(|(name, _)| *name == REPORTED).map(|(_, value)| *value);
    let reported = parameters.iter().find(|(name, _)| name == REPORTED).map(|(_, value)| value.as_str());
    reported == pinned
}

/// What such a database holds is bytes to the server, which refuses to send what is not UTF-8 to a client that asks for that.
const ENCODING_OF_BYTES: &str = "SQL_ASCII";

/// Sets what the startup message could not.
pub(super) async fn complete(session: &mut Session) -> Result<()> {
    let encoding = session.parameters.iter().find(|(name, _)| name == "server_encoding");
    if encoding.is_some_and(|(_, encoding)| encoding == ENCODING_OF_BYTES) {
        let set = format!("SET client_encoding = {ENCODING_OF_BYTES}");
        session.command(Doing::Statement, "", "preparing the session", &set).await?;
    }
    let version = session.version.major();
    for (_, name, value) in PINNED_SINCE.iter().filter(|(since, _, _)| version >= *since) {
        session.command(Doing::Statement, "", "preparing the session", &format!("SET {name} = {value}")).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_were_left_out_on_the_way_are_missed() {
        let reported = |style: &str| vec![("TimeZone".to_owned(), "UTC".to_owned()), (REPORTED.to_owned(), style.to_owned())];
        assert!(are_taken(&reported("iso_8601")));
        assert!(!are_taken(&reported("postgres")) && !are_taken(&[]));
    }

    #[test]
    fn our_settings_come_last() {
        let options = startup_options(Some("-c TimeZone=Asia/Tokyo"));
        assert!(options.starts_with("-c TimeZone=Asia/Tokyo -c DateStyle=ISO "), "{options}");
        assert!(options.rfind("TimeZone=UTC") > options.find("TimeZone=Asia/Tokyo"));
        assert!(PINNED.iter().all(|(_, value)| !value.contains([' ', '\\'])), "such a value would have to be escaped");
    }
}
