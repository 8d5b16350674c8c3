//! `apply`: plans, asks for confirmation, writes and reports the outcomes.

use anyhow::Context as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::domain::name::{PoolId, PoolName, RunnerName};
use crate::domain::owners::{AdoptedSets, NameResolution, Owners};
use crate::event::StepOutcome;
use crate::host::audit_destination::AuditDestination;
use crate::host::signals::{Signal, Signals};
use crate::reconcile::apply::apply;
use crate::reconcile::options::ApplyOptions;
use crate::reconcile::writer::Writer;
use crate::render;
use crate::render::style::{HELP, paint};
use crate::render::words::count;

use super::anchor::anchor_apply;
use super::args::{ApplyArgs, Output};
use super::audit_log::{archive, audit_context};
use super::consent::{check_saved, confirm, has_work, word_to_type};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::garms;
use super::load::load_each;
use super::prepare::{PreparedPlan, survey};
use super::progress::Progress;
use super::require_mtls;
use super::saved_plan::{inputs, of_its_garm, read};
use super::step_summary;

/// Plans, asks for confirmation, applies the plan and reports the outcomes.
pub async fn run(args: &ApplyArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let prepared = tokio::select! {
        prepared = prepare(args, cx) => prepared?,
        signal = signals.next() => {
            cx.print.say("stopped: nothing was changed");
            return Ok(Exit::of(signal));
        }
    };
    match prepared {
        Prepared::Several(several) => several.apply(args, &mut signals, cx).await,
        Prepared::NoWork(survey) => tell(&survey, &[], cx),
        Prepared::Ready { survey, writer, destination, rotate } => {
            let work = ApplyRun { survey: &survey, writer: &writer, rotate };
            let (outcomes, stopped) = carry_out(&work, args, &mut signals, cx).await;
            let Some(outcomes) = outcomes else {
                return Ok(stopped.map_or(Exit::Failed, Exit::of));
            };
            anchor_apply(&survey, args, &destination, cx).await;
            archive(&survey, &destination, cx).await;
            let exit = tell(&survey, &outcomes, cx)?;
            Ok(stopped.map_or(exit, Exit::of))
        }
    }
}

/// The result of the steps before the first write.
enum Prepared {
    /// The plans of the GARMs in `garms`.
    Several(Box<garms::PreparedPlans>),
    /// The plan has no step that can be applied.
    NoWork(Box<PreparedPlan>),
    /// The plan has been confirmed, at the terminal or by flags.
    Ready {
        survey: Box<PreparedPlan>,
        writer: Box<Writer>,
        /// Where the writes are recorded.
        destination: AuditDestination,
        /// Pools whose outdated idle runners are replaced.
        rotate: Vec<PoolName>,
    },
}

/// Reads, plans, checks and asks for confirmation. Writes nothing; fails with 1, 3, 4 or 6.
async fn prepare(args: &ApplyArgs, cx: Context<'_>) -> Result<Prepared, Failure> {
    let saved = args.plan_file.as_deref().map(|file| read(file, args, cx)).transpose()?;
    let (places, targets) = match &saved {
        Some(saved) => inputs(saved, cx)?,
        None => (cx.settings.paths.clone(), args.targets.clone()),
    };
    let loaded = match &saved {
        Some(saved) => of_its_garm(saved, load_each(&places, &[], cx)?)?,
        None => load_each(&places, &args.garm.names, cx)?,
    };
    let loaded = match garms::single(loaded) {
        Ok(loaded) => loaded,
        Err(several) => {
            let prepared = garms::prepare(args, several, (&targets, saved.as_ref()), cx).await?;
            return Ok(Prepared::Several(Box::new(prepared)));
        }
    };
    let survey = Box::new(survey(loaded, &targets, cx).await?);
    if let Some(saved) = &saved {
        check_saved(saved, &survey.plan, &survey.heading)?;
    }
    show(&survey, cx)?;
    let rotate = if args.rotate { rotated(&survey, &targets) } else { Vec::new() };
    if !has_work(&survey.plan) && rotate.is_empty() {
        return Ok(Prepared::NoWork(survey));
    }
    require_mtls::check(survey.probes.as_deref())?;
    let word = word_to_type(&survey.plan, args, cx)?;
    let audit_context = audit_context(&survey, args, cx).await?;
    if !args.auto_approve {
        confirm(&[(&survey.plan, &survey.heading)], word, cx).await?;
    }
    let destination = audit_context.book.clone();
    let writer = Box::new(Writer::new(survey.client.clone(), audit_context));
    Ok(Prepared::Ready { survey, writer, destination, rotate })
}

/// Prints the plan before the confirmation: to stdout, or to stderr if stdout gets a document.
pub(super) fn show(survey: &PreparedPlan, cx: Context<'_>) -> Result<(), Failure> {
    let text = render::plan::text(&survey.plan, &survey.heading, cx.print.width());
    match cx.settings.output {
        Output::Text => cx.print.result(&text),
        Output::Json | Output::Markdown => {
            cx.print.say(&text);
            Ok(())
        }
    }
}

/// The selected pools that have idle runners of an older generation, and those that the plan
/// changes, since their runners may be outdated afterwards.
pub(super) fn rotated(survey: &PreparedPlan, targets: &[PoolName]) -> Vec<PoolName> {
    let is_meant = |pool: &PoolName| targets.is_empty() || targets.contains(pool);
    let sets = AdoptedSets::of(survey.desired.pools.iter().map(|pool| &pool.settings));
    let owners = Owners::with_adopted(&survey.fleet.pools, &survey.desired.fleet, &sets);
    let runners = |id: &PoolId| survey.fleet.runners_of(id).count();
    let is_old = |name: &PoolName| match owners.of(name).map(|owners| owners.holder(runners)) {
        Some(NameResolution::Pool { pool, .. }) => {
            let mut runners = survey.fleet.runners_of(&pool.id);
            runners.any(|runner| runner.is_idle() && runner.is_outdated(pool.generation))
        }
        None
        | Some(
            NameResolution::NoPool
            | NameResolution::Conflicting(_)
            | NameResolution::SeveralInUse(_),
        ) => false,
    };
    let is_changed =
        |name: &PoolName| survey.plan.steps.iter().any(|step| step.about.pool() == Some(name));
    let names = survey.desired.pools.iter().map(|pool| &pool.name);
    names.filter(|name| is_meant(name) && (is_old(name) || is_changed(name))).cloned().collect()
}

/// Said after the first signal.
pub(super) const STOPPING: &str =
    "stopping after the write in flight; press Ctrl-C again to stop at once";

struct ApplyRun<'a> {
    survey: &'a PreparedPlan,
    writer: &'a Writer,
    rotate: Vec<PoolName>,
}

/// Applies the plan. The first signal stops it after the write in flight, the second at once; then
/// there are no outcomes.
async fn carry_out(
    work: &ApplyRun<'_>,
    args: &ApplyArgs,
    signals: &mut Signals,
    cx: Context<'_>,
) -> (Option<Vec<StepOutcome>>, Option<Signal>) {
    let stop = CancellationToken::new();
    let options = options(args, work.survey, &work.rotate, &stop);
    info!(event = "step", "applying {}", count(work.survey.plan.steps.len(), "step"));
    let progress = match cx.settings.verbose {
        0 => Progress::new(cx.print, work.survey.plan.steps.len()),
        // Progress bars would overwrite the log lines.
        1.. => Progress::lines(cx.print),
    };
    let mut applying = std::pin::pin!(apply(&work.survey.plan, work.writer, &options, &progress));
    let mut first: Option<Signal> = None;
    let outcomes = loop {
        tokio::select! {
            outcomes = &mut applying => break Some(outcomes),
            signal = signals.next() => {
                if first.is_some() {
                    break None;
                }
                first = Some(signal);
                stop.cancel();
                progress.say(STOPPING);
            }
        }
    };
    progress.end();
    (outcomes, first)
}

/// The options of the apply of one plan.
pub(super) fn options(
    args: &ApplyArgs,
    survey: &PreparedPlan,
    rotate: &[PoolName],
    stop: &CancellationToken,
) -> ApplyOptions {
    ApplyOptions {
        parallelism: usize::from(args.parallelism),
        drain_timeout: args.drain_timeout,
        stop: stop.clone(),
        own_runner: own_runner(),
        rotate: rotate.to_vec(),
        keys: survey.keys.clone(),
    }
}

/// The runner that this process runs on, if it is a step of a workflow.
fn own_runner() -> Option<RunnerName> {
    std::env::var("RUNNER_NAME").ok().filter(|name| !name.is_empty()).map(RunnerName::new)
}

/// Reports the outcomes and picks the exit code: 5 unless every step succeeded.
fn tell(survey: &PreparedPlan, outcomes: &[StepOutcome], cx: Context<'_>) -> Result<Exit, Failure> {
    match cx.settings.output {
        Output::Text if outcomes.is_empty() => {}
        Output::Text => {
            let table = render::outcome::text(outcomes, cx.print.width());
            cx.print.result(&format!("\n{table}"))?;
        }
        Output::Json => cx.print.document("apply", document(survey, outcomes)?)?,
        Output::Markdown => cx.print.result(&markdown(survey, outcomes))?,
    }
    step_summary::write(|| markdown(survey, outcomes), cx);
    tell_next(survey, outcomes, cx);
    Ok(exit(survey, outcomes))
}

/// Says what to do after an apply that has succeeded, if anything.
pub(super) fn tell_next(survey: &PreparedPlan, outcomes: &[StepOutcome], cx: Context<'_>) {
    let is_whole = outcomes.iter().all(|outcome| outcome.kind.is_good());
    if let Some(next) = render::outcome::next_step(&survey.desired, &survey.plan)
        .filter(|_| is_whole && !outcomes.is_empty())
    {
        cx.print.say(&format!("{} {next}", paint(HELP, "help:")));
    }
}

/// The exit code: 5 unless every step succeeded.
pub(super) fn exit(survey: &PreparedPlan, outcomes: &[StepOutcome]) -> Exit {
    let is_whole = outcomes.iter().all(|outcome| outcome.kind.is_good());
    let is_blocked = outcomes.is_empty() && !survey.plan.is_empty();
    if is_whole && !is_blocked { Exit::Done } else { Exit::Incomplete }
}

pub(super) fn markdown(survey: &PreparedPlan, outcomes: &[StepOutcome]) -> String {
    let plan = render::plan::markdown(&survey.plan, &survey.heading);
    if outcomes.is_empty() {
        return plan;
    }
    // The outcomes come first in the step summary: readers look for them.
    format!("{}\n{plan}", render::outcome::markdown(outcomes))
}

pub(super) fn document(survey: &PreparedPlan, outcomes: &[StepOutcome]) -> Result<Value, Failure> {
    Ok(render::outcome::json(&survey.plan, &survey.requirements()?, outcomes))
}
