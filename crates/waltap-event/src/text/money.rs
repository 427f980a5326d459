//! money under `lc_monetary = C`: `$1,234.50`, `-$0.05`.

/// Appends the amount as a plain decimal: `1234.50`. Gives false, and appends nothing, when the text has another form. Groups must have
/// three digits: where a comma parts the cents, as in other locales, dropping it would make another amount.
pub(crate) fn write_plain(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let written = write(text, out).is_some();
    if !written {
        out.truncate(start);
    }
    written
}

fn write(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (sign, amount) = match text {
        [b'-', amount @ ..] => (&b"-"[..], amount),
        amount => (&b""[..], amount),
    };
    out.extend_from_slice(sign);
    let amount = amount.strip_prefix(b"$")?;
    let point = amount.iter().position(|byte| *byte == b'.').unwrap_or(amount.len());
    let (whole, fraction) = amount.split_at_checked(point)?;
    let mut groups = whole.split(|byte| *byte == b',');
    let first = groups.next().filter(|group| is_digits(group))?;
    let alone = first.len() == whole.len();
    if !alone && first.len() > 3 {
        return None;
    }
    out.extend_from_slice(first);
    for group in groups {
        if group.len() != 3 || !is_digits(group) {
            return None;
        }
        out.extend_from_slice(group);
    }
    if let [_, digits @ ..] = fraction {
        if !is_digits(digits) {
            return None;
        }
        out.extend_from_slice(fraction);
    }
    Some(())
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Option<String> {
        let mut out = Vec::new();
        write_plain(text.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn amounts() {
        for (text, expected) in [
            ("$0.00", "0.00"),
            ("$1,234.50", "1234.50"),
            ("-$1.00", "-1.00"),
            ("-$92,233,720,368,547,758.08", "-92233720368547758.08"),
            ("$1234.50", "1234.50"),
            ("$12", "12"),
        ] {
            assert_eq!(plain(text).as_deref(), Some(expected));
        }
        for other in [
            "",
            "-",
            "$",
            "1.00",
            "$1,50",
            "$1,2345.00",
            "$1234,567.00",
            "$1.",
            "$.50",
            "1.234,50 €",
            "Eu1.234,50",
            "$1,,234",
            "($1.00)",
            "$ 1.00",
            "$1.0.0",
        ] {
            assert_eq!(plain(other), None, "{other}");
        }
    }
}
