//! Our own fields beside columns, and how the columns keep out of their way.

use std::borrow::Cow;

/// The names of our fields without the underscore.
const OWN_NAMES: [&str; 11] =
    ["op", "ts", "db", "schema", "table", "txid", "lsn", "commit_lsn", "seq", "unchanged", "hexadecimal"];

/// The name that a column has beside our fields: its own, but for one more underscore where that would be one of ours.
pub(crate) fn avoided(name: &str) -> Cow<'_, str> {
    let bare = name.trim_start_matches('_');
    if name.len() > bare.len() && OWN_NAMES.contains(&bare) { Cow::Owned(format!("_{name}")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_out_of_the_way_and_never_meet() {
        for (name, written) in [
            ("id", "id"),
            ("op", "op"),
            ("_op", "__op"),
            ("__op", "___op"),
            ("_OP", "_OP"),
            ("_commit_lsn", "__commit_lsn"),
            ("commit_lsn", "commit_lsn"),
            ("_unchanged", "__unchanged"),
            ("_hexadecimal", "__hexadecimal"),
            ("_id", "_id"),
            ("_", "_"),
            ("", ""),
        ] {
            assert_eq!(avoided(name), written, "{name}");
        }
    }
}
