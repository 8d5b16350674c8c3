//! `plan`: shows the difference between the files and GARM, and saves it with `--out`.

use std::path::Path;

use crate::domain::text::escape;
use crate::host::atomic_write::replace;
use crate::monitor::compliance::RequirementVerdict;
use crate::plan::saved;
use crate::render;
use crate::render::style::{WARNING, paint};
use crate::render::words::count;
use anyhow::Context as _;

use super::args::{Output, PlanArgs};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::prepare::{PreparedPlan, inputs, survey};
use super::print::token;
use super::require_mtls;
use super::step_summary;

/// Makes the plan, prints it and saves it if `--out` is given.
pub async fn run(args: &PlanArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = cx.settings.paths.clone();
    let survey = survey(places, &args.targets, cx).await?;
    if let Some(path) = &args.out {
        save(path, &survey, args)?;
    }
    let requirements = survey.requirements()?;
    show(&survey, &requirements, args, cx)?;
    step_summary::write(|| markdown(&survey, &requirements), cx);
    let warnings = survey.loaded.warnings;
    if warnings > 0 {
        let warnings = count(warnings, "warning");
        cx.print.say(&format!("{warnings} about the files: run `runnerctl validate`"));
    }
    if let Err(refusal) = require_mtls::check(survey.probes.as_deref()) {
        let warning = paint(WARNING, "warning:");
        cx.print.say(&format!("{warning} `apply` is refused: {}", escape(&refusal.message)));
    }
    let is_pending = args.detailed_exitcode && !survey.plan.is_empty();
    Ok(if is_pending { Exit::Pending } else { Exit::Done })
}

/// Prints the plan to stdout in the selected format.
fn show(
    survey: &PreparedPlan,
    requirements: &[RequirementVerdict],
    args: &PlanArgs,
    cx: Context<'_>,
) -> Result<(), Failure> {
    let PreparedPlan { plan, heading, .. } = survey;
    let width = cx.print.width();
    match cx.settings.output {
        Output::Text => {
            let report = render::requirements::text(requirements, width);
            let next = render::plan::next(plan, &apply_line(args, cx), width);
            let next = next.map_or_else(String::new, |next| format!("\n{next}"));
            let text = render::plan::text(plan, heading, width);
            cx.print.result(&format!("{text}\n{report}{next}"))
        }
        Output::Json => cx.print.document("plan", render::plan::json(plan, requirements)),
        Output::Markdown => cx.print.result(&markdown(survey, requirements)),
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
        || !args.targets.is_empty();
    let same = if has_options { " with the same options" } else { "" };
    format!("`runnerctl apply`{same}")
}

fn markdown(survey: &PreparedPlan, requirements: &[RequirementVerdict]) -> String {
    let plan = render::plan::markdown(&survey.plan, &survey.heading);
    plan + &render::requirements::markdown(requirements)
}

/// Writes the plan file atomically, readable by its owner only.
fn save(path: &Path, survey: &PreparedPlan, args: &PlanArgs) -> Result<(), Failure> {
    let inputs = inputs(&survey.loaded.places, &args.targets);
    let text = saved::write(&survey.plan, &survey.heading.garm_url, &inputs, &token());
    replace(path, &text, 0o600)
        .with_context(|| format!("cannot write the plan to `{}`", path.display()))?;
    Ok(())
}
