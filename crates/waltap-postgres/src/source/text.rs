//! The two ways to write a source: a URL, or `key=value` pairs. Both become the same parameters.
//!
//! Nothing of the text is ever put into an error: a piece of a badly written URL may be a piece of the password.

use waltap_error::Result;

use super::parameters::invalid;

/// A parameter's name and value, decoded.
pub(super) type Parameter = (String, String);

/// Reads either form.
pub(super) fn read(text: &str) -> Result<Vec<Parameter>> {
    match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
        Some(rest) => url(rest),
        None if text.trim().is_empty() => Ok(Vec::new()),
        None if text.contains('=') => pairs(text),
        None => Err(invalid("the source is neither a postgres:// URL nor key=value pairs")),
    }
}

/// Reads what follows the scheme: `[user[:password]@][host[:port],…][/database][?name=value&…]`.
fn url(text: &str) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    // As in libpq the first `@` ends the user's part, unless a `/` comes before it.
    let user_end = text.find(['@', '/']).filter(|&end| text.as_bytes().get(end) == Some(&b'@'));
    let rest = match user_end {
        None => text,
        Some(end) => {
            let (user, password) =
                text[..end].split_once(':').map_or((&text[..end], None), |(user, password)| (user, Some(password)));
            parameters.push(("user".to_owned(), decoded(user, "the user name")?));
            if let Some(password) = password {
                parameters.push(("password".to_owned(), decoded(password, "the password")?));
            }
            &text[end + 1..]
        }
    };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (hosts, database) = rest.split_once('/').map_or((rest, None), |(hosts, database)| (hosts, Some(database)));
    if hosts.contains('@') || database.is_some_and(|database| database.contains('@')) {
        return Err(
            invalid("the URL has an `@` too many").remedy("write %40 for an @ and %2F for a / in the user name or the password")
        );
    }
    if !hosts.is_empty() {
        let (names, ports) = hosts.split(',').map(host_and_port).collect::<Result<(Vec<String>, Vec<String>)>>()?;
        if names.iter().any(|name| !name.is_empty()) {
            parameters.push(("host".to_owned(), names.join(",")));
        }
        if ports.iter().any(|port| !port.is_empty()) {
            parameters.push(("port".to_owned(), ports.join(",")));
        }
    }
    if let Some(database) = database {
        parameters.push(("dbname".to_owned(), decoded(database, "the database name")?));
    }
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(invalid("a parameter after the `?` of the URL has no value"));
        };
        let (name, value) = (decoded(name, "a parameter's name")?, decoded(value, "a parameter")?);
        // JDBC's spelling, which libpq accepts too.
        if (name.as_str(), value.as_str()) == ("ssl", "true") {
            parameters.push(("sslmode".to_owned(), "require".to_owned()));
        } else {
            parameters.push((name, value));
        }
    }
    Ok(parameters)
}

/// Reads `host`, `host:port`, `[::1]:port` or a percent-encoded folder; either part may be empty.
fn host_and_port(text: &str) -> Result<(String, String)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').ok_or_else(|| invalid("an IPv6 address in the URL lacks its `]`"))?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port,
        None if rest.is_empty() => "",
        None => return Err(invalid("something other than a port follows an IPv6 address in the URL")),
    };
    if port.contains(':') {
        return Err(
            invalid("a host in the URL has two colons").remedy("put an IPv6 address in brackets: postgres://user@[::1]:5432")
        );
    }
    Ok((decoded(host, "a host")?, decoded(port, "a port")?))
}

fn decoded(text: &str, what: &str) -> Result<String> {
    let broken = || invalid(format!("{what} in the URL has a % that two hexadecimal digits do not follow"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(broken)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(broken());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| broken())?);
        rest = rest.get(2..).unwrap_or_default();
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(invalid(format!("{what} in the URL is not text in UTF-8"))),
    }
}

/// Reads `key = value` pairs: a value with spaces stands in single quotes, a backslash takes the next character as it is.
fn pairs(text: &str) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        if characters.peek().is_none() {
            return Ok(parameters);
        }
        let mut name = String::new();
        while let Some(character) = characters.next_if(|&character| character != '=' && !character.is_whitespace()) {
            name.push(character);
        }
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        if characters.next() != Some('=') {
            return Err(
                invalid("a key of the source is not followed by `=`").remedy("quote a value that holds spaces: password='a b'")
            );
        }
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        let quoted = characters.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match characters.next() {
                Some('\'') if quoted => break,
                Some(character) if !quoted && character.is_whitespace() => break,
                Some('\\') => value.extend(characters.next()),
                Some(character) => value.push(character),
                None if quoted => return Err(invalid("a quoted value of the source does not end")),
                None => break,
            }
        }
        parameters.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(text: &str) -> Vec<(String, String)> {
        read(text).unwrap()
    }

    fn pairs_of(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn urls() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("postgres://", &[]),
            ("postgresql://h", &[("host", "h")]),
            ("postgres://u@h:5433/d", &[("user", "u"), ("host", "h"), ("port", "5433"), ("dbname", "d")]),
            (
                "postgres://u%40x:p%2Fw%3A@a,b:2,[::1]:3/d%20e?sslmode=require&ssl=true",
                &[
                    ("user", "u@x"),
                    ("password", "p/w:"),
                    ("host", "a,b,::1"),
                    ("port", ",2,3"),
                    ("dbname", "d e"),
                    ("sslmode", "require"),
                    ("sslmode", "require"),
                ],
            ),
            ("postgres://%2Fvar%2Frun:1/d", &[("host", "/var/run"), ("port", "1"), ("dbname", "d")]),
            ("postgres:///d?host=/tmp", &[("dbname", "d"), ("host", "/tmp")]),
            ("postgres://u:p?x@h", &[("user", "u"), ("password", "p?x"), ("host", "h")]),
        ];
        for (text, expected) in cases {
            assert_eq!(parameters(text), pairs_of(expected), "{text}");
        }
    }

    #[test]
    fn key_value_pairs() {
        let expected = pairs_of(&[("host", "a b"), ("password", "it's\\"), ("user", "x"), ("dbname", "")]);
        assert_eq!(parameters(r"host = 'a b' password=it\'s\\ user=x dbname=''"), expected);
    }

    #[test]
    fn errors_never_hold_the_text() {
        let broken = [
            "postgres://u:sec@ret@h",
            "postgres://u:12/secret@h",
            "postgres://u:sec%ret@h",
            "postgres://u:secret@[::1",
            "postgres://u:secret@[::1]x",
            "postgres://u:secret@::1",
            "postgres://u:secret@h?x",
            "postgres://u:%FFsecret@h",
            "password='secret",
            "password=sec ret",
            "secret",
            "mysql://u:secret@h",
        ];
        for text in broken {
            let error = read(text).unwrap_err();
            let shown = format!("{error} {error:?} {}", error.report());
            assert!(!shown.contains("sec") && !shown.contains("ret@"), "{text}: {shown}");
        }
    }
}
