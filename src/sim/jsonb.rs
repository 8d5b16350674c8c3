//! Normalizes JSON as PostgreSQL's `jsonb` does: keys unique, ordered by length and then bytewise;
//! numbers without exponent; a space after each comma and colon (measured).

use serde_json::value::RawValue;

use super::body::pairs;

/// The maximum number of digits before and after the decimal point.
const DIGITS_MAX: (i64, i64) = (131_072, 16_383);

/// The normalized text; `None` if PostgreSQL refuses it: a string with a NUL, or a number out of
/// range.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let mut written = String::with_capacity(text.len() + 8);
    write(text.trim(), &mut written)?;
    Some(written)
}

fn write(json: &str, to: &mut String) -> Option<()> {
    match json.bytes().next()? {
        b'{' => {
            let mut members: Vec<(String, &RawValue)> = Vec::new();
            for (key, value) in pairs(json)? {
                // Of equal keys the last one counts.
                members.retain(|member| member.0 != key);
                members.push((key, value));
            }
            members.sort_by(|a, b| (a.0.len(), &a.0).cmp(&(b.0.len(), &b.0)));
            list(to, ('{', '}'), members, |(key, value), to| {
                quote(&key, to)?;
                to.push_str(": ");
                write(value.get(), to)
            })
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            list(to, ('[', ']'), items, |item, to| write(item.get(), to))
        }
        b'"' => quote(&serde_json::from_str::<String>(json).ok()?, to),
        b'-' | b'0'..=b'9' => {
            to.push_str(&number(json)?);
            Some(())
        }
        _ => {
            to.push_str(json);
            Some(())
        }
    }
}

fn list<T>(
    to: &mut String,
    (open, close): (char, char),
    items: Vec<T>,
    each: impl Fn(T, &mut String) -> Option<()>,
) -> Option<()> {
    to.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            to.push_str(", ");
        }
        each(item, to)?;
    }
    to.push(close);
    Some(())
}

fn quote(text: &str, to: &mut String) -> Option<()> {
    if text.contains('\0') {
        return None;
    }
    to.push_str(&serde_json::Value::from(text).to_string());
    Some(())
}

/// A number without exponent; digits after the point are kept, zeros included.
fn number(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let length = i64::try_from(digits.len()).ok()?;
    if point > DIGITS_MAX.0 || length.checked_sub(point)? > DIGITS_MAX.1 {
        return None;
    }
    let (before, after) = if point <= 0 {
        ("0".to_owned(), "0".repeat(usize::try_from(-point).ok()?) + &digits)
    } else if point >= length {
        (digits + &"0".repeat(usize::try_from(point - length).ok()?), String::new())
    } else {
        let at = usize::try_from(point).ok()?;
        (digits[..at].to_owned(), digits[at..].to_owned())
    };
    let before = before.trim_start_matches('0');
    let before = if before.is_empty() { "0" } else { before };
    let is_zero = before == "0" && after.bytes().all(|digit| digit == b'0');
    let sign = if is_zero { "" } else { sign };
    Some(if after.is_empty() {
        format!("{sign}{before}")
    } else {
        format!("{sign}{before}.{after}")
    })
}

#[cfg(test)]
mod tests {
    use super::canonical;

    /// The expected texts were measured with PostgreSQL 15.
    #[test]
    fn json_is_normalized_as_in_postgresql() {
        for (text, expected) in [
            (
                r#"{"zz":1,"b":{"y":1,"x":[1,2]},"a":1.10}"#,
                r#"{"a": 1.10, "b": {"x": [1, 2], "y": 1}, "zz": 1}"#,
            ),
            (r#"{"a":1,"a":2}"#, r#"{"a": 2}"#),
            (r#"{"n":1e3,"m":1.10,"e":1E-2}"#, r#"{"e": 0.01, "m": 1.10, "n": 1000}"#),
            (r#"{"big":12345678901234567890123}"#, r#"{"big": 12345678901234567890123}"#),
            (r#"{"u":"\u00e9\u0041","s":"a\/b\n"}"#, r#"{"s": "a/b\n", "u": "éA"}"#),
            (r#"[1.5e1,1.50e1,-0,-0.0,-2]"#, r#"[15, 15.0, 0, 0.0, -2]"#),
            ("[ ]", "[]"),
            ("{ }", "{}"),
            (r#""x""#, r#""x""#),
            ("null", "null"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
        for refused in [r#"{"a":"x\u0000"}"#, r#"{"a":1e-20000}"#, r#"{"a":1e200000}"#] {
            assert_eq!(canonical(refused), None, "{refused}");
        }
    }

    #[test]
    fn normalized_json_is_unchanged() {
        for text in [r#"{"a": 1.10, "b": {"x": [1, 2]}}"#, "[1, 2]", r#"{"a": 0.01}"#] {
            assert_eq!(canonical(text).as_deref(), Some(text));
        }
    }
}
