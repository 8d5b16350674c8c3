//! The outcomes of all steps as text, JSON and Markdown.

use anstream::adapter::strip_str;
use anstyle::Style;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::plan::{PlanJson, fields as plan_fields};
use super::style::{self, paint};
use super::table::{Cell, table};
use super::{document, progress, words};
use crate::domain::desired::{Desired, DesiredPool};
use crate::domain::name::{PoolKind, PoolName};
use crate::domain::text::{self, LISTED_MAX};
use crate::event::{StepOutcome, StepResult};
use crate::monitor::compliance::RequirementVerdict;
use crate::plan::{Action, Plan, Resource, Step};

/// A table of all outcomes, at most `width` columns wide, then each help once, then a line with
/// counts. Empty if there are no outcomes.
pub fn text(outcomes: &[StepOutcome], width: usize) -> String {
    if outcomes.is_empty() {
        return String::new();
    }
    let header = ["POOL", "ACTION", "OUTCOME", "DETAIL"].map(Cell::text).into();
    // Steps that need attention come last, because the beginning of a long table scrolls off the
    // screen.
    let (done, rest): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| is_done(outcome));
    let rows = done.into_iter().chain(rest).map(row).collect();
    let helps: Vec<String> = helps(outcomes)
        .into_iter()
        .map(|help| format!("{} {}\n", paint(style::HELP, "help:"), text::escape(help)))
        .collect();
    let helps = if helps.is_empty() { String::new() } else { format!("\n{}", helps.concat()) };
    format!("{}{helps}\n{}\n", table(header, rows, width), summary(outcomes))
}

/// The next step after an apply that created or adopted pools, as one sentence without a full stop.
/// No job waits longer than before if the operator adopts the pools, turns `autoscale` on, starts
/// `watch` and raises GARM's own backoff in this order.
pub fn next_step(desired: &Desired, plan: &Plan) -> Option<String> {
    let come = |step: &&Step| matches!(step.action, Action::Adopt | Action::Create);
    let came: Vec<&PoolName> =
        plan.steps.iter().filter(come).filter_map(|step| step.about.pool()).collect();
    let of = |autoscale: bool| -> Vec<String> {
        let is_it = |pool: &&DesiredPool| {
            pool.may_be_enabled() && pool.scale.autoscale == autoscale && came.contains(&&pool.name)
        };
        desired.pools.iter().filter(is_it).map(|pool| text::code(pool.name.as_str())).collect()
    };
    let few = |names: &[String]| text::list(names, LISTED_MAX);
    let is_pool = |pool: &DesiredPool| pool.kind == PoolKind::Pool && came.contains(&&pool.name);
    let last = match desired.controller.minimum_job_age_backoff {
        // GARM starts a runner for each job of a scale set by itself.
        _ if !desired.pools.iter().any(is_pool) => {
            "until then, only GARM starts and removes runners".to_owned()
        }
        None => "raise `controller.minimum_job_age_backoff` only when `watch` runs".to_owned(),
        Some(backoff) => format!(
            "until `watch` runs, only GARM starts runners, for jobs that are {} old",
            words::span(backoff)
        ),
    };
    match (of(false).as_slice(), of(true).as_slice()) {
        ([], []) => None,
        ([], scaled) => Some(format!(
            "next, start `runnerctl watch`, if it is not running yet: it scales {}; {last}",
            few(scaled)
        )),
        (unscaled, _) => Some(format!(
            "next, turn `autoscale` on for {}, and start `runnerctl watch`; {last}",
            few(unscaled)
        )),
    }
}

/// Each help once, in the order of the outcomes.
fn helps(outcomes: &[StepOutcome]) -> Vec<&str> {
    let mut helps: Vec<&str> = Vec::new();
    for help in outcomes.iter().filter_map(|outcome| outcome.help.as_deref()) {
        if !helps.contains(&help) {
            helps.push(help);
        }
    }
    helps
}

fn is_done(outcome: &StepOutcome) -> bool {
    matches!(outcome.kind, StepResult::Done | StepResult::AlreadyDone)
}

fn row(outcome: &StepOutcome) -> Vec<Cell> {
    vec![
        Cell::text(name(outcome)).styled(style::NAME),
        Cell::text(outcome.action.word()),
        Cell::text(outcome.kind.word()).styled(style_of(outcome.kind)),
        Cell::text(text::escape(&outcome.detail)),
    ]
}

/// The name of the pool; other subjects are in parentheses.
fn name(outcome: &StepOutcome) -> String {
    match &outcome.about {
        Resource::Pool(pool) => pool.to_string(),
        about @ (Resource::Controller | Resource::Credential(_)) => {
            format!("({})", progress::subject(about))
        }
    }
}

fn style_of(kind: StepResult) -> Style {
    match kind {
        StepResult::Done => style::GOOD,
        StepResult::AlreadyDone => style::QUIET,
        StepResult::Failed => style::ERROR,
        StepResult::Blocked => style::BLOCKED,
        StepResult::TimedOut | StepResult::Interrupted => style::WARNING,
    }
}

/// `3 steps: 2 done, 1 failed`.
pub fn summary(outcomes: &[StepOutcome]) -> String {
    let counts = StepResult::ALL.into_iter().filter_map(|kind| {
        let count = outcomes.iter().filter(|outcome| outcome.kind == kind).count();
        (count > 0).then(|| paint(style_of(kind), format!("{count} {}", kind.word())))
    });
    let counts: Vec<String> = counts.collect();
    format!("{}: {}", words::count(outcomes.len(), "step"), counts.join(", "))
}

#[derive(Serialize, JsonSchema)]
struct OutcomeJson<'a> {
    /// Null for GARM's own settings and for credentials, which have `credential`.
    pool: Option<&'a str>,
    #[schemars(extend("enum" = Action::ALL.map(Action::word)))]
    action: &'static str,
    #[schemars(extend("enum" = StepResult::ALL.map(StepResult::word)))]
    outcome: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
}

/// The fields of `apply`'s document besides `format_version` and `command`: the plan and the
/// outcomes of its steps.
#[derive(Serialize, JsonSchema)]
struct ApplyJson<'a> {
    #[serde(flatten)]
    plan: PlanJson<'a>,
    outcomes: Vec<OutcomeJson<'a>>,
}

/// The fields of `apply`'s document besides `format_version` and `command`.
pub fn json(plan: &Plan, verdicts: &[RequirementVerdict], outcomes: &[StepOutcome]) -> Value {
    document::value(&ApplyJson { plan: plan_fields(plan, verdicts), outcomes: rows(outcomes) })
}

pub fn schema() -> Value {
    document::schema::<ApplyJson<'_>>("apply", Some("apply"))
}

fn rows(outcomes: &[StepOutcome]) -> Vec<OutcomeJson<'_>> {
    let rows = outcomes.iter().map(|outcome| OutcomeJson {
        pool: outcome.about.pool().map(PoolName::as_str),
        action: outcome.action.word(),
        outcome: outcome.kind.word(),
        detail: detail(outcome),
        credential: outcome.about.credential(),
    });
    rows.collect()
}

/// The sentence, followed by the help in formats without a separate place for it.
fn detail(outcome: &StepOutcome) -> String {
    let detail = text::escape(&outcome.detail);
    match &outcome.help {
        Some(help) => format!("{detail} (help: {})", text::escape(help)),
        None => detail.into_owned(),
    }
}

/// A Markdown table below a heading with counts. Every value is in a code span or one of our own
/// words.
pub fn markdown(outcomes: &[StepOutcome]) -> String {
    let heading = strip_str(&summary(outcomes)).to_string();
    let mut lines = vec![
        format!("### Apply: {heading}\n"),
        "| pool | action | outcome | detail |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    lines.extend(outcomes.iter().map(|outcome| {
        let detail = Some(detail(outcome)).filter(|detail| !detail.is_empty());
        let detail = detail.map(|detail| code(&detail)).unwrap_or_default();
        let (action, kind) = (outcome.action.word(), outcome.kind.word());
        format!("| {} | {action} | {kind} | {detail} |", code(&name(outcome)))
    }));
    lines.push(String::new());
    lines.join("\n")
}

/// A code span whose text can end neither the span nor its table cell.
fn code(content: &str) -> String {
    let safe = content.replace('`', "'").replace('|', "\\|");
    format!("`{safe}`")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::{PlanOptions, plan, tests::build};

    fn outcomes() -> Vec<StepOutcome> {
        let outcome = |pool: &str, action, kind, detail: &str| StepOutcome {
            about: PoolName::new(pool).map_or(Resource::Controller, Resource::Pool),
            action,
            kind,
            detail: detail.into(),
            help: (kind == StepResult::Failed).then(|| "look at GARM's log".to_owned()),
        };
        vec![
            outcome("", Action::Update, StepResult::Done, ""),
            outcome("default", Action::Create, StepResult::AlreadyDone, "created by another run"),
            outcome("gpu", Action::Update, StepResult::Failed, "PUT /pools/1: 400 a`b|c\u{1b}[2J"),
            outcome("old", Action::Delete, StepResult::TimedOut, "2 runners left after 30m"),
        ]
    }

    #[test]
    fn text_is_a_table_and_a_count() {
        let text = strip_str(&text(&outcomes(), 100)).to_string();
        insta::assert_snapshot!(text);
        assert_eq!(super::text(&[], 80), "");
    }

    #[test]
    fn an_apply_names_the_next_step() {
        let next = |autoscale: bool, there: bool, backoff: Option<u64>| {
            let mut pool = build::pool("a");
            pool.settings.scale.autoscale = autoscale;
            let mut fleet = build::fleet();
            fleet.pools.extend(there.then(|| build::live(&pool)));
            let mut desired = build::desired([pool]);
            desired.controller.minimum_job_age_backoff = backoff.map(Duration::from_secs);
            next_step(&desired, &plan(&desired, &fleet, &PlanOptions::default()))
        };
        let last = "raise `controller.minimum_job_age_backoff` only when `watch` runs";
        let expected =
            format!("next, turn `autoscale` on for `a`, and start `runnerctl watch`; {last}");
        assert_eq!(next(false, false, None), Some(expected));
        let expected = format!(
            "next, start `runnerctl watch`, if it is not running yet: it scales `a`; {last}"
        );
        assert_eq!(next(true, false, None), Some(expected));
        let expected = "next, start `runnerctl watch`, if it is not running yet: it scales `a`; until \
                        `watch` runs, only GARM starts runners, for jobs that are 5m old";
        assert_eq!(next(true, false, Some(300)).as_deref(), Some(expected));
        assert_eq!(next(true, true, None), None);
    }

    #[test]
    fn json_has_the_four_keys_of_the_design() {
        let outcomes = outcomes();
        let rows = document::value(&rows(&outcomes));
        insta::assert_snapshot!(serde_json::to_string_pretty(&rows).unwrap());
        let desired = build::desired([]);
        let plan = plan(&desired, &build::fleet(), &PlanOptions::default());
        document::check(&schema(), &json(&plan, &[], &outcomes));
    }

    #[test]
    fn markdown_keeps_every_value_in_its_cell() {
        insta::assert_snapshot!(markdown(&outcomes()));
    }
}
