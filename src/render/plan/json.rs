//! The document of `plan -o json` (DESIGN §2).

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::policy_changes::{self, PolicyChangesJson};
use crate::domain::name::{PoolKind, PoolName};
use crate::monitor::compliance::RequirementVerdict;
use crate::plan::{Action, FieldChange, Note, NoteSeverity, Plan, PolicyChanges, ShownValue, Step};
use crate::render::document;
use crate::render::requirements::{self, RequirementJson};

/// The fields of `plan`'s document besides `format_version` and `command`.
#[derive(Serialize, JsonSchema)]
pub(in crate::render) struct PlanJson<'a> {
    fleet: &'a str,
    controller_id: &'a str,
    #[schemars(extend("format" = "date-time"))]
    observed_at: String,
    summary: SummaryJson,
    steps: Vec<StepJson<'a>>,
    notes: Vec<NoteJson<'a>>,
    requirements: Vec<RequirementJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_changes: Option<PolicyChangesJson<'a>>,
}

/// The number of steps per action.
#[derive(Serialize, JsonSchema)]
struct SummaryJson {
    create: usize,
    update: usize,
    adopt: usize,
    replace: usize,
    delete: usize,
    blocked: usize,
}

#[derive(Serialize, JsonSchema)]
struct StepJson<'a> {
    #[schemars(extend("enum" = Action::ALL.map(Action::word)))]
    action: &'static str,
    /// Null for GARM's own settings and for credentials, which have `credential`.
    pool: Option<&'a str>,
    pool_id: Option<String>,
    /// The kind that the pool has after the step; null for what is no pool.
    #[schemars(extend("enum" = ["pool", "scale_set", null]))]
    kind: Option<&'static str>,
    changes: Vec<ChangeJson<'a>>,
    reason: &'a str,
    consequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct ChangeJson<'a> {
    field: &'a str,
    /// The value in GARM.
    before: SideJson<'a>,
    /// The value after the step.
    after: SideJson<'a>,
}

/// One side of a change; null if the field is absent.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum SideJson<'a> {
    Absent,
    Level(u32),
    /// The size in bytes of a value that is not shown.
    Hidden {
        hidden: bool,
        bytes: usize,
    },
    /// The digest of the runner kit.
    Kit {
        kit: String,
    },
    Value(&'a Value),
}

#[derive(Serialize, JsonSchema)]
struct NoteJson<'a> {
    #[schemars(extend("enum" = ["warning", "note"]))]
    severity: &'static str,
    pool: Option<&'a str>,
    text: &'a str,
    help: Option<&'a str>,
}

/// The fields of `plan`'s document besides `format_version` and `command`.
pub fn json(
    plan: &Plan,
    verdicts: &[RequirementVerdict],
    policy_changes: Option<&PolicyChanges>,
) -> Value {
    let policy_changes = policy_changes.map(policy_changes::json);
    document::value(&PlanJson { policy_changes, ..fields(plan, verdicts) })
}

pub fn schema() -> Value {
    document::schema::<PlanJson<'_>>("plan", Some("plan"))
}

pub(in crate::render) fn fields<'a>(
    plan: &'a Plan,
    verdicts: &'a [RequirementVerdict],
) -> PlanJson<'a> {
    let summary = plan.summary();
    PlanJson {
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
        requirements: requirements::rows(verdicts),
        policy_changes: None,
    }
}

fn step(step: &Step) -> StepJson<'_> {
    StepJson {
        action: step.action.word(),
        pool: step.about.pool().map(PoolName::as_str),
        pool_id: step.pool_id.as_ref().map(ToString::to_string),
        kind: step.kind().map(PoolKind::word),
        changes: step.changes.iter().map(change).collect(),
        reason: &step.reason,
        consequences: &step.consequences,
        credential: step.about.credential(),
    }
}

fn change(change: &FieldChange) -> ChangeJson<'_> {
    ChangeJson { field: &change.field, before: side(&change.before), after: side(&change.after) }
}

/// Of a hidden value, shows only the size: a short secret could be guessed from a digest.
fn side(shown: &ShownValue) -> SideJson<'_> {
    match shown {
        ShownValue::Absent => SideJson::Absent,
        ShownValue::Value(value) => SideJson::Value(value),
        ShownValue::Level(level) => SideJson::Level(*level),
        ShownValue::Hidden { bytes, .. } => SideJson::Hidden { hidden: true, bytes: *bytes },
        ShownValue::Kit { digest } => SideJson::Kit { kit: format!("sha256:{digest}") },
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
