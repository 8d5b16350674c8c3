//! The part of a saved plan that only `show` reads: what `plan` printed beside the steps.

use serde_json::{Value, json};

use super::note::{Note, NoteSeverity};
use super::saved::{JsonNode, SavedError, about_of};
use super::step::{Action, Consent, FieldChange, Operation, Plan, ShownValue, Step};
use crate::domain::name::{FleetName, PoolId, PoolKind, PoolName};

/// What was printed of a plan. Its steps cannot be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownPlan {
    pub plan: Plan,
    /// The path of the fleet file, as it was printed.
    pub fleet_file: String,
    /// What the command line put beside the plan.
    pub report: Value,
}

/// The object beside the steps, which it describes in the same order.
pub(super) fn json(plan: &Plan, fleet_file: &str, report: &Value) -> Value {
    json!({
        "fleet_file": fleet_file,
        "declared": plan.declared,
        "owned": plan.owned,
        "steps": plan.steps.iter().map(step_json).collect::<Vec<_>>(),
        "notes": plan.notes.iter().map(note_json).collect::<Vec<_>>(),
        "report": report,
    })
}

fn step_json(step: &Step) -> Value {
    let change = |change: &FieldChange| json!({ "before": side_json(&change.before), "after": side_json(&change.after) });
    json!({
        "reason": step.reason,
        "consequences": step.consequences,
        "policy": step.policy,
        "help": step.help,
        "kind": step.kind().map(PoolKind::word),
        "destroys": step.consent == Consent::Destroy,
        "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

/// A side as it is printed: the digest of a hidden value is left out.
fn side_json(side: &ShownValue) -> Value {
    match side {
        ShownValue::Absent => Value::Null,
        ShownValue::Value(value) => json!({ "value": value }),
        ShownValue::Level(level) => json!({ "level": level }),
        ShownValue::Hidden { bytes, .. } => json!({ "bytes": bytes }),
        ShownValue::Kit { digest } => json!({ "kit": digest }),
    }
}

fn note_json(note: &Note) -> Value {
    json!({
        "is_warning": note.weight == NoteSeverity::Warning,
        "pool": note.pool.as_ref().map(PoolName::as_str),
        "text": note.text,
        "help": note.help,
    })
}

/// Reads the object together with the steps of the document.
pub(super) fn read(top: &JsonNode<'_>) -> Result<ShownPlan, SavedError> {
    let shown = top.get("shown");
    let (steps, texts) = (top.get("steps").list()?, shown.get("steps").list()?);
    if steps.len() != texts.len() {
        return Err(shown.get("steps").is_not("as long as `steps`"));
    }
    let fleet = top.get("fleet");
    let time = top.get("observed_at");
    let plan = Plan {
        fleet: FleetName::new(&fleet.text()?).map_err(|_| fleet.is_not("the name of a fleet"))?,
        controller_id: top.get("controller_id").text()?,
        observed_at: time.text()?.parse().map_err(|_| time.is_not("a time"))?,
        steps: steps.iter().zip(&texts).map(step).collect::<Result<_, _>>()?,
        notes: shown.get("notes").list()?.iter().map(note).collect::<Result<_, _>>()?,
        declared: shown.get("declared").number()?,
        owned: shown.get("owned").number()?,
    };
    let report = shown.get("report").value.clone();
    Ok(ShownPlan { plan, fleet_file: shown.get("fleet_file").text()?, report })
}

fn step((step, text): (&JsonNode<'_>, &JsonNode<'_>)) -> Result<Step, SavedError> {
    let word = step.get("action");
    let name = word.text()?;
    let action = Action::ALL.into_iter().find(|action| action.word() == name);
    let fields = step.get("changes").list()?;
    let sides = text.get("changes").list()?;
    if fields.len() != sides.len() {
        return Err(text.get("changes").is_not("as long as that of its step"));
    }
    let change = |(field, sides): (&JsonNode<'_>, &JsonNode<'_>)| {
        Ok(FieldChange {
            field: field.get("field").text()?,
            before: side(&sides.get("before"))?,
            after: side(&sides.get("after"))?,
        })
    };
    let consequences = text.get("consequences").list()?;
    Ok(Step {
        action: action.ok_or_else(|| word.is_not("an action of a plan"))?,
        about: about_of(step)?,
        pool_id: step.get("pool_id").text_or_null()?.map(PoolId::new),
        changes: fields.iter().zip(&sides).map(change).collect::<Result<_, _>>()?,
        reason: text.get("reason").text()?,
        consequences: consequences.iter().map(JsonNode::text).collect::<Result<_, _>>()?,
        policy: text.get("policy").text_or_null()?,
        help: text.get("help").text_or_null()?,
        consent: if text.get("destroys").flag()? { Consent::Destroy } else { Consent::None },
        work: Operation::Shown(kind(&text.get("kind"))?),
    })
}

/// The kind of the pool; plans that were saved before scale sets could be declared have none.
fn kind(node: &JsonNode<'_>) -> Result<Option<PoolKind>, SavedError> {
    let Some(word) = node.text_or_null()? else { return Ok(None) };
    PoolKind::from_word(&word).map(Some).ok_or_else(|| node.is_not("a kind of pool"))
}

fn side(node: &JsonNode<'_>) -> Result<ShownValue, SavedError> {
    if node.value.is_null() {
        return Ok(ShownValue::Absent);
    }
    let only =
        node.value.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
    match only.map(|(key, value)| (key.as_str(), value)) {
        Some(("value", value)) => Ok(ShownValue::Value(value.clone())),
        Some(("level", _)) => {
            let level = node.get("level");
            let number = u32::try_from(level.number()?);
            Ok(ShownValue::Level(number.map_err(|_| level.is_not("a level"))?))
        }
        Some(("bytes", _)) => {
            Ok(ShownValue::Hidden { bytes: node.get("bytes").number()?, digest: String::new() })
        }
        Some(("kit", _)) => Ok(ShownValue::Kit { digest: node.get("kit").text()? }),
        Some(_) | None => Err(node.is_not("one side of a change")),
    }
}

fn note(node: &JsonNode<'_>) -> Result<Note, SavedError> {
    let pool = node.get("pool");
    let name = pool.text_or_null()?.map(|text| PoolName::new(&text));
    let weight = match node.get("is_warning").flag()? {
        true => NoteSeverity::Warning,
        false => NoteSeverity::Remark,
    };
    Ok(Note {
        weight,
        pool: name.transpose().map_err(|_| pool.is_not("the name of a pool"))?,
        text: node.get("text").text()?,
        help: node.get("help").text_or_null()?,
    })
}
