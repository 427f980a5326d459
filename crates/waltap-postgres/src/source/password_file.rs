//! libpq's password file, `~/.pgpass`: lines of `host:port:database:user:password`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Password;

/// A file longer than this is not read to its end.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The password of the first line that fits. A file that others may read is left alone, as libpq does, with a warning.
pub(super) fn find(file: &Path, host: &str, port: u16, database: &str, user: &str) -> Option<Password> {
    let opened = std::fs::File::open(file).ok()?;
    let metadata = opened.metadata().ok()?;
    if !metadata.is_file() {
        tracing::warn!(file = %file.display(), "the password file is not a plain file and is left alone");
        return None;
    }
    if metadata.mode() & 0o077 != 0 {
        tracing::warn!(file = %file.display(), "others may read the password file, so it is left alone: chmod 0600 mends that");
        return None;
    }
    let port = port.to_string();
    let lines = BufReader::new(opened.take(FILE_BYTES_MAX)).lines();
    lines.map_while(Result::ok).find_map(|line| matching(line.trim_end_matches('\r'), [host, &port, database, user]))
}

/// The password of a line when its first four fields fit.
fn matching(line: &str, wanted: [&str; 4]) -> Option<Password> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for value in wanted {
        let (field, after) = field(rest);
        if field.text != value && !field.is_wildcard {
            return None;
        }
        rest = after?;
    }
    Some(Password::new(unescaped(rest))).filter(|password| !password.reveal().is_empty())
}

struct Field {
    text: String,
    is_wildcard: bool,
}

/// The text up to the next colon that no backslash precedes, and what follows it.
fn field(line: &str) -> (Field, Option<&str>) {
    let mut escaped = false;
    let end = line.find(|character| {
        let ends = character == ':' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    let (raw, rest) = end.map_or((line, None), |end| (&line[..end], Some(&line[end + 1..])));
    (Field { text: unescaped(raw), is_wildcard: raw == "*" }, rest)
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        let taken = if character == '\\' { characters.next() } else { Some(character) };
        plain.extend(taken.or(Some('\\')));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(line: &str) -> Option<String> {
        matching(line, ["h", "5432", "d:b", "u"]).map(|password| password.reveal().to_owned())
    }

    #[test]
    fn fields_wildcards_and_escapes() {
        assert_eq!(password(r"h:5432:d\:b:u:secret").as_deref(), Some("secret"));
        assert_eq!(password(r"*:*:*:*:a\:b\\c").as_deref(), Some(r"a:b\c"));
        assert_eq!(password(r"*:*:*:u:a:b").as_deref(), Some("a:b"));
        for other in ["", "# *:*:*:*:x", "g:*:*:*:x", "h:5432:d:u:x", r"\*:*:*:*:x", "h:5432", "*:*:*:*:", "*:*:*:*"] {
            assert_eq!(password(other), None, "{other}");
        }
    }
}
