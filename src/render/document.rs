//! Converts output types to JSON.

use serde::Serialize;
use serde_json::Value;

/// `document` as JSON.
pub(super) fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect("documents hold texts, numbers and lists, which are JSON")
}
