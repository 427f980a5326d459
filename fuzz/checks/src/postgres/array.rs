//! Arrays (PostgreSQL manual, "Array Input and Output Syntax").

/// An array's item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Null,
    Element(String),
    Array(Vec<Item>),
}

/// PostgreSQL's `MAXDIM`.
const DIMENSIONS_MAX: usize = 6;

/// The array that `array_out` prints as this; none where it prints no such text. Its bounds are left out.
pub(crate) fn parse(text: &str, delimiter: char) -> Option<Item> {
    let is_bound = |character: char| "[]:-0123456789".contains(character);
    let after_bounds = text.trim_start_matches(is_bound);
    let body = if after_bounds.len() < text.len() { after_bounds.strip_prefix('=')? } else { text };
    let mut rest: Vec<char> = body.chars().rev().collect();
    let array = array(&mut rest, delimiter, 1)?;
    rest.is_empty().then_some(array)
}

/// `rest` is what follows, the next character last.
fn array(rest: &mut Vec<char>, delimiter: char, depth: usize) -> Option<Item> {
    if depth > DIMENSIONS_MAX || rest.pop()? != '{' {
        return None;
    }
    let mut items = Vec::new();
    if *rest.last()? == '}' {
        rest.pop();
        return Some(Item::Array(items));
    }
    loop {
        items.push(match rest.last()? {
            '{' => array(rest, delimiter, depth + 1)?,
            '"' => quoted_element(rest)?,
            _ => bare_element(rest, delimiter)?,
        });
        match rest.pop()? {
            '}' => return Some(Item::Array(items)),
            other if other == delimiter => {}
            _ => return None,
        }
    }
}

fn quoted_element(rest: &mut Vec<char>) -> Option<Item> {
    rest.pop();
    let mut text = String::new();
    loop {
        match rest.pop()? {
            '"' => return Some(Item::Element(text)),
            '\\' => text.push(rest.pop()?),
            other => text.push(other),
        }
    }
}

fn bare_element(rest: &mut Vec<char>, delimiter: char) -> Option<Item> {
    let mut text = String::new();
    while let Some(next) = rest.last().copied().filter(|next| *next != delimiter && !"{}\"\\".contains(*next)) {
        text.push(next);
        rest.pop();
    }
    match text.as_str() {
        "" => None,
        "NULL" => Some(Item::Null),
        _ => Some(Item::Element(text)),
    }
}

/// An element in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays() {
        let element = |text: &str| Item::Element(text.to_owned());
        let expected =
            Item::Array(vec![Item::Array(vec![element("1"), Item::Null]), Item::Array(vec![element("NULL"), element("a\"")])]);
        assert_eq!(parse(r#"[0:1][-5:-4]={{1,NULL},{"NULL","a\""}}"#, ','), Some(expected));
        assert_eq!(parse("{}", ','), Some(Item::Array(vec![])));
        for other in ["", "{", "{1,}", "{,}", "{1}x", "{{{{{{{1}}}}}}}", "{\"1}", "{a\\b}", "[1:2]{1}"] {
            assert_eq!(parse(other, ','), None, "{other}");
        }
    }
}
