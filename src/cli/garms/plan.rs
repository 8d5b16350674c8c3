//! `plan` for several GARMs.

use std::collections::BTreeMap;

use super::moves::{self, Deferrals};
use super::{
    OfGarm, OwnPart, document, each, failed, for_garm, summarize, tell_failures, with_targets,
};
use crate::cli::args::{Output, PlanArgs};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::load::{Loaded, stop_at};
use crate::cli::plan::{PlanResult, of_one, warn_of_files, warn_of_refusal};
use crate::cli::policy_since::EarlierFiles;
use crate::cli::prepare::{PreparedPlan, survey};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::text::code;
use crate::plan::Plan;
use crate::policy::UndeclaredPools;

/// Makes the plan of each GARM, prints them in the order of the names, and saves the only one if
/// `--out` is given.
pub(in crate::cli) async fn run(
    args: &PlanArgs,
    loaded: Vec<(GarmName, Loaded)>,
    earlier: Option<&EarlierFiles>,
    cx: Context<'_>,
) -> Result<Exit, Failure> {
    let own = with_targets(loaded, &args.targets)?;
    if let (Some(_), [(first, _), _, ..]) = (&args.out, own.as_slice()) {
        let text = format!("`--out` saves the plan of one GARM, and this is for {}", own.len());
        let help = format!(
            "save a plan for each: `runnerctl plan --garm {first} --out {first}.plan`, and so on"
        );
        return Err(Failure::usage(text).help(help));
    }
    let (results, _) = surveys(own, cx).await?;
    let results: Vec<OfGarm<PlanResult>> = results
        .into_iter()
        .map(|OfGarm { garm, result }| {
            let result = result.and_then(|survey| of_one(survey, earlier, args));
            OfGarm { garm, result }
        })
        .collect();
    match cx.settings.output {
        Output::Json => cx.print.document("plan", document(&results, |_, own| own.json()))?,
        Output::Text | Output::Markdown => texts(&results, args, cx)?,
    }
    summarize(&results, "plan", |_, own| own.markdown(), cx);
    tell_failures(&results, cx);
    if let Some(own) = results.iter().find_map(|own| own.result.as_ref().ok()) {
        warn_of_files(own, cx);
    }
    for OfGarm { garm, result } in &results {
        if let Ok(own) = result {
            for_garm(garm, cx, async |cx| warn_of_refusal(own, cx)).await;
        }
    }
    let exits = results.iter().filter_map(|own| own.result.as_ref().ok()).map(|own| own.exit(args));
    Ok(Exit::worst(exits.chain(failed(&results))))
}

fn texts(results: &[OfGarm<PlanResult>], args: &PlanArgs, cx: Context<'_>) -> Result<(), Failure> {
    let plans = results.iter().filter_map(|own| own.result.as_ref().ok());
    for (at, own) in plans.enumerate() {
        if at > 0 {
            cx.print.result("")?;
        }
        own.print(args, cx)?;
    }
    Ok(())
}

/// The plan of each GARM, and the steps that wait for those of another GARM. Fails (3) if the files
/// of one of them are not fit for a plan, or two names stand for one GARM: each would delete the
/// pools of the other.
pub(super) async fn surveys(
    own: Vec<(GarmName, OwnPart)>,
    cx: Context<'_>,
) -> Result<(Vec<OfGarm<PreparedPlan>>, Deferrals), Failure> {
    for (_, (loaded, _)) in &own {
        loaded.desired(cx)?;
        stop_at(&loaded.violations(UndeclaredPools::default()), cx)?;
    }
    let declared: BTreeMap<PoolName, GarmName> = own
        .iter()
        .flat_map(|(_, (loaded, _))| {
            loaded.manifest.pools.iter().chain(loaded.manifest.elsewhere())
        })
        .filter_map(|pool| Some((pool.name.clone(), pool.garm.clone()?)))
        .collect();
    let work =
        async |(loaded, targets): OwnPart, cx: Context<'_>| survey(loaded, &targets, cx).await;
    let mut results = each(own, cx, work).await;
    one_name_each(&results)?;
    let mut plans: Vec<(&GarmName, &mut Plan)> = Vec::new();
    let mut failed = Vec::new();
    for OfGarm { garm, result } in &mut results {
        match result {
            Ok(survey) => plans.push((garm, &mut survey.plan)),
            Err(_) => failed.push(&*garm),
        }
    }
    let deferrals = moves::find(&mut plans, &declared, &failed);
    Ok((results, deferrals))
}

fn one_name_each(results: &[OfGarm<PreparedPlan>]) -> Result<(), Failure> {
    let mut seen: BTreeMap<&str, &GarmName> = BTreeMap::new();
    for OfGarm { garm, result } in results {
        let Ok(survey) = result else { continue };
        let id = survey.fleet.controller.id.as_str();
        if let Some(first) = seen.insert(id, garm) {
            let text = format!(
                "`{first}` and `{garm}` in `garms` are one GARM, with the controller id {}: each \
                 would delete the pools of the other",
                code(id)
            );
            return Err(Failure::input(text).help("name each GARM once under `garms`"));
        }
    }
    Ok(())
}
