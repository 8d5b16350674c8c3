//! Saved plans: what a user has consented to, as text. Nothing in a saved plan is ever executed; it
//! is only compared with a new plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::shown::{self, ShownPlan};
use super::specs;
use super::step::{Action, FieldChange, Plan, Resource, ShownValue, Step};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::text::code;

/// The format version that is written.
const FORMAT_VERSION: &str = "2";

/// The previous format version, which `apply` also reads. It lacks what `show` prints.
const WITHOUT_TEXTS: &str = "1";

/// The largest saved plan that is read, in bytes: about 20 times the plan of 1,000 pools.
pub const SAVED_MAX: usize = 32 * 1024 * 1024;

/// The files and filters from which the plan was made, resolved; `apply` uses the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedInputs {
    pub config: Option<String>,
    /// The file or directory of pools.
    pub pools: Option<String>,
    pub policy: Option<String>,
    /// `--target`, in the order given.
    pub target: Vec<String>,
    /// The name of the GARM in `garms`.
    pub garm: Option<GarmName>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SavedPlan {
    pub fleet: String,
    /// The id of the GARM that it was made for.
    pub controller_id: String,
    /// The URL of that GARM.
    pub garm_url: String,
    /// When the fleet was read, RFC 3339.
    pub observed_at: String,
    pub inputs: SavedInputs,
    /// The salt of the digests in it.
    salt: String,
    steps: BTreeSet<SavedStep>,
    /// What was printed; `None` in an earlier version.
    shown: Option<Box<ShownPlan>>,
}

/// What a plan is saved with, to be shown again.
#[derive(Debug, Clone)]
pub struct SavedTexts<'a> {
    pub fleet_file: &'a str,
    /// What the command line puts beside the plan.
    pub report: Value,
}

/// Why a text is not a saved plan. The message follows "cannot read the saved plan `FILE`: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// Its size in bytes is over [`SAVED_MAX`].
    #[error("it has {0} bytes, too many for a saved plan")]
    TooLarge(usize),
    /// The file is truncated, or it is not JSON.
    #[error("it is not valid JSON: line {line}, column {column}")]
    Syntax {
        /// The position of the error, counted from 1.
        line: usize,
        /// The position of the error, counted from 1.
        column: usize,
    },
    /// JSON, but not a plan.
    #[error("it is not a plan saved by `runnerctl plan --out`")]
    NotAPlan,
    #[error(
        "it has format version {0}, and this version reads `{WITHOUT_TEXTS}` and `{FORMAT_VERSION}`"
    )]
    Version(String),
    /// Written by an earlier version, which saved only what `apply` needs.
    #[error("it has format version `{WITHOUT_TEXTS}`, which lacks what `show` prints")]
    WithoutTexts,
    /// A field is missing or of the wrong type.
    #[error("{path} is not {expected}")]
    Field {
        /// The path, such as `steps[3].changes[0].field`, in backticks.
        path: String,
        expected: &'static str,
    },
}

/// The parts of a step that matter when two plans are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SavedStep {
    about: Resource,
    pool_id: Option<String>,
    action: String,
    /// Field → before and after, each as compact JSON.
    changes: BTreeMap<String, (String, String)>,
}

/// The text of a saved plan. The caller makes the file readable only by its owner. `salt` is a new
/// random text for each plan, so that digests cannot be looked up in a table, nor compared between
/// plans.
pub fn write(
    plan: &Plan,
    (garm_url, texts): (&str, &SavedTexts<'_>),
    inputs: &SavedInputs,
    salt: &str,
) -> String {
    let mut document = compared(plan, garm_url, inputs, salt);
    document["format_version"] = FORMAT_VERSION.into();
    document["shown"] = shown::json(plan, texts.fleet_file, &texts.report);
    format!("{document:#}\n")
}

/// The text that identifies a plan: equal for plans of equal steps, files and times.
pub fn identity(plan: &Plan, garm_url: &str, inputs: &SavedInputs) -> String {
    format!("{:#}\n", compared(plan, garm_url, inputs, ""))
}

/// What `apply` compares.
fn compared(plan: &Plan, garm_url: &str, inputs: &SavedInputs, salt: &str) -> Value {
    let mut document = json!({
        "format_version": WITHOUT_TEXTS,
        "kind": "plan",
        "fleet": plan.fleet.as_str(),
        "controller_id": plan.controller_id,
        "garm_url": garm_url,
        "observed_at": plan.observed_at.to_string(),
        "inputs": {
            "config": inputs.config,
            "pools": inputs.pools,
            "policy": inputs.policy,
            "target": inputs.target,
        },
        "salt": salt,
        "steps": plan.steps.iter().map(|step| step_json(step, salt)).collect::<Vec<_>>(),
    });
    if let Some(garm) = &inputs.garm {
        document["inputs"]["garm"] = json!(garm.as_str());
    }
    document
}

/// Parses the output of [`write`]. Any other text is an error, never a panic.
pub fn read(text: &str) -> Result<SavedPlan, SavedError> {
    if text.len() > SAVED_MAX {
        return Err(SavedError::TooLarge(text.len()));
    }
    let document: Value = serde_json::from_str(text)
        .map_err(|error| SavedError::Syntax { line: error.line(), column: error.column() })?;
    let top = JsonNode { value: &document, path: String::new() };
    let has_texts =
        match (document.get("kind").and_then(Value::as_str), document.get("format_version")) {
            (Some("plan"), Some(Value::String(version))) if version == FORMAT_VERSION => true,
            (Some("plan"), Some(Value::String(version))) if version == WITHOUT_TEXTS => false,
            (Some("plan"), Some(version)) => {
                let version = version.as_str().map_or_else(|| version.to_string(), str::to_owned);
                return Err(SavedError::Version(code(version)));
            }
            _ => return Err(SavedError::NotAPlan),
        };
    let inputs = top.get("inputs");
    let target = inputs.get("target").list()?;
    let steps = top.get("steps").list()?;
    let garm = inputs.get("garm");
    let named = garm.text_or_null()?.map(|name| GarmName::new(&name));
    let named = named.transpose().map_err(|_| garm.is_not("the name of a GARM"))?;
    Ok(SavedPlan {
        fleet: top.get("fleet").text()?,
        controller_id: top.get("controller_id").text()?,
        garm_url: top.get("garm_url").text()?,
        observed_at: top.get("observed_at").text()?,
        inputs: SavedInputs {
            config: inputs.get("config").text_or_null()?,
            pools: inputs.get("pools").text_or_null()?,
            policy: inputs.get("policy").text_or_null()?,
            target: target.iter().map(JsonNode::text).collect::<Result<_, _>>()?,
            garm: named,
        },
        salt: top.get("salt").text()?,
        steps: steps.iter().map(remembered).collect::<Result<_, _>>()?,
        shown: has_texts.then(|| shown::read(&top).map(Box::new)).transpose()?,
    })
}

impl SavedPlan {
    /// The resources whose steps differ in `plan`, in order. A raised level counts as raised,
    /// whatever its value. Reasons, consequences and notes do not matter, nor does the order of
    /// steps.
    pub fn differences(&self, plan: &Plan) -> Vec<Resource> {
        let fresh: BTreeSet<SavedStep> = plan
            .steps
            .iter()
            .map(|step| SavedStep {
                about: step.about.clone(),
                pool_id: step.pool_id.as_ref().map(ToString::to_string),
                action: step.action.word().to_owned(),
                changes: (step.changes.iter())
                    .map(|change| (change.field.clone(), sides(change, &self.salt)))
                    .collect(),
            })
            .collect();
        let different = self.steps.symmetric_difference(&fresh);
        different.map(|step| step.about.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What was printed of the plan.
    pub fn shown(&self) -> Result<&ShownPlan, SavedError> {
        self.shown.as_deref().ok_or(SavedError::WithoutTexts)
    }

    /// Whether `plan` is for the same fleet on the same GARM.
    pub fn is_for(&self, plan: &Plan) -> bool {
        self.fleet == plan.fleet.as_str() && self.controller_id == plan.controller_id
    }
}

fn step_json(step: &Step, salt: &str) -> Value {
    let mut document = json!({
        "action": step.action.word(),
        "pool": step.about.pool().map(PoolName::as_str),
        "pool_id": step.pool_id.as_ref().map(ToString::to_string),
        "changes": step.changes.iter().map(|change| change_json(change, salt)).collect::<Vec<_>>(),
    });
    if let Some(name) = step.about.credential() {
        document["credential"] = json!(name);
    }
    document
}

fn change_json(change: &FieldChange, salt: &str) -> Value {
    let (before, after) = sides_json(change, salt);
    json!({ "field": change.field, "before": before, "after": after })
}

fn sides(change: &FieldChange, salt: &str) -> (String, String) {
    let (before, after) = sides_json(change, salt);
    (before.to_string(), after.to_string())
}

/// Both sides, reduced to what matters in a comparison.
fn sides_json(change: &FieldChange, salt: &str) -> (Value, Value) {
    if let (ShownValue::Level(before), ShownValue::Level(after)) = (&change.before, &change.after)
        && after > before
    {
        return (Value::Null, json!({ "raised": true }));
    }
    let is_secret = change.field.starts_with("extra_specs.");
    let salted = |digest: &str| {
        let digest = Sha256::digest(format!("{salt}\n{digest}"));
        json!({ "digest": digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>() })
    };
    let side = |side: &ShownValue| match side {
        ShownValue::Absent => Value::Null,
        ShownValue::Value(value) if is_secret => salted(&specs::digest(value)),
        ShownValue::Value(value) => json!({ "value": value }),
        ShownValue::Level(level) => json!({ "level": level }),
        ShownValue::Hidden { digest, .. } | ShownValue::Kit { digest } => salted(digest),
    };
    (side(&change.before), side(&change.after))
}

fn remembered(step: &JsonNode<'_>) -> Result<SavedStep, SavedError> {
    let action = step.get("action");
    let word = action.text()?;
    if !Action::ALL.iter().any(|action| action.word() == word) {
        return Err(action.is_not("an action of a plan"));
    }
    let about = about_of(step)?;
    let mut changes = BTreeMap::new();
    for change in step.get("changes").list()? {
        let field = change.get("field");
        let sides = (change.get("before").side()?, change.get("after").side()?);
        if changes.insert(field.text()?, sides).is_some() {
            return Err(field.is_not("named once in its step"));
        }
    }
    Ok(SavedStep { about, pool_id: step.get("pool_id").text_or_null()?, action: word, changes })
}

/// The resource of a step.
pub(super) fn about_of(step: &JsonNode<'_>) -> Result<Resource, SavedError> {
    let pool = step.get("pool");
    Ok(match (pool.text_or_null()?, step.get("credential").text_or_null()?) {
        (None, None) => Resource::Controller,
        (None, Some(name)) => Resource::Credential(name),
        (Some(text), _) => {
            Resource::Pool(PoolName::new(&text).map_err(|_| pool.is_not("the name of a pool"))?)
        }
    })
}

/// A value in the document, and its path.
pub(super) struct JsonNode<'a> {
    pub(super) value: &'a Value,
    path: String,
}

impl<'a> JsonNode<'a> {
    /// The value of a key; null if there is none.
    pub(super) fn get(&self, key: &str) -> JsonNode<'a> {
        let path = match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        JsonNode { value: self.value.get(key).unwrap_or(&Value::Null), path }
    }

    pub(super) fn list(&self) -> Result<Vec<JsonNode<'a>>, SavedError> {
        let items = self.value.as_array().ok_or_else(|| self.is_not("a list"))?;
        let place = |(at, value)| JsonNode { value, path: format!("{}[{at}]", self.path) };
        Ok(items.iter().enumerate().map(place).collect())
    }

    pub(super) fn text(&self) -> Result<String, SavedError> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.is_not("a string"))
    }

    pub(super) fn text_or_null(&self) -> Result<Option<String>, SavedError> {
        if self.value.is_null() { Ok(None) } else { self.text().map(Some) }
    }

    /// A whole number that is not negative.
    pub(super) fn number(&self) -> Result<usize, SavedError> {
        let number = self.value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.is_not("a whole number"))
    }

    pub(super) fn flag(&self) -> Result<bool, SavedError> {
        self.value.as_bool().ok_or_else(|| self.is_not("true or false"))
    }

    /// One side of a change: null, or an object with one key.
    fn side(&self) -> Result<String, SavedError> {
        let is_side = |map: &Map<String, Value>| map.len() == 1;
        if self.value.is_null() || self.value.as_object().is_some_and(is_side) {
            Ok(self.value.to_string())
        } else {
            Err(self.is_not("one side of a change"))
        }
    }

    pub(super) fn is_not(&self, expected: &'static str) -> SavedError {
        SavedError::Field { path: code(&self.path), expected }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::desired::{Desired, DesiredPool};
    use crate::domain::fleet::Fleet;
    use crate::plan::Operation;
    use crate::plan::tests::build::{desired, fleet, live, name, pool, runner};
    use crate::plan::{PlanOptions, plan};

    fn inputs() -> SavedInputs {
        SavedInputs {
            config: Some("/srv/runnerctl.yaml".to_owned()),
            pools: Some("/srv/pools".to_owned()),
            policy: None,
            target: vec!["a".to_owned()],
            garm: Some(GarmName::new("east").unwrap()),
        }
    }

    fn texts() -> SavedTexts<'static> {
        SavedTexts { fleet_file: "runnerctl.yaml", report: json!({ "requirements": [] }) }
    }

    fn wanted() -> (Desired, Fleet) {
        let with = |text: &str, change: fn(&mut DesiredPool)| {
            let mut pool = pool(text);
            change(&mut pool);
            pool
        };
        let wanted = desired([
            pool("new"),
            with("changed", |pool| {
                pool.image = "ami-2".to_owned();
                pool.settings.extra_specs.insert("token".to_owned(), "hunter2".into());
                pool.settings.extra_specs.insert("subnet".to_owned(), "subnet-77".into());
            }),
            with("moved", |pool| pool.provider = "gcp".to_owned()),
            pool("raised"),
        ]);
        let there = ["changed", "moved", "gone", "raised"].map(|name| {
            let mut pool = live(&pool(name));
            pool.spec.min_idle_runners = u32::from(name != "raised") * 2;
            pool
        });
        (wanted, Fleet { pools: there.into(), ..fleet() })
    }

    fn saved(wanted: &Desired, there: &Fleet) -> (Plan, String) {
        let options =
            PlanOptions { show_keys: vec!["subnet".to_owned()], ..PlanOptions::default() };
        let plan = plan(wanted, there, &options);
        let text = write(&plan, ("https://garm.example.com", &texts()), &inputs(), "salt-1");
        (plan, text)
    }

    #[test]
    fn a_saved_plan_is_read_back_equal() {
        let (wanted, there) = wanted();
        let (plan, text) = saved(&wanted, &there);
        let read = read(&text).unwrap();
        assert_eq!(read.differences(&plan), []);
        assert!(read.is_for(&plan));
        assert_eq!((read.inputs, read.garm_url.as_str()), (inputs(), "https://garm.example.com"));
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_saved_plan_shows_what_was_printed() {
        let (wanted, there) = wanted();
        let (plan, text) = saved(&wanted, &there);
        let read = read(&text).unwrap();
        let shown = read.shown().unwrap();
        let plain = |plan: &Plan| {
            let mut plan = plan.clone();
            for step in &mut plan.steps {
                step.work = Operation::Shown(step.kind());
                for change in &mut step.changes {
                    for side in [&mut change.before, &mut change.after] {
                        if let ShownValue::Hidden { digest, .. } = side {
                            digest.clear();
                        }
                    }
                }
            }
            plan
        };
        assert_eq!(shown.plan, plain(&plan));
        assert_eq!(shown.fleet_file, "runnerctl.yaml");
        assert_eq!(shown.report, json!({ "requirements": [] }));
    }

    #[test]
    fn a_plan_of_the_version_before_applies_and_cannot_be_shown() {
        let (wanted, there) = wanted();
        let (plan, text) = saved(&wanted, &there);
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document["format_version"] = "1".into();
        document.as_object_mut().unwrap().remove("shown");
        let before = read(&document.to_string()).unwrap();
        assert_eq!(before.differences(&plan), []);
        let error = before.shown().unwrap_err().to_string();
        assert_eq!(error, "it has format version `1`, which lacks what `show` prints");
    }

    #[test]
    fn digests_of_two_plans_cannot_be_compared() {
        let (wanted, there) = wanted();
        let plan = saved(&wanted, &there).0;
        let digests = |salt: &str| {
            let text = write(&plan, ("https://garm.example.com", &texts()), &inputs(), salt);
            let split = text.split("\"digest\": \"").skip(1);
            split.map(|part| part[..64].to_owned()).collect::<BTreeSet<_>>()
        };
        let (one, other) = (digests("a"), digests("b"));
        assert!(!one.is_empty() && one.is_disjoint(&other));
        assert!(!one.contains(&specs::digest(&"hunter2".into())));
    }

    #[test]
    fn relevant_differences_are_found_by_pool_and_others_are_ignored() {
        let (wanted, there) = wanted();
        let read = read(&saved(&wanted, &there).1).unwrap();
        let differs = |change: fn(&mut Desired, &mut Fleet), expected: &[Option<&str>]| {
            let (mut wanted, mut there) = (wanted.clone(), there.clone());
            change(&mut wanted, &mut there);
            let about = |pool: &Option<&str>| {
                pool.map_or(Resource::Controller, |pool| Resource::Pool(name(pool)))
            };
            let expected: Vec<Resource> = expected.iter().map(about).collect();
            assert_eq!(read.differences(&plan(&wanted, &there, &PlanOptions::default())), expected);
        };
        differs(|_, there| there.runners.push(runner(&there.pools[0], 1, "idle")), &[]);
        differs(|wanted, _| wanted.pools[3].settings.scale.min_runners = 9, &[]);
        differs(|_, there| there.pools[3].spec.min_idle_runners = 1, &[]);
        differs(|_, there| there.pools[3].spec.min_idle_runners = 2, &[Some("raised")]);
        differs(
            |wanted, _| wanted.pools[1].settings.extra_specs["token"] = "x".into(),
            &[Some("changed")],
        );
        differs(|wanted, _| wanted.pools[0].image = "ami-9".to_owned(), &[Some("new")]);
        differs(|_, there| drop(there.pools.remove(2)), &[Some("gone")]);
        differs(|_, there| there.controller.backoff = std::time::Duration::from_secs(30), &[None]);
    }

    #[test]
    fn hostile_texts_end_in_precise_errors() {
        let (wanted, there) = wanted();
        let text = saved(&wanted, &there).1;
        let error = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(error(""), "it is not valid JSON: line 1, column 0");
        assert_eq!(error(&text[..30]), "it is not valid JSON: line 2, column 28");
        assert_eq!(error("[]"), "it is not a plan saved by `runnerctl plan --out`");
        assert_eq!(
            error("{\"format_version\":\"1\"}"),
            "it is not a plan saved by `runnerctl plan --out`"
        );
        assert_eq!(
            error("{\"kind\":\"plan\",\"format_version\":\"3\\n`\"}"),
            "it has format version `3\\n'`, and this version reads `1` and `2`"
        );
        assert_eq!(
            error("{\"kind\":\"plan\",\"format_version\":1}"),
            "it has format version `1`, and this version reads `1` and `2`"
        );
        assert_eq!(error(&text.replace("\"steps\"", "\"stops\"")), "`steps` is not a list");
        assert_eq!(
            error(&text.replace("\"delete\"", "\"destroy\"")),
            "`steps[4].action` is not an action of a plan"
        );
        assert_eq!(
            error(&text.replace("\"pool\": \"gone\"", "\"pool\": \"../x\"")),
            "`steps[4].pool` is not the name of a pool"
        );
        assert_eq!(error(&text.replace("\"new\"", "7")), "`steps[2].pool` is not a string");
        assert_eq!(
            error(&text.replace("\"raised\": true", "\"a\": 1, \"b\": 2")),
            "`steps[3].changes[0].after` is not one side of a change"
        );
        assert!(error(&"[".repeat(200_000)).starts_with("it is not valid JSON"));
        assert_eq!(
            error(&" ".repeat(SAVED_MAX + 1)),
            "it has 33554433 bytes, too many for a saved plan"
        );
    }

    proptest! {
        #[test]
        fn a_cut_or_garbled_plan_never_panics(at in 0..3_000_usize, byte in 0..128_u8) {
            let (wanted, there) = wanted();
            let mut text = saved(&wanted, &there).1.into_bytes();
            let at = at % text.len();
            text[at] = byte;
            if let Ok(text) = std::str::from_utf8(&text) {
                let _ = read(text);
                let _ = read(&text[..at]);
            }
        }
    }
}
