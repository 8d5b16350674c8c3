//! `extra_specs`: converts YAML to JSON exactly or not at all. It may hold secrets: keys are shown,
//! values never are.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};

use super::diagnostic_code::Code;
use super::diagnostics::Diagnostic;
use super::file_reporter::FileReporter;
use super::invalid_value::MessageSubject;
use super::node::{MapKey, Meaning, Node, NodeKind, Scalar};
use super::value::Value;

/// Decodes the mapping; `null` means an empty one.
pub(super) fn read(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    subject: MessageSubject<'_>,
) -> Value {
    match &node.value().kind {
        NodeKind::Map(pairs) => match json(reporter, node) {
            Some(Json::Object(map)) => {
                let at = |key: &MapKey<'_>| (key.text.to_string(), reporter.at(key.span));
                Value::Specs(map, pairs.iter().map(|(key, _)| at(key)).collect())
            }
            Some(_) | None => Value::Broken,
        },
        NodeKind::Scalar(_) if node.is_null() => Value::Specs(Map::new(), BTreeMap::new()),
        NodeKind::Scalar(scalar) if looks_like_json(scalar) => {
            let message = format!("{subject} takes a mapping, not JSON in a string");
            let help = "remove the quotes or the `|`: JSON is valid YAML as it is";
            reporter.report(
                Diagnostic::error(Code::WrongType, reporter.at(node.span), message).help(help),
            );
            Value::Broken
        }
        NodeKind::Broken => Value::Broken,
        NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Shared(_) => {
            reporter.wrong_type(node, subject, "a mapping");
            Value::Broken
        }
    }
}

fn looks_like_json(scalar: &Scalar<'_>) -> bool {
    matches!(scalar.meaning(), Meaning::Text(text) if text.trim_start().starts_with('{'))
}

/// A value as JSON; `None` if a part of it was refused.
fn json(reporter: &mut FileReporter<'_>, node: &Node<'_>) -> Option<Json> {
    match &node.value().kind {
        NodeKind::Scalar(scalar) => one(reporter, node, scalar),
        NodeKind::List(items) => {
            let values: Vec<Option<Json>> = items.iter().map(|item| json(reporter, item)).collect();
            values.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
        }
        NodeKind::Map(pairs) => {
            let mut map = Map::new();
            let mut is_whole = true;
            for (key, value) in pairs {
                match json(reporter, value) {
                    Some(value) => drop(map.insert(key.text.to_string(), value)),
                    None => is_whole = false,
                }
            }
            is_whole.then_some(Json::Object(map))
        }
        NodeKind::Shared(_) | NodeKind::Broken => None,
    }
}

fn one(reporter: &mut FileReporter<'_>, node: &Node<'_>, scalar: &Scalar<'_>) -> Option<Json> {
    let (message, help) = match scalar.meaning() {
        Meaning::Null => return Some(Json::Null),
        Meaning::Bool(flag) => return Some(Json::Bool(flag)),
        Meaning::Text(text) => {
            if text.contains("${{") {
                let message = "`${{ … }}` is sent unchanged: only workflows expand it";
                reporter.report(Diagnostic::warning(
                    Code::Placeholder,
                    reporter.at(node.span),
                    message,
                ));
            }
            return Some(Json::String(text.to_owned()));
        }
        Meaning::Int(digits) => match whole(digits) {
            Ok(number) => return Some(Json::Number(number)),
            Err(why) => why,
        },
        Meaning::Float(text) => match fraction(text) {
            Some(number) => return Some(Json::Number(number)),
            None => ("JSON has no such number", "quote it to send it as text"),
        },
    };
    let code = if message.contains("YAML") { Code::Notation } else { Code::NotJson };
    let at = reporter.at(node.span);
    reporter.report(Diagnostic::error(code, at, message).help(help));
    None
}

/// Parses a whole number with any number of decimal digits.
fn whole(digits: &str) -> Result<Number, (&'static str, &'static str)> {
    let unsigned = digits.trim_start_matches(['+', '-']);
    let number = digits.trim_start_matches('+').parse();
    number.ok().filter(|_| unsigned.len() == 1 || !unsigned.starts_with('0')).ok_or((
        "a number with a leading `0` has different values in YAML 1.1 and YAML 1.2",
        "write it in decimal digits, or quote it to send it as text",
    ))
}

/// Parses a number with a fraction or an exponent, digit by digit: JSON requires digits on both
/// sides of the point and no leading zeros.
fn fraction(text: &str) -> Option<Number> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let at = unsigned.find(['e', 'E']).unwrap_or(unsigned.len());
    let (mantissa, power) = unsigned.split_at(at);
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let before = match before.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let point = if mantissa.contains('.') { "." } else { "" };
    let after = if after.is_empty() && !point.is_empty() { "0" } else { after };
    format!("{sign}{before}{point}{after}{power}").parse().ok()
}
