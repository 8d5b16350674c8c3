//! The isolation auditor: one runner, one job, one VM (DESIGN §7; R3, R4).
//!
//! It relies on these properties of GARM's rows (GARM.md §a, §e, §f): an instance names its job
//! while it runs it; a job names its runner from `in_progress` on; both rows are deleted a few
//! seconds after the end of the job; with single-job registration, an instance has its `agent_id`
//! from its first row on.
//!
//! Events may be late, duplicated, out of order or lost, and runnerctl or GARM may have been down.
//! Therefore durations are measured only between two observations, and all measurements restart
//! after an interruption, so that nothing is concluded from missed events.

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

/// How long a runner may exist after its job while GARM is not deleting it. Usually it is gone
/// within 7 s (GARM.md §f).
const AFTERLIFE_MAX: Duration = Duration::from_mins(2);

/// How long GARM may take to delete a runner. GitHub no longer lists the runner, so it cannot get a
/// second job. Some clouds need minutes to destroy a VM, and only GARM can continue the deletion: a
/// shorter limit would report every slow cloud without a remedy.
const DELETING_MAX: Duration = Duration::from_mins(10);

/// The maximum number of jobs of unknown runners that are kept until the next full read.
const STRAYS_MAX: usize = 4_096;

/// The maximum number of providers that are remembered as reported.
const PROVIDERS_MAX: usize = 256;

/// Audits the runners of one fleet's pools, including retired pools.
#[derive(Debug, Clone)]
pub struct IsolationAuditor {
    fleet: FleetName,
    /// If two full reads are further apart than this, all measurements restart.
    break_after: Duration,
    pools: HashMap<PoolId, RunnerPool>,
    /// All existing runners by their names, which are unique in GARM.
    tracks: HashMap<RunnerName, RunnerTrack>,
    names: HashMap<String, RunnerName>,
    /// The runners that were reported as outliving their job, and still exist.
    outlived: BTreeSet<RunnerName>,
    /// Jobs of runners whose rows have not arrived yet.
    strays: Vec<(RunnerName, Job)>,
    vms: VmHistory,
    floors: BelowMinTracker,
    unknown_providers: BTreeSet<String>,
    read_at: Option<Timestamp>,
    /// Since when full reads have succeeded without interruption.
    steady_since: Option<Timestamp>,
    readings: u64,
    watched: IsolationSummary,
    found: Vec<IsolationFinding>,
}

/// The pool of a runner.
#[derive(Debug, Clone)]
struct RunnerPool {
    provider: String,
    /// Its name in this fleet; `None` if the pool does not belong to it.
    name: Option<PoolName>,
}

impl IsolationAuditor {
    /// Audits the pools with the mark of `fleet`. A full read is expected every `resync`, or
    /// as [`Self::expect_within`] says; after twice that time without one, all measurements restart.
    pub fn new(fleet: FleetName, resync: Duration) -> Self {
        Self {
            fleet,
            break_after: resync.saturating_mul(2),
            pools: HashMap::new(),
            tracks: HashMap::new(),
            names: HashMap::new(),
            outlived: BTreeSet::new(),
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

    /// Sets the time within which the next full read is expected.
    pub fn expect_within(&mut self, break_after: Duration) {
        self.break_after = break_after;
    }

    /// Processes a full read of the fleet at `now`. Returns the new findings.
    pub fn read(&mut self, fleet: &Fleet, now: Timestamp) -> Vec<IsolationFinding> {
        self.begin_reading(now);
        self.pools = fleet.pools.iter().map(|pool| (pool.id.clone(), self.home(pool))).collect();
        for runner in &fleet.runners {
            self.see_runner(runner, now, now);
        }
        let readings = self.readings;
        let gone = self.tracks.iter().filter(|track| track.1.reading < readings);
        for name in gone.map(|entry| entry.0.clone()).collect::<Vec<_>>() {
            self.lose(&name);
        }
        for job in &fleet.jobs {
            self.see_job(job, now);
        }
        let ended = self.tracks.iter().filter(|track| track.1.ended_at.is_some());
        for name in ended.map(|entry| entry.0.clone()).collect::<Vec<_>>() {
            self.judge_afterlife(&name, now);
        }
        std::mem::take(&mut self.found)
    }

    /// Processes a change of one row that was not observed before. Returns the new findings.
    pub fn changed(&mut self, change: &RowChange, now: Timestamp) -> Vec<IsolationFinding> {
        match change {
            RowChange::Runner(runner) => {
                // The row shows the state when it was written, not when its event arrived.
                self.see_runner(runner, runner.updated_at.min(now), now);
                self.judge_afterlife(&runner.name, now);
            }
            RowChange::RunnerGone(id) => {
                if let Some(name) = self.names.get(id).cloned() {
                    self.lose(&name);
                }
            }
            RowChange::Job(job) => self.see_job(job, now),
            // GARM deletes a job's row together with that of its runner, so this event adds no
            // information.
            RowChange::JobGone(_) => {}
            RowChange::Pool(pool) => {
                let home = self.home(pool);
                self.pools.insert(pool.id.clone(), home);
            }
            RowChange::PoolGone(id) => drop(self.pools.remove(id)),
        }
        std::mem::take(&mut self.found)
    }

    /// Checks the pools at `now`, after each pass of the loop. `open` contains the pools with an
    /// open circuit breaker. Returns the new findings.
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

    /// The runners to remove now: each has outlived its job, is not busy, and is not being deleted
    /// by GARM. A runner is returned until it is gone, so that a failed removal is repeated.
    pub fn to_remove(&self) -> Vec<(PoolId, RunnerName)> {
        let removable = |name: &RunnerName| {
            let track = self.tracks.get(name).filter(|track| track.is_removable())?;
            let pool = track.pool.as_ref().filter(|pool| self.ours(pool).is_some())?;
            Some((pool.clone(), name.clone()))
        };
        self.outlived.iter().filter_map(removable).collect()
    }

    pub fn watched(&self) -> &IsolationSummary {
        &self.watched
    }

    fn begin_reading(&mut self, now: Timestamp) {
        let is_steady = self.read_at.is_some_and(|read_at| {
            now >= read_at && now.duration_since(read_at).unsigned_abs() <= self.break_after
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
        let ours = marks.iter().filter(|mark| mark.fleet() == self.fleet.as_str());
        let name = ours.map(OwnerMark::pool).find_map(|pool| PoolName::new(pool).ok());
        RunnerPool { provider: pool.spec.provider.clone(), name }
    }

    fn ours(&self, pool: &PoolId) -> Option<&PoolName> {
        self.pools.get(pool)?.name.as_ref()
    }

    /// Records a runner whose row shows its state at `seen_at`.
    fn see_runner(&mut self, runner: &Runner, seen_at: Timestamp, now: Timestamp) {
        let known = self.tracks.get(&runner.name);
        if known.is_some_and(|track| track.id != runner.id) {
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

    /// Processes the jobs whose events arrived before those of their runner.
    fn meet_strays(&mut self, name: &RunnerName, now: Timestamp) {
        let (mine, others) =
            std::mem::take(&mut self.strays).into_iter().partition(|stray| stray.0 == *name);
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
        let is_same = track.vm.as_ref().is_some_and(|known| known.0 == provider && known.1 == *vm);
        if is_same {
            return;
        }
        if let Some((provider, vm)) = track.vm.replace((provider.clone(), vm.clone())) {
            self.vms.leave(&provider, &vm);
        }
        let holder =
            VmRunner { id: runner.id.clone(), name: runner.name.clone(), pool: pool.clone() };
        let Some(before) = self.vms.see(&provider, vm, &holder) else { return };
        // At least one of the two must belong to this fleet. The finding is about the newer one, if
        // it does.
        let (pool, name) = match self.ours(pool) {
            Some(_) => (pool, &runner.name),
            None => (&before.pool, &before.name),
        };
        let evidence = format!(
            "VM {} of provider {} runs runner {} and ran runner {} before",
            code(vm),
            code(&provider),
            code(runner.name.as_str()),
            code(before.name.as_str()),
        );
        self.find((FindingKind::VmReused, Remedy::Inspect), (pool, Some(name)), evidence, now);
    }

    /// The provider of a runner. GARM leaves it empty if the instance is embedded in its pool.
    fn provider<'a>(&'a self, runner: &'a Runner) -> &'a str {
        let pool = runner.pool.as_ref().and_then(|pool| self.pools.get(pool));
        match pool.filter(|_| runner.provider.is_empty()) {
            Some(pool) => &pool.provider,
            None => &runner.provider,
        }
    }

    fn see_access(&mut self, runner: &Runner, now: Timestamp) {
        let Some(pool) = runner.pool.as_ref().filter(|pool| self.ours(pool).is_some()) else {
            return;
        };
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

    /// Records a job. The runner in its row is reliable only from `in_progress` on.
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

    /// Reports the runner if it has existed for too long after its job.
    fn judge_afterlife(&mut self, name: &RunnerName, now: Timestamp) {
        let (Some(track), Some(steady)) = (self.tracks.get(name), self.steady_since) else {
            return;
        };
        let pool = track.pool.clone().filter(|pool| self.ours(pool).is_some());
        let (Some(pool), Some(ended)) = (pool, track.ended_at) else { return };
        let (max, remedy) = match (track.is_leaving, track.is_busy) {
            (true, _) => (DELETING_MAX, Remedy::Inspect),
            (false, true) => (AFTERLIFE_MAX, Remedy::Inspect),
            (false, false) => (AFTERLIFE_MAX, Remedy::Remove),
        };
        let lived = track.seen_at.duration_since(ended.max(steady));
        if Duration::try_from(lived).is_ok_and(|lived| lived >= max) {
            let evidence = track.afterlife(ended);
            if self.outlived.insert(name.clone()) {
                self.find((FindingKind::OutlivedJob, remedy), (&pool, Some(name)), evidence, now);
            }
        }
    }

    fn lose(&mut self, name: &RunnerName) {
        let Some(track) = self.tracks.remove(name) else { return };
        self.names.remove(&track.id);
        self.outlived.remove(name);
        let is_ours = track.pool.as_ref().is_some_and(|pool| self.ours(pool).is_some());
        self.watched.jobs += u64::from(is_ours && !track.jobs.is_empty());
        if let Some((provider, vm)) = track.vm {
            self.vms.leave(&provider, &vm);
        }
    }

    /// Whether this finding about the runner is new; marks it as reported.
    fn tell(&mut self, name: &RunnerName, kind: FindingKind) -> bool {
        self.tracks.get_mut(name).is_some_and(|track| track.told.insert(kind))
    }

    /// Keeps a finding if its pool belongs to this fleet.
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
