//! `plan`: shows the difference between the files and GARM, and saves it with `--out`.

use std::path::Path;

use serde_json::Value;

use crate::domain::text::escape;
use crate::host::atomic_write::replace;
use crate::plan::saved::{self, SavedTexts};
use crate::render::plan::PlanHeading;
use crate::render::style::{WARNING, paint};
use crate::render::words::count;
use anyhow::Context as _;

use super::args::PlanArgs;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::garms;
use super::load::load_each;
use super::plan_report::PlanReport;
use super::policy_since::{self, EarlierFiles};
use super::prepare::{PreparedPlan, inputs, survey};
use super::print::token;
use super::require_mtls;
use super::step_summary;

/// Makes the plan, prints it and saves it if `--out` is given.
pub async fn run(args: &PlanArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = cx.settings.paths.clone();
    let earlier = match &args.policy_since {
        Some(since) => Some(policy_since::read(since, &places, cx).await?),
        None => None,
    };
    let loaded = match garms::single(load_each(&places, &args.garm.names, cx)?) {
        Ok(loaded) => loaded,
        Err(several) => return garms::plan(args, several, earlier.as_ref(), cx).await,
    };
    let own = of_one(survey(loaded, &args.targets, cx).await?, earlier.as_ref(), args)?;
    own.print(args, cx)?;
    step_summary::write(|| own.markdown(), cx);
    warn_of_files(&own, cx);
    warn_of_refusal(&own, cx);
    Ok(own.exit(args))
}

/// The plan of one GARM and what is printed beside it.
pub(super) struct PlanResult {
    survey: PreparedPlan,
    report: PlanReport,
}

/// Completes the result of a survey, and saves it if `--out` is given.
pub(super) fn of_one(
    survey: PreparedPlan,
    earlier: Option<&EarlierFiles>,
    args: &PlanArgs,
) -> Result<PlanResult, Failure> {
    let policy_changes = earlier.map(|earlier| earlier.changes(&survey.loaded));
    let report = PlanReport { requirements: survey.requirements()?, policy_changes };
    if let Some(path) = &args.out {
        save(path, (&survey, &report), args)?;
    }
    Ok(PlanResult { survey, report })
}

impl PlanResult {
    /// Prints the plan to stdout in the selected format.
    pub(super) fn print(&self, args: &PlanArgs, cx: Context<'_>) -> Result<(), Failure> {
        let PreparedPlan { plan, heading, .. } = &self.survey;
        self.report.print((plan, heading), &apply_line(args, cx), cx)
    }

    pub(super) fn markdown(&self) -> String {
        self.report.markdown(&self.survey.plan, &self.survey.heading)
    }

    /// The fields of the document.
    pub(super) fn json(&self) -> Value {
        self.report.document(&self.survey.plan)
    }

    pub(super) fn exit(&self, args: &PlanArgs) -> Exit {
        let is_pending = args.detailed_exitcode && !self.survey.plan.is_empty();
        if is_pending { Exit::Pending } else { Exit::Done }
    }
}

/// Points to the warnings about the files.
pub(super) fn warn_of_files(own: &PlanResult, cx: Context<'_>) {
    let warnings = own.survey.loaded.warnings;
    if warnings > 0 {
        let warnings = count(warnings, "warning");
        cx.print.say(&format!("{warnings} about the files: run `runnerctl validate`"));
    }
}

/// Warns of what would stop an `apply`.
pub(super) fn warn_of_refusal(own: &PlanResult, cx: Context<'_>) {
    if let Err(refusal) = require_mtls::check(own.survey.probes.as_deref()) {
        let warning = paint(WARNING, "warning:");
        cx.print.say(&format!("{warning} `apply` is refused: {}", escape(&refusal.message)));
    }
}

/// The command line that applies the plan. A saved plan contains the options that select pools.
fn apply_line(args: &PlanArgs, cx: Context<'_>) -> String {
    let settings = cx.settings;
    if let Some(path) = &args.out {
        let same = if settings.config_is_on_the_line { " with the same `--config`" } else { "" };
        return format!("`runnerctl apply {}`{same}", escape(&path.display().to_string()));
    }
    let has_options = settings.config_is_on_the_line
        || settings.pools_are_on_the_line
        || settings.policy_is_on_the_line
        || !args.garm.names.is_empty()
        || !args.targets.is_empty();
    let same = if has_options { " with the same options" } else { "" };
    format!("`runnerctl apply`{same}")
}

/// Writes the plan file atomically, readable by its owner only.
fn save(
    path: &Path,
    (survey, report): (&PreparedPlan, &PlanReport),
    args: &PlanArgs,
) -> Result<(), Failure> {
    let inputs = inputs(&survey.loaded, &args.targets);
    let PlanHeading { garm_url, fleet_file, .. } = &survey.heading;
    let texts = SavedTexts { fleet_file, report: report.to_json() };
    let text = saved::write(&survey.plan, (garm_url, &texts), &inputs, &token());
    replace(path, &text, 0o600)
        .with_context(|| format!("cannot write the plan to `{}`", path.display()))?;
    Ok(())
}
