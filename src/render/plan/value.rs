//! One side of a change, or both, in words. No value is hidden here: the plan has done that.

use serde_json::Value;

use crate::domain::label::Labels;
use crate::domain::text::{count, quote};
use crate::plan::{FieldChange, ShownValue, Step};

/// Most characters of one value: long lists are cut.
const VALUE_MAX: usize = 1_000;

/// What stands for "not there".
const NONE: &str = "(none)";

/// What a script with a private key in it is called.
const KIT: &str = "the runner kit";

/// A change in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChangeText {
    /// One text: a value that comes, or something that is said of a hidden one.
    One(String),
    /// From → to.
    Two(String, String),
}

/// The change of a field. Where there is no pool yet everything comes, so that is not said of each
/// field.
pub(super) fn told(change: &FieldChange, step: &Step) -> ChangeText {
    let one = |text: String| ChangeText::One(clipped(text));
    match (&change.before, &change.after) {
        (ShownValue::Hidden { bytes: old, .. }, ShownValue::Hidden { bytes: new, .. }) => {
            one(format!("(changed, {old} → {new} bytes)"))
        }
        (ShownValue::Kit { digest: old }, ShownValue::Kit { digest: new }) => {
            one(format!("{KIT}, sha256:{old} → sha256:{new}"))
        }
        (ShownValue::Kit { digest }, ShownValue::Absent) => {
            one(format!("({KIT}, sha256:{digest}, removed)"))
        }
        (ShownValue::Absent, after) if step.pool_id.is_none() => one(side(&change.field, after)),
        (ShownValue::Absent, after @ ShownValue::Kit { .. }) => one(side(&change.field, after)),
        (ShownValue::Absent, ShownValue::Hidden { bytes, .. }) => {
            one(format!("(added, {})", count(*bytes, "byte")))
        }
        (ShownValue::Hidden { bytes, .. }, ShownValue::Absent) => {
            one(format!("(removed, {})", count(*bytes, "byte")))
        }
        (ShownValue::Value(Value::Array(old)), ShownValue::Value(Value::Array(new))) => {
            one(set(old, new))
        }
        (before, after) => ChangeText::Two(
            clipped(side(&change.field, before)),
            clipped(side(&change.field, after)),
        ),
    }
}

fn side(field: &str, shown: &ShownValue) -> String {
    match shown {
        ShownValue::Absent => NONE.to_owned(),
        ShownValue::Level(level) => level.to_string(),
        ShownValue::Hidden { bytes, .. } => format!("(hidden, {})", count(*bytes, "byte")),
        ShownValue::Kit { digest } => format!("{KIT}, sha256:{digest}"),
        // `"1"` and `1` are two things for a provider.
        ShownValue::Value(Value::String(text)) if field.starts_with("extra_specs.") => {
            quote(&Value::from(text.as_str()).to_string())
        }
        ShownValue::Value(Value::String(text)) => quote(text),
        ShownValue::Value(Value::Array(items)) => {
            items.iter().map(item).collect::<Vec<_>>().join(", ")
        }
        ShownValue::Value(value) => quote(&value.to_string()),
    }
}

/// Two sets as what comes and what goes: labels have no order and no case.
fn set(old: &[Value], new: &[Value]) -> String {
    let labels = |items: &[Value]| -> Labels { items.iter().map(item).collect() };
    let (old, new) = (labels(old), labels(new));
    let goes = old.iter().filter(|it| !new.contains(it)).map(|it| format!("- {it}"));
    let comes = new.iter().filter(|it| !old.contains(it)).map(|it| format!("+ {it}"));
    goes.chain(comes).collect::<Vec<_>>().join(", ")
}

fn item(value: &Value) -> String {
    value.as_str().map_or_else(|| quote(&value.to_string()), quote)
}

fn clipped(text: String) -> String {
    match text.char_indices().nth(VALUE_MAX) {
        None => text,
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
