//! The document of `plan -o json` (DESIGN §2).

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::name::PoolName;
use crate::plan::{FieldChange, Note, NoteSeverity, Plan, ShownValue, Step};
use crate::render::document;

/// The fields of `plan`'s document beside `format_version` and `command`.
#[derive(Serialize)]
struct PlanJson<'a> {
    fleet: &'a str,
    controller_id: &'a str,
    observed_at: String,
    summary: SummaryJson,
    steps: Vec<StepJson<'a>>,
    notes: Vec<NoteJson<'a>>,
}

/// The number of steps per action.
#[derive(Serialize)]
struct SummaryJson {
    create: usize,
    update: usize,
    adopt: usize,
    replace: usize,
    delete: usize,
    blocked: usize,
}

#[derive(Serialize)]
struct StepJson<'a> {
    action: &'static str,
    /// Null for GARM's own settings and for credentials, which have `credential`.
    pool: Option<&'a str>,
    pool_id: Option<String>,
    changes: Vec<ChangeJson<'a>>,
    reason: &'a str,
    consequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    field: &'a str,
    before: Value,
    after: Value,
}

#[derive(Serialize)]
struct NoteJson<'a> {
    severity: &'static str,
    pool: Option<&'a str>,
    text: &'a str,
    help: Option<&'a str>,
}

/// The fields of `plan`'s document, beside `format_version` and `command`.
pub fn json(plan: &Plan) -> Value {
    let summary = plan.summary();
    document::value(&PlanJson {
        fleet: plan.fleet.as_str(),
        controller_id: &plan.controller_id,
        observed_at: plan.observed_at.to_string(),
        summary: SummaryJson {
            create: summary.create,
            update: summary.update,
            adopt: summary.adopt,
            replace: summary.replace,
            delete: summary.delete,
            blocked: summary.blocked,
        },
        steps: plan.steps.iter().map(step).collect(),
        notes: plan.notes.iter().map(note).collect(),
    })
}

fn step(step: &Step) -> StepJson<'_> {
    StepJson {
        action: step.action.word(),
        pool: step.about.pool().map(PoolName::as_str),
        pool_id: step.pool_id.as_ref().map(ToString::to_string),
        changes: step.changes.iter().map(change).collect(),
        reason: &step.reason,
        consequences: &step.consequences,
        credential: step.about.credential(),
    }
}

fn change(change: &FieldChange) -> ChangeJson<'_> {
    ChangeJson { field: &change.field, before: side(&change.before), after: side(&change.after) }
}

/// Only the size of a hidden value: a digest would allow guessing a short secret.
fn side(shown: &ShownValue) -> Value {
    match shown {
        ShownValue::Absent => Value::Null,
        ShownValue::Value(value) => value.clone(),
        ShownValue::Level(level) => json!(level),
        ShownValue::Hidden { bytes, .. } => json!({ "hidden": true, "bytes": bytes }),
        ShownValue::Kit { digest } => json!({ "kit": format!("sha256:{digest}") }),
    }
}

fn note(note: &Note) -> NoteJson<'_> {
    NoteJson {
        severity: match note.weight {
            NoteSeverity::Warning => "warning",
            NoteSeverity::Remark => "note",
        },
        pool: note.pool.as_ref().map(PoolName::as_str),
        text: &note.text,
        help: note.help.as_deref(),
    }
}
