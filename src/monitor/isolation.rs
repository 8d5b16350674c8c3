//! The isolation auditor: one runner, one job, one VM (DESIGN §7; R3, R4).
//!
//! Rests on what GARM's rows say (GARM.md §a, §e, §f): an instance names its job while it runs it,
//! a job names its runner from `in_progress` on, both go together a few seconds after the end, and
//! with single-job registration an instance has its `agent_id` from its first row.
//!
//! Events come late, twice, disordered or not at all, and this program or GARM may have been away.
//! So a time is only ever measured between two things that were seen, and begins anew after a
//! break: nothing is concluded from what was missed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::below_min::BelowMinTracker;
use super::finding::{FindingKind, IsolationFinding, IsolationSummary, Remedy};
use super::runner_track::RunnerTrack;
use super::vm_reuse::{VmHistory, VmRunner};
use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolId, PoolName, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::{Runner, RunnerStatus};
use crate::domain::text::code;
use crate::scaling::{FleetIndex, RowChange};

/// How long a runner may live after its job, unless GARM is deleting it: it goes within 7 s as a
/// rule (GARM.md §f).
const AFTERLIFE_MAX: Duration = Duration::from_mins(2);

/// How long GARM may take to delete it. It is off GitHub's list by then and can get no second job,
/// nobody but GARM can go on with its deletion, and some clouds need minutes to destroy a VM: a
/// finding after two would be one of every slow cloud, and lead to nothing.
const DELETING_MAX: Duration = Duration::from_mins(10);

/// Most jobs kept, until the next reading, of runners that are not known yet.
const STRAYS_MAX: usize = 4_096;

/// Most providers that are remembered as told of.
const PROVIDERS_MAX: usize = 256;

/// Watches the runners of one fleet's pools, retired ones included.
#[derive(Debug, Clone)]
pub struct IsolationAuditor {
    fleet: FleetName,
    /// A longer time than this between two readings is a break.
    break_after: Duration,
    pools: HashMap<PoolId, RunnerPool>,
    /// Every runner that is there, by name, which is unique in GARM.
    tracks: HashMap<RunnerName, RunnerTrack>,
    names: HashMap<String, RunnerName>,
    /// Jobs whose runner's row has not come yet.
    strays: Vec<(RunnerName, Job)>,
    vms: VmHistory,
    floors: BelowMinTracker,
    unknown_providers: BTreeSet<String>,
    read_at: Option<Timestamp>,
    /// Since when readings have come without a break.
    steady_since: Option<Timestamp>,
    readings: u64,
    watched: IsolationSummary,
    found: Vec<IsolationFinding>,
}

/// What a runner's pool says of it.
#[derive(Debug, Clone)]
struct RunnerPool {
    provider: String,
    /// The fleet's name for it; absent for a pool of somebody else.
    name: Option<PoolName>,
}

impl IsolationAuditor {
    /// An auditor of the pools that bear the mark of `fleet`. A full reading is to come every
    /// `resync`; after twice that time without one, nothing that was measured counts any more.
    pub fn new(fleet: FleetName, resync: Duration) -> Self {
        Self {
            fleet,
            break_after: resync.saturating_mul(2),
            pools: HashMap::new(),
            tracks: HashMap::new(),
            names: HashMap::new(),
            strays: Vec::new(),
            vms: VmHistory::default(),
            floors: BelowMinTracker::default(),
            unknown_providers: BTreeSet::new(),
            read_at: None,
            steady_since: None,
            readings: 0,
            watched: IsolationSummary::default(),
            found: Vec::new(),
        }
    }

    /// The whole fleet was read at `now`.
    pub fn read(&mut self, fleet: &Fleet, now: Timestamp) -> Vec<IsolationFinding> {
        self.begin_reading(now);
        self.pools = fleet.pools.iter().map(|it| (it.id.clone(), self.home(it))).collect();
        for runner in &fleet.runners {
            self.see_runner(runner, now, now);
        }
        let readings = self.readings;
        let gone = self.tracks.iter().filter(|it| it.1.reading < readings);
        for name in gone.map(|it| it.0.clone()).collect::<Vec<_>>() {
            self.lose(&name);
        }
        for job in &fleet.jobs {
            self.see_job(job, now);
        }
        let ended = self.tracks.iter().filter(|it| it.1.ended_at.is_some());
        for name in ended.map(|it| it.0.clone()).collect::<Vec<_>>() {
            self.judge_afterlife(&name, now);
        }
        std::mem::take(&mut self.found)
    }

    /// One row has changed by `now`, and the change is news.
    pub fn changed(&mut self, change: &RowChange, now: Timestamp) -> Vec<IsolationFinding> {
        match change {
            RowChange::Runner(runner) => {
                // The row was so when it was written, not when its event came.
                self.see_runner(runner, runner.updated_at.min(now), now);
                self.judge_afterlife(&runner.name, now);
            }
            RowChange::RunnerGone(id) => {
                if let Some(name) = self.names.get(id).cloned() {
                    self.lose(&name);
                }
            }
            RowChange::Job(job) => self.see_job(job, now),
            // A job's row goes with its runner's, and says nothing by going.
            RowChange::JobGone(_) => {}
            RowChange::Pool(pool) => {
                let home = self.home(pool);
                self.pools.insert(pool.id.clone(), home);
            }
            RowChange::PoolGone(id) => drop(self.pools.remove(id)),
        }
        std::mem::take(&mut self.found)
    }

    /// A look at the pools at `now`, after each turn of the loop: `open` are the pools whose
    /// circuit is open.
    pub fn tick(
        &mut self,
        fleet_index: &FleetIndex,
        open: &BTreeSet<PoolId>,
        now: Timestamp,
    ) -> Vec<IsolationFinding> {
        let age = Duration::try_from(now.duration_since(fleet_index.read_at())).unwrap_or_default();
        if age > self.break_after {
            self.floors.forget();
            return Vec::new();
        }
        for below in self.floors.look(fleet_index, open, now) {
            let what = (FindingKind::BelowMin, Remedy::Inspect);
            self.find(what, (&below.pool, None), below.evidence, now);
        }
        std::mem::take(&mut self.found)
    }

    /// The runners that are to be removed now: each outlived its job, is not busy, and GARM has
    /// left it alone. A runner stays in here until it goes, so that a removal that failed is tried
    /// again.
    pub fn to_remove(&self) -> Vec<(PoolId, RunnerName)> {
        let doomed = self.tracks.iter().filter(|it| it.1.is_to_go());
        let named = doomed.filter_map(|(name, it)| {
            let pool = it.pool.as_ref().filter(|it| self.ours(it).is_some())?;
            Some((pool.clone(), name.clone()))
        });
        let mut all: Vec<_> = named.collect();
        all.sort();
        all
    }

    /// What has been watched so far.
    pub fn watched(&self) -> &IsolationSummary {
        &self.watched
    }

    fn begin_reading(&mut self, now: Timestamp) {
        let is_steady = self.read_at.is_some_and(|it| {
            now >= it && now.duration_since(it).unsigned_abs() <= self.break_after
        });
        if !is_steady {
            self.steady_since = Some(now);
            self.floors.forget();
        }
        self.read_at = Some(now);
        self.readings += 1;
        self.strays.clear();
        self.watched.since.get_or_insert(now);
    }

    fn home(&self, pool: &Pool) -> RunnerPool {
        let marks = pool.spec.labels.marks();
        let ours = marks.iter().filter(|it| it.fleet() == self.fleet.as_str());
        let name = ours.map(OwnerMark::pool).find_map(|it| PoolName::new(it).ok());
        RunnerPool { provider: pool.spec.provider.clone(), name }
    }

    fn ours(&self, pool: &PoolId) -> Option<&PoolName> {
        self.pools.get(pool)?.name.as_ref()
    }

    /// A runner was as its row says at `seen_at`.
    fn see_runner(&mut self, runner: &Runner, seen_at: Timestamp, now: Timestamp) {
        let known = self.tracks.get(&runner.name);
        if known.is_some_and(|it| it.id != runner.id) {
            self.lose(&runner.name);
        }
        if !self.tracks.contains_key(&runner.name) {
            self.names.insert(runner.id.clone(), runner.name.clone());
            self.tracks.insert(runner.name.clone(), RunnerTrack::new(runner));
            self.meet_strays(&runner.name, now);
        }
        let Some(track) = self.tracks.get_mut(&runner.name) else { return };
        track.reading = self.readings;
        track.see(runner, seen_at);
        self.see_vm(runner, now);
        self.see_access(runner, now);
        if let Some(job) = runner.job {
            self.see_job_on(&runner.name, job, now);
        }
    }

    /// The jobs that were heard of before their runner.
    fn meet_strays(&mut self, name: &RunnerName, now: Timestamp) {
        let (mine, others) =
            std::mem::take(&mut self.strays).into_iter().partition(|it| it.0 == *name);
        self.strays = others;
        let mine: Vec<(RunnerName, Job)> = mine;
        for (_, job) in mine {
            self.see_job(&job, now);
        }
    }

    fn see_vm(&mut self, runner: &Runner, now: Timestamp) {
        let (Some(vm), Some(pool)) = (&runner.provider_id, &runner.pool) else { return };
        let provider = self.provider(runner).to_owned();
        let Some(track) = self.tracks.get_mut(&runner.name) else { return };
        let is_same = track.vm.as_ref().is_some_and(|it| it.0 == provider && it.1 == *vm);
        if is_same {
            return;
        }
        if let Some((provider, vm)) = track.vm.replace((provider.clone(), vm.clone())) {
            self.vms.leave(&provider, &vm);
        }
        let holder =
            VmRunner { id: runner.id.clone(), name: runner.name.clone(), pool: pool.clone() };
        let Some(before) = self.vms.see(&provider, vm, &holder) else { return };
        // One of the two has to be ours; the finding is told of the newer, if that is.
        let (pool, name) = match self.ours(pool) {
            Some(_) => (pool, &runner.name),
            None => (&before.pool, &before.name),
        };
        let evidence = format!(
            "VM {} of provider {} is runner {} and was runner {} before",
            code(vm),
            code(&provider),
            code(runner.name.as_str()),
            code(before.name.as_str()),
        );
        self.find((FindingKind::VmReused, Remedy::Inspect), (pool, Some(name)), evidence, now);
    }

    /// GARM leaves the provider's name out where instances are embedded in their pool.
    fn provider<'a>(&'a self, runner: &'a Runner) -> &'a str {
        let pool = runner.pool.as_ref().and_then(|it| self.pools.get(it));
        match pool.filter(|_| runner.provider.is_empty()) {
            Some(pool) => &pool.provider,
            None => &runner.provider,
        }
    }

    fn see_access(&mut self, runner: &Runner, now: Timestamp) {
        let Some(pool) = runner.pool.as_ref().filter(|it| self.ours(it).is_some()) else { return };
        let about = (pool, Some(&runner.name));
        if runner.has_shell && self.tell(&runner.name, FindingKind::ShellAccess) {
            let evidence = "GARM's agent offers a shell on it".to_owned();
            self.find((FindingKind::ShellAccess, Remedy::Inspect), about, evidence, now);
        }
        let is_unregistered = runner.agent_id.is_none()
            && runner.runner_status == RunnerStatus::Pending
            && !runner.status.is_leaving();
        let provider = self.provider(runner).to_owned();
        if is_unregistered
            && self.unknown_providers.len() < PROVIDERS_MAX
            && self.unknown_providers.insert(provider.clone())
        {
            let evidence = format!(
                "its row has no `agent_id` while `pending`: provider {} does not seem to register \
                 runners for a single job",
                code(provider)
            );
            self.find((FindingKind::RegistrationUnknown, Remedy::Inspect), about, evidence, now);
        }
    }

    /// A job stands where its row says. Only from `in_progress` on its runner is a fact.
    fn see_job(&mut self, job: &Job, now: Timestamp) {
        let Some(name) = &job.runner else { return };
        let has_run = matches!(job.status, JobStatus::InProgress | JobStatus::Completed);
        if !has_run {
            return;
        }
        let Some(track) = self.tracks.get_mut(name) else {
            if self.strays.len() < STRAYS_MAX {
                self.strays.push((name.clone(), job.clone()));
            }
            return;
        };
        if job.status == JobStatus::Completed {
            track.end(job.updated_at.min(now));
        }
        self.see_job_on(name, job.workflow_job_id, now);
    }

    fn see_job_on(&mut self, name: &RunnerName, job: i64, now: Timestamp) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        track.take_job(job);
        let [first, second] = track.jobs[..] else { return };
        let Some(pool) = track.pool.clone() else { return };
        if self.ours(&pool).is_some() && self.tell(name, FindingKind::TwoJobs) {
            let evidence = format!("it was seen with job {first} and with job {second}");
            self.find((FindingKind::TwoJobs, Remedy::Inspect), (&pool, Some(name)), evidence, now);
        }
    }

    /// Whether the runner lives too long after its job.
    fn judge_afterlife(&mut self, name: &RunnerName, now: Timestamp) {
        let (Some(track), Some(steady)) = (self.tracks.get(name), self.steady_since) else {
            return;
        };
        let Some(pool) = track.pool.clone().filter(|it| self.ours(it).is_some()) else { return };
        let Some(ended) = track.ended_at else { return };
        let (max, remedy) = match (track.is_leaving, track.is_busy) {
            (true, _) => (DELETING_MAX, Remedy::Inspect),
            (false, true) => (AFTERLIFE_MAX, Remedy::Inspect),
            (false, false) => (AFTERLIFE_MAX, Remedy::Remove),
        };
        let lived = track.seen_at.duration_since(ended.max(steady));
        if Duration::try_from(lived).is_ok_and(|it| it >= max) {
            let evidence = track.afterlife(ended);
            if self.tell(name, FindingKind::OutlivedJob) {
                self.find((FindingKind::OutlivedJob, remedy), (&pool, Some(name)), evidence, now);
            }
        }
    }

    /// A runner is gone.
    fn lose(&mut self, name: &RunnerName) {
        let Some(track) = self.tracks.remove(name) else { return };
        self.names.remove(&track.id);
        let is_ours = track.pool.as_ref().is_some_and(|it| self.ours(it).is_some());
        self.watched.jobs += u64::from(is_ours && !track.jobs.is_empty());
        if let Some((provider, vm)) = track.vm {
            self.vms.leave(&provider, &vm);
        }
    }

    /// Whether this is still to be told of the runner; it is told then.
    fn tell(&mut self, name: &RunnerName, kind: FindingKind) -> bool {
        self.tracks.get_mut(name).is_some_and(|it| it.told.insert(kind))
    }

    /// Keeps a finding about a pool of ours.
    fn find(
        &mut self,
        (kind, remedy): (FindingKind, Remedy),
        (pool, runner): (&PoolId, Option<&RunnerName>),
        evidence: String,
        at: Timestamp,
    ) {
        let Some(name) = self.ours(pool).cloned() else { return };
        *self.watched.findings.entry(kind).or_default() += 1;
        let (pool_id, runner) = (pool.clone(), runner.cloned());
        self.found.push(IsolationFinding {
            kind,
            pool: name,
            pool_id,
            runner,
            evidence,
            remedy,
            at,
        });
    }
}

#[cfg(test)]
mod tests;
