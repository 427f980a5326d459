//! json and jsonb.

use serde_json::Value as Json;

/// How deep a document is embedded: see the format `native`.
const DEPTH_MAX: usize = 100;

/// The document without the space between its tokens; none where it is not one that every reader takes.
pub(crate) fn compact(text: &str) -> Option<String> {
    // Half of a surrogate pair is refused here too.
    serde_json::from_str::<Json>(text).ok()?;
    let (mut compact, mut depth, mut deepest, mut in_string, mut escaped) = (String::new(), 0_usize, 0, false, false);
    for character in text.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            ' ' | '\t' | '\n' | '\r' => continue,
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
        compact.push(character);
    }
    (deepest <= DEPTH_MAX).then_some(compact)
}
