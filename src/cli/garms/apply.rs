//! `apply` for several GARMs: all plans are shown, and confirmed at once; then all are applied at the
//! same time.
//!
//! What is not allowed in one plan refuses all, before the first write. A GARM that cannot be read,
//! whose mTLS is not proven or whose audit log cannot be written is left out; the others go on.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::moves::{self, Deferral, Deferrals};
use super::plan::surveys;
use super::{OfGarm, document, failed, for_garm, summarize, tell_failures, with_targets};
use crate::cli::anchor::anchor_apply;
use crate::cli::apply::{self as single, STOPPING};
use crate::cli::args::{ApplyArgs, Output};
use crate::cli::audit_log::{archive, audit_context};
use crate::cli::consent::{ConfirmationWord, check_saved, confirm, has_work, word_to_type};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::load::Loaded;
use crate::cli::prepare::PreparedPlan;
use crate::cli::progress::Progress;
use crate::cli::require_mtls;
use crate::domain::name::{GarmName, PoolName};
use crate::event::{StepOutcome, StepResult};
use crate::host::audit_destination::AuditDestination;
use crate::host::signals::{Signal, Signals};
use crate::plan::consent::need;
use crate::plan::saved::SavedPlan;
use crate::plan::{Plan, Step};
use crate::reconcile::apply::apply;
use crate::reconcile::writer::Writer;
use crate::render;
use crate::render::style::{NAME, paint};
use crate::render::words::count;

/// The plans of several GARMs, confirmed at the terminal or by flags.
pub(in crate::cli) struct PreparedPlans {
    own: Vec<OfGarm<Work>>,
    deferrals: Deferrals,
}

/// The plan of one GARM.
struct Work {
    survey: PreparedPlan,
    /// Absent if the plan has no step that can be applied.
    writing: Option<Writing>,
}

/// What an apply needs besides the plan.
struct Writing {
    writer: Writer,
    /// Where the writes are recorded.
    destination: AuditDestination,
    /// Pools whose outdated idle runners are replaced.
    rotate: Vec<PoolName>,
}

/// Reads, plans, checks and asks for confirmation. Writes nothing; fails with 1, 3, 6 or 64.
pub(in crate::cli) async fn prepare(
    args: &ApplyArgs,
    loaded: Vec<(GarmName, Loaded)>,
    (targets, saved): (&[PoolName], Option<&SavedPlan>),
    cx: Context<'_>,
) -> Result<PreparedPlans, Failure> {
    let (surveys, deferrals) = surveys(with_targets(loaded, targets)?, cx).await?;
    let mut own = Vec::new();
    for OfGarm { garm, result } in surveys {
        if let (Ok(survey), Some(saved)) = (&result, saved) {
            check_saved(saved, &survey.plan, &survey.heading)?;
        }
        if let Ok(survey) = &result {
            single::show(survey, cx)?;
        }
        own.push(OfGarm { garm, result: result.map(|survey| Work { survey, writing: None }) });
    }
    let word = word_for_all(&own, args, cx)?;
    for OfGarm { garm, result } in &mut own {
        let Ok(work) = result else { continue };
        let survey = &work.survey;
        match for_garm(garm, cx, async |cx| writing(survey, targets, args, cx).await).await {
            Ok(writing) => work.writing = writing,
            Err(failure) => *result = Err(failure.at(garm)),
        }
    }
    tell_failures(&own, cx);
    let plans: Vec<_> = (own.iter().filter_map(|own| own.result.as_ref().ok()))
        .filter(|work| work.writing.is_some())
        .map(|work| (&work.survey.plan, &work.survey.heading))
        .collect();
    if !plans.is_empty() && !args.auto_approve {
        confirm(&plans, word, cx).await?;
    }
    Ok(PreparedPlans { own, deferrals })
}

/// The word that confirms all plans. Fails (6) if one of them needs a permission that no flag gives
/// and no terminal can ask for: the one that needs most.
fn word_for_all(
    own: &[OfGarm<Work>],
    args: &ApplyArgs,
    cx: Context<'_>,
) -> Result<ConfirmationWord, Failure> {
    let mut plans: Vec<(&GarmName, &Plan)> = own
        .iter()
        .filter_map(|own| Some((&own.garm, &own.result.as_ref().ok()?.survey.plan)))
        .filter(|(_, plan)| has_work(plan))
        .collect();
    plans.sort_by_key(|(_, plan)| std::cmp::Reverse(need(plan).permission));
    let mut word = ConfirmationWord::Yes;
    for (garm, plan) in plans {
        let own = word_to_type(plan, args, cx).map_err(|failure| Failure {
            message: format!("{garm}: {}", failure.message),
            ..failure
        })?;
        word = word.max(own);
    }
    Ok(word)
}

/// What is needed to apply the plan; `None` if there is nothing to apply.
async fn writing(
    survey: &PreparedPlan,
    targets: &[PoolName],
    args: &ApplyArgs,
    cx: Context<'_>,
) -> Result<Option<Writing>, Failure> {
    let rotate = if args.rotate { single::rotated(survey, targets) } else { Vec::new() };
    if !has_work(&survey.plan) && rotate.is_empty() {
        return Ok(None);
    }
    require_mtls::check(survey.probes.as_deref())?;
    let context = audit_context(survey, args, cx).await?;
    let destination = context.book.clone();
    let writer = Writer::new(survey.client.clone(), context);
    Ok(Some(Writing { writer, destination, rotate }))
}

/// The outcomes of each GARM.
type Outcomes = BTreeMap<GarmName, Vec<StepOutcome>>;

impl PreparedPlans {
    /// Applies the plans and reports the outcomes. The first signal stops all after the writes in
    /// flight, the second at once.
    pub(in crate::cli) async fn apply(
        &self,
        args: &ApplyArgs,
        signals: &mut Signals,
        cx: Context<'_>,
    ) -> Result<Exit, Failure> {
        let stop = CancellationToken::new();
        let mut working = std::pin::pin!(self.carry_out(args, &stop, cx));
        let mut first: Option<Signal> = None;
        let outcomes = loop {
            tokio::select! {
                outcomes = &mut working => break outcomes,
                signal = signals.next() => {
                    if let Some(first) = first {
                        return Ok(Exit::of(first));
                    }
                    first = Some(signal);
                    stop.cancel();
                    cx.print.say(STOPPING);
                }
            }
        };
        join_all(self.works().map(async |(garm, work)| {
            let Some(writing) = &work.writing else { return };
            for_garm(garm, cx, async |cx| {
                anchor_apply(&work.survey, args, &writing.destination, cx).await;
                archive(&work.survey, &writing.destination, cx).await;
            })
            .await;
        }))
        .await;
        let exit = self.tell(&outcomes, cx)?;
        Ok(first.map_or(exit, Exit::of))
    }

    fn works(&self) -> impl Iterator<Item = (&GarmName, &Work)> {
        self.own.iter().filter_map(|own| Some((&own.garm, own.result.as_ref().ok()?)))
    }

    fn deferred(&self, garm: &GarmName) -> &[Deferral] {
        self.deferrals.get(garm).map_or(&[], Vec::as_slice)
    }

    /// Applies what waits for nothing, then the steps that have waited for another GARM.
    async fn carry_out(
        &self,
        args: &ApplyArgs,
        stop: &CancellationToken,
        cx: Context<'_>,
    ) -> Outcomes {
        let parts = self.works().map(|(garm, work)| {
            let (first, later) = moves::split(&work.survey.plan, self.deferred(garm));
            (garm, work, first, later)
        });
        let parts: Vec<_> = parts.collect();
        let first = parts.iter().map(async |(garm, work, first, _)| {
            let rotate = work.writing.as_ref().map_or(&[][..], |writing| &writing.rotate);
            let apply = async |cx: Context<'_>| work.apply(first, rotate, (args, stop), cx).await;
            ((*garm).clone(), for_garm(garm, cx, apply).await)
        });
        let mut ended: Outcomes = join_all(first).await.into_iter().collect();
        let due: Vec<_> = parts
            .iter()
            .map(|(garm, work, _, later)| {
                let (plan, held_back) = moves::due(later, self.deferred(garm), &ended);
                (*garm, *work, plan, held_back)
            })
            .collect();
        let second = due.into_iter().map(async |(garm, work, plan, held_back)| {
            let apply = async |cx: Context<'_>| work.apply(&plan, &[], (args, stop), cx).await;
            let outcomes = for_garm(garm, cx, apply).await;
            (garm, outcomes.into_iter().chain(held_back).collect::<Vec<_>>())
        });
        for (garm, outcomes) in join_all(second).await {
            ended.entry(garm.clone()).or_default().extend(outcomes);
        }
        ended
    }

    /// Reports the outcomes and picks the exit code: that of the worst GARM.
    fn tell(&self, ended: &Outcomes, cx: Context<'_>) -> Result<Exit, Failure> {
        let outcomes = |garm: &GarmName, work: &Work| match &work.writing {
            Some(_) => ended.get(garm).map_or(&[][..], Vec::as_slice),
            None => &[],
        };
        match cx.settings.output {
            Output::Text => {
                for (garm, work) in self.works().filter(|(_, work)| work.writing.is_some()) {
                    let table = render::outcome::text(outcomes(garm, work), cx.print.width());
                    cx.print.result(&format!("\n{}\n{table}", paint(NAME, garm)))?;
                }
            }
            Output::Json => {
                let fields = |garm: &GarmName, work: &Work| {
                    // A survey has a fleet file, without which this fails.
                    let fields = single::document(&work.survey, outcomes(garm, work));
                    fields.unwrap_or_else(|failure| failure.value())
                };
                cx.print.document("apply", document(&self.own, fields))?;
            }
            Output::Markdown => {
                for (garm, work) in self.works() {
                    cx.print.result(&single::markdown(&work.survey, outcomes(garm, work)))?;
                }
            }
        }
        let markdown =
            |garm: &GarmName, work: &Work| single::markdown(&work.survey, outcomes(garm, work));
        summarize(&self.own, "apply", markdown, cx);
        for (garm, work) in self.works() {
            let print = cx.print.labelled(garm);
            let cx = Context { settings: cx.settings, print: &print };
            single::tell_next(&work.survey, outcomes(garm, work), cx);
        }
        let exits =
            self.works().map(|(garm, work)| single::exit(&work.survey, outcomes(garm, work)));
        Ok(Exit::worst(exits.chain(failed(&self.own))))
    }
}

impl Work {
    /// Applies a part of the plan. A plan without a step that can be applied ends as blocked.
    async fn apply(
        &self,
        part: &Plan,
        rotate: &[PoolName],
        (args, stop): (&ApplyArgs, &CancellationToken),
        cx: Context<'_>,
    ) -> Vec<StepOutcome> {
        let Some(writing) = &self.writing else {
            return part.steps.iter().map(blocked).collect();
        };
        if !part.steps.is_empty() {
            info!(event = "step", "applying {}", count(part.steps.len(), "step"));
        }
        let options = single::options(args, &self.survey, rotate, stop);
        apply(part, &writing.writer, &options, &Progress::lines(cx.print)).await
    }
}

fn blocked(step: &Step) -> StepOutcome {
    StepOutcome {
        about: step.about.clone(),
        action: step.action,
        kind: StepResult::Blocked,
        detail: step.reason.clone(),
        help: step.help.clone(),
    }
}
