//! `show`: prints a saved plan as `plan` printed it. Asks neither the files nor GARM.

use super::args::SavedPlanArgs;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::plan_report::PlanReport;
use super::saved_plan;
use crate::domain::text::{code, escape};
use crate::render::plan::PlanHeading;

/// Prints the saved plan. Fails with 3 if the file is not a saved plan, or one of an earlier
/// version.
pub fn run(args: &SavedPlanArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let path = args.plan_file.display().to_string();
    let saved = saved_plan::open(&args.plan_file)?;
    let unreadable = |why: String| {
        Failure::input(format!("cannot show the saved plan {}: {why}", code(&path)))
            .help("run `runnerctl plan --out FILE` to make one that can be shown")
    };
    let shown = saved.shown().map_err(|error| unreadable(error.to_string()))?;
    let report = PlanReport::from_json(&shown.report)
        .ok_or_else(|| unreadable("`shown.report` is not a report of this version".into()))?;
    let heading = PlanHeading {
        garm: saved.inputs.garm.clone(),
        garm_url: saved.garm_url.clone(),
        fleet_file: shown.fleet_file.clone(),
    };
    let apply = format!("`runnerctl apply {}`", escape(&path));
    report.print((&shown.plan, &heading), &apply, cx)?;
    Ok(Exit::Done)
}
