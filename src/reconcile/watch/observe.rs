//! What the loop learns from full reads, events and polls.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::SignedDuration;
use tokio::time::Instant;

use super::clock::GarmClock;
use super::input::PoolReading;
use super::machine::{LoopPhase, ScalingLoop};
use super::managed_pools::ResolvedPools;
use super::observer::Incident;
use super::pool_controller::{self, PoolController};
use crate::domain::credential::RateLimit;
use crate::domain::fleet::{Fleet, ReleaseLine};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::garm::{ErrorKind, GarmError};
use crate::reconcile::read_fleet::resync::{FullRead, Health, ReadScope};
use crate::reconcile::write_outcome::WriteOutcome;
use crate::scaling::{FleetIndex, RowChange, RunnerTransition};

/// A larger difference between the clocks leads to a warning.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(30);

impl ScalingLoop<'_> {
    /// Handles a successful full read.
    pub(super) fn fleet_read(&mut self, reading: FullRead, now: Instant) {
        let FullRead { mut fleet, scope, limits, date, span, took } = reading;
        let failures = self.schedule.failures();
        let heard = self.schedule.succeed((scope, took), now);
        let date = date.unwrap_or_else(|| self.local_clock.now());
        let clock = self.clock.get_or_insert_with(|| GarmClock::new(date, span.answered));
        clock.hear(date, span);
        let at = clock.now(now);
        let skew = clock.skew(self.local_clock.now(), now);
        fleet.observed_at = at;
        self.read_at = at;
        self.tell_skew(skew);
        if failures > 0 {
            self.observer.trouble(&Incident::ReadAgain { failures });
        }
        if scope == ReadScope::Health {
            self.health_read(&fleet, limits);
        }
        if !self.freeze.stopped.is_empty() {
            self.schedule.want_health(now);
        }
        if self.phase == LoopPhase::Starting
            && fleet.line() == ReleaseLine::Old
            && self.is_writing()
        {
            self.phase = LoopPhase::Over(Err(GarmError::old_line("scale the pools")));
            return;
        }
        if let Some(fleet_index) = &mut self.fleet_index {
            fleet_index.hand_over_specs(&mut fleet.pools);
        }
        if let Some(fleet_index) = &self.fleet_index {
            for transition in fleet_index.transitions(&fleet) {
                self.observer.runner_changed(&transition);
                pool_controller::meet(&mut self.controllers, fleet_index, &transition, now);
            }
        }
        self.observer.read(&fleet, took);
        let findings = self.auditor.read(&fleet, at);
        self.auditor.expect_within(self.schedule.stale_after());
        self.tell_findings(&findings);
        let found = self.declared.find(fleet.pools.iter(), |id| fleet.runners_of(id).count());
        let policies = self.declared.policies(&found);
        match &mut self.fleet_index {
            None => self.fleet_index = Some(FleetIndex::new(fleet, policies)),
            Some(fleet_index) => {
                fleet_index.manage(policies, at);
                fleet_index.read(fleet);
            }
        }
        self.start(now);
        self.found(found, now);
        if matches!(self.phase, LoopPhase::Releasing(_)) {
            self.release_all(now);
        }
        for change in heard {
            self.apply(change, now);
        }
        self.settle(now);
        self.touch_all();
        self.forget_asked();
    }

    /// Notes that a full read shows the outcome of all writes that have ended.
    fn settle(&mut self, now: Instant) {
        self.groups.end_read();
        for controller in self.controllers.values_mut() {
            controller.settle(now);
            if let Some(index) = self.fleet_index.as_mut().filter(|_| !controller.is_writing()) {
                index.raising(&controller.target.id, None);
            }
        }
    }

    /// Handles the answer to a write of `max_runners`. If nothing was written, the pool has more
    /// runners than were known.
    pub(super) fn limit_answered(&mut self, id: &PoolId, outcome: WriteOutcome) {
        self.note_raising(id, None);
        if outcome == WriteOutcome::AlreadyDone {
            self.poll_now.insert(id.clone());
        }
    }

    /// Notes that this `max_runners` is being written to a pool, or that it has been answered.
    pub(super) fn note_raising(&mut self, id: &PoolId, max_runners: Option<u32>) {
        self.groups.throttle.want();
        if let Some(index) = &mut self.fleet_index {
            index.raising(id, max_runners);
        }
    }

    fn health_read(&mut self, fleet: &Fleet, limits: BTreeMap<String, RateLimit>) {
        self.freeze.hear(&fleet.entities, self.observer);
        self.health = Some(Health {
            controller: fleet.controller.clone(),
            entities: fleet.entities.clone(),
            kinds: fleet.entity_kinds.clone(),
            limits,
        });
    }

    fn tell_skew(&mut self, skew: SignedDuration) {
        let is_skewed = skew.abs() > SKEW_MAX;
        if is_skewed != self.is_skewed {
            self.is_skewed = is_skewed;
            let incident = if is_skewed { Incident::Skewed(skew) } else { Incident::InStep };
            self.observer.trouble(&incident);
        }
    }

    /// Forgets the requested histories of runners that no longer exist.
    fn forget_asked(&mut self) {
        if let Some(fleet_index) = self.fleet_index.as_ref().filter(|_| !self.asked.is_empty()) {
            let names: HashSet<&RunnerName> =
                fleet_index.runners().map(|runner| &runner.name).collect();
            self.asked.retain(|name| names.contains(name));
        }
    }

    pub(super) fn touch_all(&mut self) {
        if let Some(fleet_index) = &self.fleet_index {
            self.touched.extend(fleet_index.entities().keys().cloned());
        }
    }

    /// Resolves the declared pools again among the known ones.
    pub(super) fn find(&mut self, now: Instant) {
        self.is_find_due = false;
        let (Some(fleet_index), Some(clock)) = (&mut self.fleet_index, &self.clock) else { return };
        let runners = |id: &PoolId| {
            fleet_index.runners().filter(|runner| runner.pool.as_ref() == Some(id)).count()
        };
        let found = self.declared.find(fleet_index.pools().values(), runners);
        fleet_index.manage(self.declared.policies(&found), clock.now(now));
        self.found(found, now);
        self.touch_all();
    }

    /// Takes over newly resolved pools, and reports what has changed.
    fn found(&mut self, found: ResolvedPools, now: Instant) {
        for (pool, why) in &found.unmanaged {
            if self.found.unmanaged.get(pool) != Some(why) {
                let (pool, why) = (pool.clone(), why.clone());
                self.observer.trouble(&Incident::Unmanaged { pool, why });
            }
        }
        for pool in found.managed.keys() {
            if self.found.unmanaged.contains_key(pool) {
                self.observer.trouble(&Incident::Managed(pool.clone()));
            }
        }
        let name = |(name, managed): (&_, &super::managed_pools::ManagedPool)| {
            (managed.id.clone(), (Clone::clone(name), managed.entity.clone()))
        };
        let names: HashMap<PoolId, _> = found.managed.iter().map(name).collect();
        let is_named = |id: &_, controller: &PoolController| {
            names.get(id).is_some_and(|at| at.0 == controller.target.name)
        };
        self.let_go_unless(is_named, now);
        self.names = names;
        self.found = found;
        // The observer needs the names of new pools for the events about them.
        self.throttle.hurry();
    }

    /// Applies one changed row, from an event or a poll.
    pub(super) fn take(&mut self, change: RowChange, now: Instant) {
        self.schedule.hear(&change);
        self.apply(change, now);
    }

    fn apply(&mut self, mut change: RowChange, now: Instant) {
        self.observer.heard(&change);
        if self.fleet_index.as_ref().is_some_and(|index| !index.complete(&mut change)) {
            self.schedule.want(now);
            return;
        }
        let (Some(fleet_index), Some(clock)) = (&mut self.fleet_index, &self.clock) else { return };
        let at = clock.now(now);
        let moves_marks = match &change {
            RowChange::Pool(pool) => {
                let known = fleet_index.pools().get(&pool.id);
                known.is_none_or(|before| {
                    before.marks() != pool.marks() || before.spec.enabled != pool.spec.enabled
                })
            }
            RowChange::PoolGone(id) => fleet_index.pools().contains_key(id),
            RowChange::Runner(_)
            | RowChange::RunnerGone(_)
            | RowChange::Job(_)
            | RowChange::JobGone(_) => false,
        };
        let was_known = is_known(fleet_index, &change);
        let before = fleet_index.runner_of(&change).cloned();
        let told = change.clone();
        let touched = fleet_index.apply(change, at);
        let is_news = !touched.is_empty() || (!was_known && is_known(fleet_index, &told));
        if is_news {
            let (before, after) = (before.as_ref(), fleet_index.runner_of(&told));
            if before.is_some() || after.is_some() {
                let transition = RunnerTransition { before, after };
                self.observer.runner_changed(&transition);
                pool_controller::meet(&mut self.controllers, fleet_index, &transition, now);
            }
            self.observer.changed(&told, at);
            let findings = self.auditor.changed(&told, at);
            findings.iter().for_each(|finding| self.observer.found(finding));
        }
        self.touched.extend(touched);
        self.is_find_due |= moves_marks && is_news;
    }

    /// Handles a read of one pool. Only runners that were known before the read and are missing from
    /// it are gone: others may have been added meanwhile.
    pub(super) fn pool_read(
        &mut self,
        pool: &PoolId,
        result: Result<PoolReading, GarmError>,
        now: Instant,
    ) {
        let known = self.polls.remove(pool).unwrap_or_default();
        if let Some(controller) = self.controllers.get_mut(pool) {
            controller.lease.polled(&result, now);
        }
        match result {
            Ok(PoolReading { scale_set, runners }) => {
                if let Some(row) = scale_set.filter(|row| self.is_news(row)) {
                    self.take(RowChange::Pool(*row), now);
                }
                let there: HashSet<&String> = runners.iter().map(|runner| &runner.id).collect();
                for id in known.iter().filter(|id| !there.contains(id)) {
                    self.take(RowChange::RunnerGone(id.clone()), now);
                }
                for runner in runners {
                    let seen = self.fleet_index.as_ref().and_then(|index| index.runner(&runner.id));
                    if seen.is_none_or(|known| known.updated_at < runner.updated_at) {
                        self.take(RowChange::Runner(runner), now);
                    }
                }
            }
            Err(error) if error.kind == ErrorKind::NotFound => self.schedule.want(now),
            // The lease counts the failures, and the next full read reports them.
            Err(_) => {}
        }
    }

    /// Whether the row of a scale set may say more than the known one.
    fn is_news(&self, row: &Pool) -> bool {
        let known = self.fleet_index.as_ref().and_then(|index| index.pools().get(&row.id));
        known.is_none_or(|known| {
            known.updated_at < row.updated_at || known.scale_set != row.scale_set
        })
    }

    /// Handles a read of one runner's history.
    pub(super) fn history_read(
        &mut self,
        runner: RunnerName,
        result: Result<Box<Runner>, GarmError>,
        now: Instant,
    ) {
        self.asking = self.asking.saturating_sub(1);
        match result {
            Ok(row) => self.take(RowChange::Runner(*row), now),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => self.observer.trouble(&Incident::HistoryUnread { runner, error }),
        }
    }
}

/// Whether the index holds exactly what the change says.
fn is_known(fleet_index: &FleetIndex, change: &RowChange) -> bool {
    match change {
        RowChange::Runner(row) => fleet_index.runner(&row.id) == Some(row),
        RowChange::RunnerGone(id) => fleet_index.runner(id).is_none(),
        RowChange::Job(row) => fleet_index.job(row.id) == Some(row),
        RowChange::JobGone(id) => fleet_index.job(*id).is_none(),
        RowChange::Pool(row) => fleet_index.pools().get(&row.id) == Some(row),
        RowChange::PoolGone(id) => !fleet_index.pools().contains_key(id),
    }
}
