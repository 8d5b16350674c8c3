//! `extra_specs`: compared by meaning, and shown only as far as the policy allows.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use super::step::{FieldChange, ShownValue};
use crate::policy::kit;

/// Whether two maps mean the same. The order of keys does not matter, and a `null` equals an absent
/// key. Numbers are compared by value, but `1` and `1.0` differ: GARM passes the text on, and a
/// provider written in Go refuses `1.0` where it expects a whole number.
pub fn are_same(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    keys(a, b).all(|key| is_same_entry(entry(a, key), entry(b, key)))
}

/// The keys that differ, each reduced to what may be shown.
pub(super) fn changes(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    show: &BTreeSet<&str>,
) -> Vec<FieldChange> {
    let (own_before, own_after) = (kit::without(before), kit::without(after));
    let own = keys(&own_before, &own_after)
        .filter(|key| !is_same_entry(entry(&own_before, key), entry(&own_after, key)))
        .map(|key| FieldChange {
            field: format!("extra_specs.{key}"),
            before: shown(key, entry(&own_before, key), show),
            after: shown(key, entry(&own_after, key), show),
        });
    own.chain(kit_change(kit::entry(before), kit::entry(after))).collect()
}

/// The runner kit separately: it is added, removed and renewed independently of the pool's other
/// scripts.
fn kit_change(before: Option<&Value>, after: Option<&Value>) -> Option<FieldChange> {
    let side = |entry: Option<&Value>| match entry {
        None => ShownValue::Absent,
        Some(entry) => ShownValue::Kit { digest: digest(entry) },
    };
    (before != after).then(|| FieldChange {
        field: format!("extra_specs.{}.{}", kit::SCRIPTS, kit::ENTRY),
        before: side(before),
        after: side(after),
    })
}

/// First 16 hex digits of the SHA-256 of a value's canonical JSON (keys sorted, no whitespace).
pub(super) fn digest(value: &Value) -> String {
    let mut canonical = String::new();
    write_canonical(value, &mut canonical);
    Sha256::digest(canonical.as_bytes()).iter().take(8).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

fn keys<'a>(
    a: &'a Map<String, Value>,
    b: &'a Map<String, Value>,
) -> impl Iterator<Item = &'a String> {
    a.keys().chain(b.keys()).collect::<BTreeSet<_>>().into_iter()
}

fn entry<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn is_same_entry(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => is_same(a, b),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => is_same_number(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn is_same_number(a: &Number, b: &Number) -> bool {
    a == b
        || Decimal::of(a.as_str()).is_some_and(|decimal| Decimal::of(b.as_str()) == Some(decimal))
}

/// The exact value of a number, and whether it has a fraction when written without an exponent:
/// PostgreSQL returns it in that form, `1e16` as `10000000000000000`.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without leading and trailing zeros; empty for zero.
    digits: String,
    /// The power of ten of the last digit.
    exponent: i64,
    has_fraction: bool,
}

impl Decimal {
    /// `None` if the exponent alone exceeds 64 bits.
    fn of(text: &str) -> Option<Self> {
        let unsigned = text.trim_start_matches('-');
        let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let decimals = i64::try_from(fraction.len()).ok()?.checked_sub(power.parse().ok()?)?;
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0');
        let zeros = i64::try_from(significant.len() - digits.len()).ok()?;
        let is_zero = digits.is_empty();
        Some(Self {
            is_negative: !is_zero && text.starts_with('-'),
            digits: digits.to_owned(),
            exponent: if is_zero { 0 } else { zeros.checked_sub(decimals)? },
            has_fraction: decimals > 0,
        })
    }
}

fn shown(key: &str, value: Option<&Value>, show: &BTreeSet<&str>) -> ShownValue {
    match value {
        None => ShownValue::Absent,
        Some(scalar) if show.contains(key) && !scalar.is_array() && !scalar.is_object() => {
            ShownValue::Value(scalar.clone())
        }
        Some(value) => ShownValue::Hidden { bytes: value.to_string().len(), digest: digest(value) },
    }
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (key, value) in map.iter().collect::<std::collections::BTreeMap<_, _>>() {
                write!(text, "{}:", Value::from(key.as_str())).expect("a String takes everything");
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn maps_are_compared_by_meaning() {
        for (a, b, expected) in [
            (json!({}), json!({ "a": null }), true),
            (json!({ "a": 1, "b": 2 }), json!({ "b": 2, "a": 1 }), true),
            (json!({ "a": 1 }), json!({ "a": 1.0 }), false),
            (json!({ "a": 1e16 }), json!({ "a": 10_000_000_000_000_000_u64 }), true),
            (json!({ "a": "1" }), json!({ "a": 1 }), false),
            (text(r#"{"a":1.10}"#), text(r#"{"a":1.1}"#), true),
            (text(r#"{"a":1e2}"#), text(r#"{"a":100}"#), true),
            (text(r#"{"a":1.0e1}"#), text(r#"{"a":10.0}"#), false),
            (text(r#"{"a":1E400}"#), text(r#"{"a":1e401}"#), false),
            (
                text(r#"{"a":12345678901234567890123}"#),
                text(r#"{"a":12345678901234567890124}"#),
                false,
            ),
            (text(r#"{"a":-0}"#), text(r#"{"a":0}"#), true),
            (text(r#"{"a":-2}"#), text(r#"{"a":2}"#), false),
            (json!({ "a": [1, 2] }), json!({ "a": [2, 1] }), false),
            (json!({ "a": { "x": 1, "y": [{}] } }), json!({ "a": { "y": [{}], "x": 1 } }), true),
            (json!({ "a": { "x": null } }), json!({ "a": {} }), false),
            (json!({ "a": false }), json!({}), false),
        ] {
            assert_eq!(are_same(&map(&a), &map(&b)), expected, "{a} {b}");
            assert_eq!(are_same(&map(&b), &map(&a)), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_scalars_of_the_keys_in_the_policy_are_shown() {
        let before =
            map(&json!({ "gone": "secret", "subnet": "a", "same": 1, "disk": { "gb": 1 } }));
        let after = map(&json!({ "subnet": "b", "same": 1, "disk": { "gb": 20 }, "new": true }));
        let hidden = |value: Value| ShownValue::Hidden {
            bytes: value.to_string().len(),
            digest: digest(&value),
        };
        let change =
            |field: &str, before, after| FieldChange { field: field.into(), before, after };
        assert_eq!(
            changes(&before, &after, &["subnet", "disk"].into()),
            [
                change("extra_specs.disk", hidden(json!({"gb":1})), hidden(json!({"gb":20}))),
                change("extra_specs.gone", hidden(json!("secret")), ShownValue::Absent),
                change("extra_specs.new", ShownValue::Absent, hidden(json!(true))),
                change(
                    "extra_specs.subnet",
                    ShownValue::Value("a".into()),
                    ShownValue::Value("b".into())
                ),
            ]
        );
    }

    #[test]
    fn digests_do_not_depend_on_the_order_of_keys() {
        assert_eq!(digest(&json!({ "a": 1, "b": [2] })), digest(&json!({ "b": [2], "a": 1 })));
        assert_ne!(digest(&json!("ab")), digest(&json!(["a", "b"])));
        assert_eq!(digest(&json!(1)), "6b86b273ff34fce1");
    }
}
