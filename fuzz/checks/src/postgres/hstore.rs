//! hstore: `"key"=>"value", "key"=>NULL`.

/// The pairs in their order; none where the text is not of this form.
pub(crate) fn parse(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if !pairs.is_empty() {
            rest = rest.strip_prefix(", ")?;
        }
        let key;
        (key, rest) = quoted(rest)?;
        rest = rest.strip_prefix("=>")?;
        if let Some(after) = rest.strip_prefix("NULL") {
            pairs.push((key, None));
            rest = after;
        } else {
            let (value, after) = quoted(rest)?;
            pairs.push((key, Some(value)));
            rest = after;
        }
    }
    Some(pairs)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.strip_prefix('"')?.chars();
    let mut content = String::new();
    loop {
        match characters.next()? {
            '"' => return Some((content, characters.as_str())),
            '\\' => content.push(characters.next()?),
            other => content.push(other),
        }
    }
}
