//! The plan for programs (DESIGN §2, JSON).

use serde_json::{Value, json};

use crate::domain::name::PoolName;
use crate::plan::{FieldChange, Note, NoteSeverity, Plan, ShownValue, Step};

/// The fields of `plan`'s document, beside `format_version` and `command`.
pub fn json(plan: &Plan) -> Value {
    let summary = plan.summary();
    json!({
        "fleet": plan.fleet.as_str(),
        "controller_id": plan.controller_id,
        "observed_at": plan.observed_at.to_string(),
        "summary": {
            "create": summary.create,
            "update": summary.update,
            "adopt": summary.adopt,
            "replace": summary.replace,
            "delete": summary.delete,
            "blocked": summary.blocked,
        },
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "notes": plan.notes.iter().map(note).collect::<Vec<_>>(),
    })
}

fn step(step: &Step) -> Value {
    let mut document = json!({
        "action": step.action.word(),
        "pool": step.about.pool().map(PoolName::as_str),
        "pool_id": step.pool_id.as_ref().map(ToString::to_string),
        "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
        "reason": step.reason,
        "consequences": step.consequences,
    });
    if let Some(name) = step.about.credential() {
        document["credential"] = json!(name);
    }
    document
}

fn change(change: &FieldChange) -> Value {
    json!({
        "field": change.field,
        "before": side(&change.before),
        "after": side(&change.after),
    })
}

/// A digest would let a short secret be guessed, so only the size is told.
fn side(shown: &ShownValue) -> Value {
    match shown {
        ShownValue::Absent => Value::Null,
        ShownValue::Value(value) => value.clone(),
        ShownValue::Level(level) => json!(level),
        ShownValue::Hidden { bytes, .. } => json!({ "hidden": true, "bytes": bytes }),
        ShownValue::Kit { digest } => json!({ "kit": format!("sha256:{digest}") }),
    }
}

fn note(note: &Note) -> Value {
    json!({
        "severity": match note.weight {
            NoteSeverity::Warning => "warning",
            NoteSeverity::Remark => "note",
        },
        "pool": note.pool.as_ref().map(PoolName::as_str),
        "text": note.text,
        "help": note.help,
    })
}
