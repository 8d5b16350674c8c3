//! `status`: reads the fleet and shows it, once or, with `--follow`, repeatedly.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tracing::trace;

use crate::config::{DeclaredPool, FleetFile};
use crate::domain::entity::{Entity, EntityKey, PoolManager};
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolId, PoolKind, PoolName};
use crate::domain::text::code;
use crate::garm::GarmClient;
use crate::host::clock::Clock;
use crate::metrics::watch_client::{AskError, WatchEndpoint};
use crate::plan::plan;
use crate::reconcile::read_fleet::read_fleet;
use crate::reconcile::watch::{first_assignments, first_decisions};
use crate::render::decision::{DecisionEffect, DecisionView, Mood, sentence};
use crate::render::status::{
    self, DecisionSource, FleetStatus, PoolDecisions, StatusDetail, StatusInputs, fleet_status,
    impatience, job_rows,
};
use crate::render::style::{HELP, WARNING, paint};
use crate::render::words::count;
use crate::render::wrap::on_screen;
use crate::scaling::{Decision, Freeze};

use super::args::{Output, StatusArgs};
use super::connect::{connect, expect, tell_remarks};
use super::context::Context;
use super::daemon::setup::declared_pools;
use super::exit::Exit;
use super::failure::Failure;
use super::garms;
use super::load::{Loaded, load_each};
use super::prepare::log_fleet;
use super::runner_kit::unread;
use super::spinner::reading;

/// Moves the cursor to the top left, and clears the screen and its scrollback.
pub(super) const CLEAR: &str = "\u{1b}[H\u{1b}[2J\u{1b}[3J";

/// The inputs of each refresh.
pub(super) struct StatusRun<'a> {
    loaded: Loaded,
    file: FleetFile,
    client: Arc<GarmClient>,
    args: &'a StatusArgs,
}

impl<'a> StatusRun<'a> {
    /// The inputs for one GARM. Fails (3) without a fleet file.
    pub(super) fn of(
        loaded: Loaded,
        args: &'a StatusArgs,
        cx: Context<'_>,
    ) -> Result<Self, Failure> {
        let file = loaded.fleet_file()?.clone();
        let client = connect(&file, loaded.places.base(), cx)?;
        expect(&client, &loaded.manifest.pools);
        Ok(Self { loaded, file, client, args })
    }

    pub(super) fn address(&self) -> String {
        self.client.address()
    }

    /// Warns of rows that could not be read.
    pub(super) fn tell_remarks(&self, cx: Context<'_>) {
        tell_remarks(&self.client, cx);
    }
}

pub async fn run(args: &StatusArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let loaded = match garms::single(load_each(&cx.settings.paths, &args.garm.names, cx)?) {
        Ok(loaded) => loaded,
        Err(several) => return garms::status(args, several, cx).await,
    };
    let watch = StatusRun::of(loaded, args, cx)?;
    let (status, hint) = reading(&watch.address(), look(&watch), cx).await?;
    let status = only(status, &args.only)?;
    watch.tell_remarks(cx);
    if let Some(hint) = hint {
        cx.print.say(&hint);
    }
    if args.follow { follow(&watch, status, cx).await } else { show(&status, args, cx) }
}

fn show(status: &FleetStatus, args: &StatusArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let detail = detail(args);
    match cx.settings.output {
        Output::Json => cx.print.document("status", status::json(status, detail))?,
        Output::Text | Output::Markdown => {
            let width = cx.print.width();
            let text = status::text(status, detail, width);
            // A long table moves the first lines off the screen.
            let is_long =
                cx.print.height().is_some_and(|lines| on_screen(&text, width, lines).1 > 0);
            let end = is_long.then(|| format!("\n{}\n", status::summary(status, width)));
            cx.print.result(&(text + &end.unwrap_or_default()))?;
        }
    }
    Ok(Exit::Done)
}

/// Shows the fleet at each interval until a signal arrives or stdout is closed. A failed read is
/// reported and tried again at the next interval.
async fn follow(
    watch: &StatusRun<'_>,
    first: FleetStatus,
    cx: Context<'_>,
) -> Result<Exit, Failure> {
    let mut next = Ok(first);
    loop {
        match next {
            Ok(status) => show_in_stream(&status, watch.args, cx)?,
            Err(failure) => cx.print.say(&Failure::text(&failure)),
        }
        if cx.print.is_unread() {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(watch.args.interval).await;
        let look = look(watch);
        // In a log, the previous table remains readable.
        let looked = match cx.print.draws() {
            true => reading(&watch.client.address(), look, cx).await,
            false => look.await,
        };
        next = looked.and_then(|view| only(view.0, &watch.args.only));
    }
}

fn show_in_stream(status: &FleetStatus, args: &StatusArgs, cx: Context<'_>) -> Result<(), Failure> {
    let detail = detail(args);
    match cx.settings.output {
        Output::Json => cx.print.document_line("status", status::json(status, detail)),
        Output::Text | Output::Markdown => {
            let dated = |status: &FleetStatus| status::dated(status, detail, cx.print.width());
            match cx.print.height() {
                Some(lines) => {
                    cx.print.raw(CLEAR)?;
                    cx.print.result(&screenful(status, dated, (cx.print.width(), lines)))
                }
                None => cx.print.result(&dated(status)),
            }
        }
    }
}

/// The table cut to the height of the screen, so that the summary and the header stay visible. If
/// it does not fit, pools with remarks come first, then those for which most jobs wait.
fn screenful(
    status: &FleetStatus,
    text: impl Fn(&FleetStatus) -> String,
    (width, lines): (usize, usize),
) -> String {
    // One line for the note, and one for the cursor.
    let room = lines.saturating_sub(2);
    let (whole, rest) = on_screen(&text(status), width, room);
    if rest == 0 {
        return whole;
    }
    let mut sorted = status.clone();
    sorted.pools.sort_by_key(|pool| (pool.remarks.is_empty(), Reverse(pool.snapshot.queue_depth)));
    let (kept, rest) = on_screen(&text(&sorted), width, room);
    let rest = count(rest, "more line");
    format!("{kept}… {rest}; run `runnerctl status POOL…` to show single pools\n")
}

/// Reads GARM once. Returns the status and a hint about GARM's own scaling.
pub(super) async fn look(watch: &StatusRun<'_>) -> Result<(FleetStatus, Option<String>), Failure> {
    let fleet = read_fleet(&watch.client, &watch.loaded.ask(), &Clock::Real).await?;
    log_fleet(&fleet);
    let declared = &watch.loaded.manifest.pools;
    // The status is shown even if the pools lack fields that `plan` needs.
    let desired = watch.loaded.manifest.complete(watch.loaded.scope).ok();
    let options = watch.loaded.options(&[], unread(&watch.file))?;
    let plan = desired.map(|desired| plan(&desired, &fleet, &options));
    let decisions = decisions(watch, &fleet).await;
    let owner = &watch.file.fleet;
    let inputs =
        StatusInputs { owner, declared, fleet: &fleet, plan: plan.as_ref(), decisions: &decisions };
    let mut status = fleet_status(inputs);
    if watch.args.jobs {
        let queued = first_assignments(&declared_pools(owner, declared), &fleet);
        status.jobs = Some(job_rows(&status, &fleet, &queued));
    }
    let delays = declared
        .iter()
        .filter(|pool| pool.scale.autoscale && pool.may_be_enabled())
        // GARM's backoff is for webhooks; a scale set has no use for it.
        .filter(|pool| pool.kind == PoolKind::Pool)
        .map(|pool| pool.scale.scale_up_delay);
    Ok((status, impatience(fleet.controller.backoff, delays).map(|text| hint(&text))))
}

/// The decisions of the running `watch`; for pools without one, what a `watch` that starts now
/// would decide.
async fn decisions(watch: &StatusRun<'_>, fleet: &Fleet) -> PoolDecisions {
    let settings = watch.file.watch.clone().unwrap_or_default();
    let identity = watch.file.garm.tls.as_ref().and_then(|tls| tls.client.clone());
    let place = WatchEndpoint::new(&settings, identity);
    let address = place.to_string();
    let (source, told) = match place.decisions_page(watch.loaded.garm()).await {
        Ok(page) => match told(&page, &watch.file.fleet, fleet) {
            Ok((at, is_applied, told)) => {
                let leader = serde_json::from_value(page["leader"].clone()).ok();
                (DecisionSource::Watch { address, at, is_applied, leader }, told)
            }
            Err(why) => (DecisionSource::Unknown { address, why }, BTreeMap::new()),
        },
        Err(AskError::NotRunning) => (DecisionSource::NotRunning { address }, BTreeMap::new()),
        Err(AskError::NoAnswer(why)) => (DecisionSource::Unknown { address, why }, BTreeMap::new()),
    };
    let mut all = first(&watch.file.fleet, &watch.loaded.manifest.pools, fleet);
    all.extend(told);
    PoolDecisions { source: Some(source), by_pool: all }
}

/// The decisions of a `watch` that starts now.
pub(super) fn first(
    owner: &FleetName,
    declared: &[DeclaredPool],
    fleet: &Fleet,
) -> BTreeMap<PoolName, DecisionView> {
    let declared_pools = declared_pools(owner, declared);
    let entity_of: HashMap<&PoolId, &EntityKey> =
        fleet.pools.iter().map(|pool| (&pool.id, &pool.entity)).collect();
    let stopped = |entity: &Entity| match &entity.manager {
        PoolManager::Running => None,
        PoolManager::Stopped { reason } => Some(Freeze::ManagerStopped(reason.clone())),
    };
    let freezes: HashMap<&EntityKey, Freeze> = (fleet.entities.iter())
        .filter_map(|entity| Some((&entity.key, stopped(entity)?)))
        .collect();
    let tell = |(name, decision): (PoolName, Arc<Decision>)| {
        let freeze = entity_of.get(&decision.pool).and_then(|entity| freezes.get(entity));
        let fate = freeze.map_or(DecisionEffect::NotWritten, DecisionEffect::Frozen);
        trace!(event = "decision", pool = name.as_str(), "{}", sentence(&decision, Mood::Would));
        let told = DecisionView::of(&name, &decision, fate);
        (name, told)
    };
    first_decisions(&declared_pools, fleet).into_iter().map(tell).collect()
}

type DecisionsAnswer = (Timestamp, bool, BTreeMap<PoolName, DecisionView>);

/// The decisions on the page `/decisions`. Fails if the page is about another fleet or another
/// GARM.
fn told(page: &Value, owner: &FleetName, fleet: &Fleet) -> Result<DecisionsAnswer, String> {
    let text = |key: &str| page[key].as_str();
    match (text("fleet"), text("controller_id")) {
        (Some(theirs), _) if theirs != owner.as_str() => {
            return Err(format!("the `watch` there scales the fleet {}", code(theirs)));
        }
        (_, Some(theirs)) if theirs != fleet.controller.id => {
            return Err(format!(
                "the `watch` there scales another GARM, {}",
                code(text("garm").unwrap_or("?"))
            ));
        }
        (Some(_), Some(_)) => {}
        (None, _) if page["garms"].is_object() => {
            return Err("the `watch` there has a fleet file with `garms`".into());
        }
        (None, _) | (_, None) => {
            return Err("the service there is not a `watch` of this version".into());
        }
    }
    let at = text("at").and_then(|text| text.parse().ok()).unwrap_or(fleet.observed_at);
    let pools = page["pools"].as_array().into_iter().flatten();
    let told = pools.filter_map(|pool| {
        let name = PoolName::new(pool["pool"].as_str()?).ok()?;
        Some((name, DecisionView::read(pool.clone())?))
    });
    Ok((at, page["applied"] == true, told.collect()))
}

fn hint(text: &str) -> String {
    format!(
        "{} {text}\n{} set `controller: {{ minimum_job_age_backoff: 5m }}` in the fleet file",
        paint(WARNING, "warning:"),
        paint(HELP, "help:"),
    )
}

/// Keeps the wanted pools, or all if none is named. Fails (64) if there is no pool of that name.
fn only(status: FleetStatus, wanted: &[String]) -> Result<FleetStatus, Failure> {
    check_pools(wanted, status.pools.iter().map(|pool| pool.name.as_str()))?;
    Ok(keep(status, wanted))
}

/// Fails (64) if a wanted pool does not exist.
pub(super) fn check_pools<'p>(
    wanted: &[String],
    pools: impl Iterator<Item = &'p str> + Clone,
) -> Result<(), Failure> {
    let Some(unknown) = wanted.iter().find(|name| !pools.clone().any(|pool| pool == **name)) else {
        return Ok(());
    };
    let failure = Failure::usage(format!("no pool `{unknown}` in this fleet"));
    let otherwise = "run `runnerctl status` without a name to see every pool";
    Err(failure.did_you_mean(unknown, pools, otherwise))
}

/// Keeps the wanted pools, or all if none is named.
pub(super) fn keep(mut status: FleetStatus, wanted: &[String]) -> FleetStatus {
    if !wanted.is_empty() {
        status.pools.retain(|pool| wanted.contains(&pool.name));
        if let Some(jobs) = &mut status.jobs {
            jobs.retain(|job| job.concerns(wanted));
        }
    }
    status
}

pub(super) fn detail(args: &StatusArgs) -> StatusDetail {
    if args.runners { StatusDetail::Runners } else { StatusDetail::Pools }
}
