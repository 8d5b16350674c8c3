//! The values of a change as text. The plan has already hidden secret values.

use serde_json::Value;

use crate::domain::label::Labels;
use crate::domain::text::{count, quote};
use crate::plan::{FieldChange, ShownValue, Step};

/// The maximum length of a value, in characters; the rest is cut.
const VALUE_MAX: usize = 1_000;

/// The text for an absent value.
const NONE: &str = "(none)";

/// The label of a script that contains a private key.
const KIT: &str = "the runner kit";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChangeText {
    /// A single text: an added value, added and removed labels, or a remark on a hidden value.
    One(String),
    /// The old and the new value.
    Two(String, String),
}

/// The change of a field. In a new pool every value is new, so only the value is shown.
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
        // A provider may treat `"1"` and `1` differently.
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

/// The added and the removed labels. Their order and case are ignored.
fn set(old: &[Value], new: &[Value]) -> String {
    let labels = |items: &[Value]| -> Labels { items.iter().map(item).collect() };
    let (old, new) = (labels(old), labels(new));
    let goes = old.iter().filter(|label| !new.contains(label)).map(|label| format!("- {label}"));
    let comes = new.iter().filter(|label| !old.contains(label)).map(|label| format!("+ {label}"));
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
