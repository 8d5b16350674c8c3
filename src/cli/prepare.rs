//! The common part of `plan` and `apply`: reads the files and the fleet, and makes the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::desired::{Desired, Scope};
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolName;
use crate::domain::proof::Probe;
use crate::garm::GarmClient;
use crate::host::clock::Clock;
use crate::host::files::SourcePath;
use crate::monitor::compliance::{ComplianceFacts, RequirementVerdict, report};
use crate::plan::saved::SavedInputs;
use crate::plan::{Plan, has_create_in_flight, plan};
use crate::policy::UndeclaredPools;
use crate::reconcile::read_fleet::{FleetRequest, read_fleet};
use crate::render::plan::PlanHeading;
use crate::render::words::count;
use crate::secrets::AppKey;

use tracing::{info, trace};

use super::connect::{connect, expect, tell_remarks};
use super::context::Context;
use super::credentials::{AppCredentials, resolve};
use super::failure::Failure;
use super::load::{Loaded, stop_at};
use super::runner_kit::{agents, kit};
use super::spinner::reading;
use super::{require_mtls, requirements};

/// How often the fleet is read again while another run is creating a pool, and the pause between
/// two reads: 10 s in all (DESIGN §4).
const RE_READS: usize = 10;
const RE_READ_PAUSE: Duration = Duration::from_secs(1);

/// The desired state, the fleet in GARM, and the plan.
pub struct PreparedPlan {
    pub loaded: Loaded,
    pub desired: Desired,
    pub client: Arc<GarmClient>,
    /// The fleet as read from GARM.
    pub fleet: Fleet,
    pub plan: Plan,
    /// The id of the GARM controller and its address.
    pub heading: PlanHeading,
    /// The results of the mTLS probes; absent unless `policy.require_mtls` is set.
    pub probes: Option<Vec<Probe>>,
    /// The private keys of the plan's credentials, by the name of the credential.
    pub keys: BTreeMap<String, AppKey>,
}

/// Reads the fleet and makes the plan for one GARM. Writes nothing; fails with 3 or 4.
pub async fn survey(
    loaded: Loaded,
    targets: &[PoolName],
    cx: Context<'_>,
) -> Result<PreparedPlan, Failure> {
    let mut desired = loaded.desired(cx)?;
    stop_at(&loaded.violations(UndeclaredPools::default()), cx)?;
    check_targets(targets, desired.pools.iter().map(|pool| &pool.name))?;
    let file = loaded.fleet_file()?;
    let kit = kit(file, loaded.places.base(), cx).await?;
    let client = connect(file, loaded.places.base(), cx)?;
    expect(&client, &loaded.manifest.pools);
    // `--target` limits the plan to pools, so credentials are left out.
    let apps =
        if targets.is_empty() { resolve(&loaded, cx).await? } else { AppCredentials::default() };
    let mut ask = loaded.ask();
    if !apps.wanted.is_empty() {
        ask.credentials = true;
    }
    desired.credentials = apps.wanted;
    let heading = PlanHeading {
        garm: file.garm.name.clone(),
        garm_url: client.address(),
        fleet_file: file.path.clone(),
    };
    let fleet = settled_fleet(&client, &ask, &desired, cx).await?;
    tell_remarks(&client, cx);
    stop_at(&loaded.violations(undeclared(&desired, &fleet)), cx)?;
    stop_at(&agents(&loaded.manifest, &fleet.entities), cx)?;
    let plan = plan(&desired, &fleet, &loaded.options(targets, kit)?);
    log_plan(&plan);
    let probes = require_mtls::probes(loaded.fleet_file()?, &fleet.controller).await?;
    Ok(PreparedPlan { loaded, desired, client, fleet, plan, heading, probes, keys: apps.keys })
}

impl PreparedPlan {
    /// The report on the requirements, from what this run has read.
    pub fn requirements(&self) -> Result<Vec<RequirementVerdict>, Failure> {
        let file = self.loaded.fleet_file()?;
        let pools = &self.loaded.manifest.pools;
        let facts = ComplianceFacts {
            // A violation would have ended the run before.
            networks: Some(requirements::networks(pools, file, BTreeSet::new())),
            credentials: (self.fleet.credentials.as_deref())
                .map(|found| requirements::credentials(found, file)),
            mtls: requirements::mtls(&file.garm, self.probes.as_deref()),
            ..ComplianceFacts::default()
        };
        Ok(report(&facts, &file.policy.accept))
    }
}

/// Reads the fleet, and again while another run is creating a pool: that run is about to name or to
/// remove it, and a plan made before would soon be wrong.
async fn settled_fleet(
    client: &GarmClient,
    ask: &FleetRequest,
    desired: &Desired,
    cx: Context<'_>,
) -> Result<Fleet, Failure> {
    let address = client.address();
    let read = || reading(&address, read_fleet(client, ask, &Clock::Real), cx);
    let mut fleet = read().await?;
    for _ in 0..RE_READS {
        if !has_create_in_flight(&fleet, &desired.fleet) {
            break;
        }
        cx.print.say_quietly("another run is creating a pool: reading the fleet again");
        tokio::time::sleep(RE_READ_PAUSE).await;
        fleet = read().await?;
    }
    log_fleet(&fleet);
    Ok(fleet)
}

/// Logs how many pools, runners and jobs GARM has.
pub(super) fn log_fleet(fleet: &Fleet) {
    info!(
        event = "step",
        "read GARM: {}, {}, {}",
        count(fleet.pools.len(), "pool"),
        count(fleet.runners.len(), "runner"),
        count(fleet.jobs.len(), "job")
    );
}

/// Logs the number of steps, and each step with its reason.
fn log_plan(plan: &Plan) {
    info!(event = "step", "planned {}", count(plan.steps.len(), "step"));
    for step in &plan.steps {
        trace!(
            event = "decision",
            pool = step.about.pool().map(PoolName::as_str),
            action = step.action.word(),
            "{}: {}",
            step.action.word(),
            step.reason
        );
    }
}

/// The enabled pools of this fleet that the files do not declare and the plan does not delete.
/// There are none if the files declare the whole fleet.
fn undeclared(desired: &Desired, fleet: &Fleet) -> UndeclaredPools {
    if desired.scope == Scope::Whole {
        return UndeclaredPools::default();
    }
    let is_declared = |name: &PoolName| desired.pools.iter().any(|pool| pool.name == *name);
    let ours = fleet.pools.iter().filter(|pool| {
        pool.spec.enabled && pool.owned_name(&desired.fleet).is_some_and(|name| !is_declared(&name))
    });
    UndeclaredPools { runners: ours.map(|pool| pool.spec.max_runners).fold(0, u32::saturating_add) }
}

/// Fails (64) if a `--target` names no declared pool.
pub(super) fn check_targets<'p>(
    targets: &[PoolName],
    declared: impl Iterator<Item = &'p PoolName> + Clone,
) -> Result<(), Failure> {
    let Some(unknown) = targets.iter().find(|target| !declared.clone().any(|it| it == *target))
    else {
        return Ok(());
    };
    let failure = Failure::usage(format!("`--target {unknown}`: no such pool is declared"));
    let otherwise = "`--target` takes the name of a pool in the pool files";
    Err(failure.did_you_mean(unknown.as_str(), declared.map(PoolName::as_str), otherwise))
}

/// The inputs that a saved plan records, as absolute paths, so that `apply` can be run from any
/// folder.
pub fn inputs(loaded: &Loaded, targets: &[PoolName]) -> SavedInputs {
    let places = &loaded.places;
    let whole = |file: &SourcePath| {
        let path = file.path();
        std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
    };
    SavedInputs {
        config: places.fleet.as_ref().map(whole),
        pools: Some(whole(&places.pools)),
        policy: places.policy.as_ref().map(whole),
        target: targets.iter().map(ToString::to_string).collect(),
        garm: loaded.garm().cloned(),
    }
}
