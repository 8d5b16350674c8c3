//! Writes the subset of YAML that `import` and `init` need.
//!
//! Handwritten, because people and other YAML libraries read the result: text that some library
//! could misread is quoted, and nothing is folded or wrapped.

use serde_json::{Map, Value};

/// Words that YAML 1.1 or 1.2 does not read as text, in lower case.
const NOT_TEXT: &[&str] =
    &["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "infinity"];

/// A value on one line; lists and mappings are in flow style.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text_scalar(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", text_scalar(key), inline(value))
            };
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The entries of a mapping in block style, indented by `indent` blanks. Ends with a line feed.
pub fn block(map: &Map<String, Value>, indent: usize) -> String {
    let mut text = String::new();
    let blanks = " ".repeat(indent);
    for (key, value) in map {
        let key = text_scalar(key);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push_str(&format!("{blanks}{key}:\n{}", block(inner, indent + 2)));
            }
            Value::Array(items) if !items.is_empty() && !is_flat(items) => {
                text.push_str(&format!("{blanks}{key}:\n"));
                for item in items {
                    text.push_str(&format!("{blanks}  - {}\n", inline(item)));
                }
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => text.push_str(&format!("{blanks}{key}: {}\n", inline(value))),
        }
    }
    text
}

/// Whether a list has only scalars and fits on one line.
fn is_flat(items: &[Value]) -> bool {
    let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
    items.iter().all(is_scalar)
        && items.iter().map(|item| inline(item).len() + 2).sum::<usize>() < 80
}

/// A text: plain if no reader can misread it, otherwise in double quotes.
pub fn text_scalar(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let starts_well = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    // `a:b` and `a b` would also be valid plain scalars; quoting them keeps this rule simple.
    if starts_well && text.chars().all(is_word) && !NOT_TEXT.contains(&&*text.to_lowercase()) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // GitHub Actions reads `##[` anywhere in a line of a log as a command.
            '#' if before == '#' => quoted.push_str("\\u0023"),
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            c if u32::from(c) <= 0xffff => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
        before = c;
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_plain_only_where_it_is_unambiguous() {
        for (text, expected) in [
            ("m5.large", "m5.large"),
            ("ami-0abc", "ami-0abc"),
            ("no", "\"no\""),
            ("NULL", "\"NULL\""),
            ("1.20", "\"1.20\""),
            ("", "\"\""),
            ("ubuntu:24.04", "\"ubuntu:24.04\""),
            ("- a", "\"- a\""),
            ("a\"b\\c\n", "\"a\\\"b\\\\c\\n\""),
            ("##[error]x", "\"#\\u0023[error]x\""),
            ("é日", "\"é日\""),
            ("\u{202e}\u{1b}\u{1f600}", "\"\\u202e\\u001b\\U0001f600\""),
        ] {
            assert_eq!(text_scalar(text), expected);
        }
    }

    #[test]
    fn maps_are_written_in_blocks_and_short_lists_on_a_line() {
        let map = json!({
            "tags": ["a", "b c", 1],
            "deep": {"list": [{"k": true}, [1]], "none": null, "empty": {}, "void": []},
        });
        insta::assert_snapshot!(block(map.as_object().unwrap(), 2), @r#"
            deep:
              empty: {}
              list:
                - {k: true}
                - [1]
              none: null
              void: []
            tags: [a, "b c", 1]
            "#);
    }
}
