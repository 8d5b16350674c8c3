//! `plan`: shows the difference between the files and GARM, and saves it with `--out`.

use std::path::Path;

use crate::domain::text::escape;
use crate::host::atomic_write::replace;
use crate::monitor::compliance::RequirementVerdict;
use crate::plan::saved;
use crate::render;
use crate::render::style::{HELP, WARNING, paint};
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
    show(&survey, &requirements, cx)?;
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
    if let Some(path) = args.out.as_deref().filter(|_| cx.settings.output == Output::Text) {
        let help = paint(HELP, "help:");
        let path = path.display();
        cx.print.say(&format!("{help} run `runnerctl apply {path}` to apply exactly this plan"));
    }
    let is_pending = args.detailed_exitcode && !survey.plan.is_empty();
    Ok(if is_pending { Exit::Pending } else { Exit::Done })
}

/// Prints the plan to stdout in the selected format.
fn show(
    survey: &PreparedPlan,
    requirements: &[RequirementVerdict],
    cx: Context<'_>,
) -> Result<(), Failure> {
    let PreparedPlan { plan, heading, .. } = survey;
    let width = cx.print.width();
    match cx.settings.output {
        Output::Text => {
            let report = render::requirements::text(requirements, width);
            cx.print.result(&format!("{}\n{report}", render::plan::text(plan, heading, width)))
        }
        Output::Json => {
            let mut document = render::plan::json(plan);
            document["requirements"] = render::requirements::json(requirements);
            cx.print.document("plan", document)
        }
        Output::Markdown => cx.print.result(&markdown(survey, requirements)),
    }
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
