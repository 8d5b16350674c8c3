//! One side of a change, or both, in words. No value is hidden here: the plan has done that.

use serde_json::Value;

use crate::domain::label::Labels;
use crate::domain::text::{count, quote};
use crate::plan::{Change, Shown, Step};

/// Most characters of one value: long lists are cut.
const VALUE_MAX: usize = 1_000;

/// What stands for "not there".
const NONE: &str = "(none)";

/// What a script with a private key in it is called.
const KIT: &str = "the runner kit";

/// A change in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// One text: a value that comes, or something that is said of a hidden one.
    One(String),
    /// From → to.
    Two(String, String),
}

/// The change of a field. Where there is no pool yet everything comes, so that is not said of each
/// field.
pub(super) fn told(change: &Change, step: &Step) -> Told {
    let one = |text: String| Told::One(clipped(text));
    match (&change.before, &change.after) {
        (Shown::Hidden { bytes: old, .. }, Shown::Hidden { bytes: new, .. }) => {
            one(format!("(changed, {old} → {new} bytes)"))
        }
        (Shown::Kit { digest: old }, Shown::Kit { digest: new }) => {
            one(format!("{KIT}, sha256:{old} → sha256:{new}"))
        }
        (Shown::Kit { digest }, Shown::Absent) => one(format!("({KIT}, sha256:{digest}, removed)")),
        (Shown::Absent, after) if step.pool_id.is_none() => one(side(&change.field, after)),
        (Shown::Absent, after @ Shown::Kit { .. }) => one(side(&change.field, after)),
        (Shown::Absent, Shown::Hidden { bytes, .. }) => {
            one(format!("(added, {})", count(*bytes, "byte")))
        }
        (Shown::Hidden { bytes, .. }, Shown::Absent) => {
            one(format!("(removed, {})", count(*bytes, "byte")))
        }
        (Shown::Value(Value::Array(old)), Shown::Value(Value::Array(new))) => one(set(old, new)),
        (before, after) => {
            Told::Two(clipped(side(&change.field, before)), clipped(side(&change.field, after)))
        }
    }
}

fn side(field: &str, shown: &Shown) -> String {
    match shown {
        Shown::Absent => NONE.to_owned(),
        Shown::Level(level) => level.to_string(),
        Shown::Hidden { bytes, .. } => format!("(hidden, {})", count(*bytes, "byte")),
        Shown::Kit { digest } => format!("{KIT}, sha256:{digest}"),
        // `"1"` and `1` are two things for a provider.
        Shown::Value(Value::String(text)) if field.starts_with("extra_specs.") => {
            quote(&Value::from(text.as_str()).to_string())
        }
        Shown::Value(Value::String(text)) => quote(text),
        Shown::Value(Value::Array(items)) => items.iter().map(item).collect::<Vec<_>>().join(", "),
        Shown::Value(value) => quote(&value.to_string()),
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
