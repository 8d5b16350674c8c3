//! What `plan` prints beside the plan: the changed policies and the report on the requirements;
//! also as part of a saved plan.

use serde_json::{Value, json};

use super::args::Output;
use super::context::Context;
use super::failure::Failure;
use crate::domain::name::PoolName;
use crate::monitor::compliance::{Requirement, RequirementAnswer, RequirementVerdict};
use crate::plan::{Plan, PolicyChanges, PoolPolicyChange, SettingChange};
use crate::render;
use crate::render::plan::PlanHeading;

/// What is printed beside a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlanReport {
    pub(super) requirements: Vec<RequirementVerdict>,
    /// With `--policy-since`.
    pub(super) policy_changes: Option<PolicyChanges>,
}

impl PlanReport {
    /// Prints the plan to stdout in the selected format. `apply` is the command line that applies
    /// it.
    pub(super) fn print(
        &self,
        (plan, heading): (&Plan, &PlanHeading),
        apply: &str,
        cx: Context<'_>,
    ) -> Result<(), Failure> {
        let width = cx.print.width();
        match cx.settings.output {
            Output::Text => {
                let policy = self.policy_changes.as_ref().map_or_else(String::new, |changes| {
                    render::plan::policy_text(changes, width) + "\n"
                });
                let report = render::requirements::text(&self.requirements, width);
                let next = render::plan::next(plan, apply, width);
                let next = next.map_or_else(String::new, |next| format!("\n{next}"));
                let text = render::plan::text(plan, heading, width);
                cx.print.result(&format!("{text}\n{policy}{report}{next}"))
            }
            Output::Json => cx.print.document("plan", self.document(plan)),
            Output::Markdown => cx.print.result(&self.markdown(plan, heading)),
        }
    }

    /// The fields of the document of a plan.
    pub(super) fn document(&self, plan: &Plan) -> Value {
        render::plan::json(plan, &self.requirements, self.policy_changes.as_ref())
    }

    pub(super) fn markdown(&self, plan: &Plan, heading: &PlanHeading) -> String {
        let plan = render::plan::markdown(plan, heading);
        let policy = self.policy_changes.as_ref().map(render::plan::policy_markdown);
        plan + &policy.unwrap_or_default() + &render::requirements::markdown(&self.requirements)
    }

    /// The report in a saved plan.
    pub(super) fn to_json(&self) -> Value {
        let requirements = self.requirements.iter().map(|verdict| {
            json!({
                "id": verdict.requirement.id(),
                "answer": verdict.answer.word(),
                "evidence": verdict.evidence,
                "is_told_elsewhere": verdict.teller.is_some(),
                "is_accepted": verdict.is_accepted,
            })
        });
        json!({
            "requirements": requirements.collect::<Vec<_>>(),
            "policy_changes": self.policy_changes.as_ref().map(changes_json),
        })
    }

    /// Reads [`Self::to_json`]; `None` for anything else.
    pub(super) fn from_json(report: &Value) -> Option<Self> {
        let requirements = report["requirements"].as_array()?.iter().map(verdict);
        let policy_changes = match &report["policy_changes"] {
            Value::Null => None,
            value => Some(changes(value)?),
        };
        Some(Self { requirements: requirements.collect::<Option<_>>()?, policy_changes })
    }
}

fn verdict(row: &Value) -> Option<RequirementVerdict> {
    let requirement = Requirement::ALL.into_iter().find(|known| row["id"] == known.id())?;
    Some(RequirementVerdict {
        requirement,
        answer: RequirementAnswer::ALL.into_iter().find(|answer| row["answer"] == answer.word())?,
        evidence: row["evidence"].as_str()?.to_owned(),
        teller: row["is_told_elsewhere"].as_bool()?.then(|| requirement.teller()),
        is_accepted: row["is_accepted"].as_bool()?,
    })
}

fn changes_json(changes: &PolicyChanges) -> Value {
    let pool = |pool: &PoolPolicyChange| {
        json!({
            "pool": pool.pool.as_str(),
            "changes": pool.changes.iter().map(setting_json).collect::<Vec<_>>(),
            "policy": pool.policy,
        })
    };
    json!({
        "since": changes.since,
        "commit": changes.commit,
        "pools": changes.pools.iter().map(pool).collect::<Vec<_>>(),
        "settings": changes.settings.iter().map(setting_json).collect::<Vec<_>>(),
    })
}

fn setting_json(setting: &SettingChange) -> Value {
    json!({ "key": setting.key, "values": setting.values })
}

fn changes(value: &Value) -> Option<PolicyChanges> {
    let pool = |value: &Value| {
        Some(PoolPolicyChange {
            pool: PoolName::new(value["pool"].as_str()?).ok()?,
            changes: settings(&value["changes"])?,
            policy: value["policy"].as_str()?.to_owned(),
        })
    };
    Some(PolicyChanges {
        since: value["since"].as_str()?.to_owned(),
        commit: value["commit"].as_str()?.to_owned(),
        pools: value["pools"].as_array()?.iter().map(pool).collect::<Option<_>>()?,
        settings: settings(&value["settings"])?,
    })
}

fn settings(value: &Value) -> Option<Vec<SettingChange>> {
    let side = |value: &Value| value.as_str().map(str::to_owned);
    let setting = |value: &Value| {
        let values = value["values"].as_array();
        Some(SettingChange {
            key: value["key"].as_str()?.to_owned(),
            values: values.map(|sides| (sides.first().and_then(side), sides.get(1).and_then(side))),
        })
    };
    value.as_array()?.iter().map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::compliance::{ComplianceFacts, report};

    #[test]
    fn a_report_is_read_back_equal() {
        let setting = |values| SettingChange { key: "watch.resync".into(), values };
        let whole = PlanReport {
            requirements: report(&ComplianceFacts::default(), &["R8".to_owned()]),
            policy_changes: Some(PolicyChanges {
                since: "main".into(),
                commit: "0123".into(),
                pools: vec![PoolPolicyChange {
                    pool: PoolName::new("a").unwrap(),
                    changes: vec![setting(Some((Some("1".into()), Some("2".into()))))],
                    policy: "keeps 1".into(),
                }],
                settings: vec![setting(None), setting(Some((None, Some("1m".into()))))],
            }),
        };
        assert_eq!(PlanReport::from_json(&whole.to_json()), Some(whole.clone()));
        let bare = PlanReport { policy_changes: None, ..whole };
        assert_eq!(PlanReport::from_json(&bare.to_json()), Some(bare));
        assert_eq!(PlanReport::from_json(&Value::Null), None);
    }
}
