//! What the loop learns: full reads, events, single looks; and the turns that follow.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::SignedDuration;
use tokio::time::Instant;

use super::clock::GarmClock;
use super::input::{FullRead, Health, ReadScope};
use super::machine::{LoopPhase, ScalingLoop};
use super::managed_pools::ResolvedPools;
use super::observer::Incident;
use super::pool_controller::{self, PoolController};
use crate::domain::credential::RateLimit;
use crate::domain::fleet::{Fleet, ReleaseLine};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::Runner;
use crate::garm::{ErrorKind, GarmError};
use crate::scaling::{FleetIndex, RowChange};

/// Clocks further apart than this are worth a warning.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(30);

impl ScalingLoop<'_> {
    /// The whole fleet was read.
    pub(super) fn fleet_read(&mut self, reading: FullRead, now: Instant) {
        let FullRead { mut fleet, scope, limits, date, span, took } = reading;
        let failures = self.reads.failures();
        let heard = self.reads.succeed(scope, now);
        let date = date.unwrap_or_else(|| self.ours.now());
        let clock = self.clock.get_or_insert_with(|| GarmClock::new(date, span.answered));
        clock.hear(date, span);
        let at = clock.now(now);
        let skew = clock.skew(self.ours.now(), now);
        fleet.observed_at = at;
        self.read_at = at;
        self.tell_skew(skew);
        if failures > 0 {
            self.audience.trouble(&Incident::ReadAgain { failures });
        }
        if scope == ReadScope::Health {
            self.health_read(&fleet, limits);
        }
        if !self.ice.stopped.is_empty() {
            self.reads.want_health(now);
        }
        if self.phase == LoopPhase::Starting
            && fleet.line() == ReleaseLine::Old
            && self.is_writing()
        {
            self.phase = LoopPhase::Over(Err(GarmError::old_line("scale the pools")));
            return;
        }
        if let Some(picture) = &mut self.picture {
            picture.hand_over_specs(&mut fleet.pools);
        }
        self.audience.read(&fleet, took);
        let findings = self.auditor.read(&fleet, at);
        self.tell_findings(&findings);
        if let Some(picture) = &self.picture {
            for runner in &fleet.runners {
                pool_controller::meet(&mut self.hands, picture, runner, now);
            }
        }
        let found = self.roll.find(fleet.pools.iter(), |it| fleet.runners_of(it).count());
        let policies = self.roll.policies(&found);
        match &mut self.picture {
            None => self.picture = Some(FleetIndex::new(fleet, policies)),
            Some(picture) => {
                picture.manage(policies, at);
                picture.read(fleet);
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
        self.hands.values_mut().for_each(|it| it.settle(now));
        self.touch_all();
        self.forget_asked();
    }

    fn health_read(&mut self, fleet: &Fleet, limits: BTreeMap<String, RateLimit>) {
        self.ice.hear(&fleet.entities, self.audience);
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
            self.audience.trouble(&incident);
        }
    }

    /// Names of runners come and go; those that are gone need not be remembered.
    fn forget_asked(&mut self) {
        if let Some(picture) = self.picture.as_ref().filter(|_| !self.asked.is_empty()) {
            let names: HashSet<&RunnerName> = picture.runners().map(|it| &it.name).collect();
            self.asked.retain(|it| names.contains(it));
        }
    }

    pub(super) fn touch_all(&mut self) {
        if let Some(picture) = &self.picture {
            self.touched.extend(picture.sites().keys().cloned());
        }
    }

    /// Finds the declared pools anew among those that are known.
    pub(super) fn find(&mut self, now: Instant) {
        let (Some(picture), Some(clock)) = (&mut self.picture, &self.clock) else { return };
        let runners =
            |id: &PoolId| picture.runners().filter(|it| it.pool.as_ref() == Some(id)).count();
        let found = self.roll.find(picture.pools().values(), runners);
        picture.manage(self.roll.policies(&found), clock.now(now));
        self.found(found, now);
        self.touch_all();
    }

    /// Takes over which pools are steered, and tells what has changed in that.
    fn found(&mut self, found: ResolvedPools, now: Instant) {
        for (pool, why) in &found.unmanaged {
            if self.found.unmanaged.get(pool) != Some(why) {
                let (pool, why) = (pool.clone(), why.clone());
                self.audience.trouble(&Incident::Unmanaged { pool, why });
            }
        }
        for pool in found.managed.keys() {
            if self.found.unmanaged.contains_key(pool) {
                self.audience.trouble(&Incident::Managed(pool.clone()));
            }
        }
        let name = |(name, it): (&_, &super::managed_pools::ManagedPool)| {
            (it.id.clone(), (Clone::clone(name), it.entity.clone()))
        };
        let names: HashMap<PoolId, _> = found.managed.iter().map(name).collect();
        let is_named =
            |id: &_, it: &PoolController| names.get(id).is_some_and(|at| at.0 == it.target.name);
        self.let_go_unless(is_named, now);
        self.names = names;
        self.found = found;
    }

    /// One row has changed, by an event or by a look.
    pub(super) fn take(&mut self, change: RowChange, now: Instant) {
        self.reads.hear(&change);
        self.apply(change, now);
    }

    fn apply(&mut self, change: RowChange, now: Instant) {
        self.audience.heard(&change);
        let (Some(picture), Some(clock)) = (&mut self.picture, &self.clock) else { return };
        let at = clock.now(now);
        if let RowChange::Runner(runner) = &change {
            pool_controller::meet(&mut self.hands, picture, runner, now);
        }
        let moves_marks = match &change {
            RowChange::Pool(pool) => {
                let known = picture.pools().get(&pool.id);
                known.is_none_or(|it| {
                    it.spec.labels != pool.spec.labels || it.spec.enabled != pool.spec.enabled
                })
            }
            RowChange::PoolGone(id) => picture.pools().contains_key(id),
            RowChange::Runner(_)
            | RowChange::RunnerGone(_)
            | RowChange::Job(_)
            | RowChange::JobGone(_) => false,
        };
        let was_known = is_known(picture, &change);
        let told = change.clone();
        let touched = picture.apply(change, at);
        let is_news = !touched.is_empty() || (!was_known && is_known(picture, &told));
        if is_news {
            self.audience.changed(&told, at);
            let findings = self.auditor.changed(&told, at);
            findings.iter().for_each(|it| self.audience.found(it));
        }
        self.touched.extend(touched);
        if moves_marks && is_news {
            self.find(now);
        }
    }

    /// One pool's runners were read. Only those that were known before the read and are not in it
    /// are gone: others may have come meanwhile.
    pub(super) fn runners_read(
        &mut self,
        pool: &PoolId,
        result: Result<Vec<Runner>, GarmError>,
        now: Instant,
    ) {
        let known = self.looks.remove(pool).unwrap_or_default();
        if let Some(hand) = self.hands.get_mut(pool) {
            hand.leash.looked(&result, now);
        }
        match result {
            Ok(runners) => {
                let there: HashSet<&String> = runners.iter().map(|it| &it.id).collect();
                for id in known.iter().filter(|it| !there.contains(it)) {
                    self.take(RowChange::RunnerGone(id.clone()), now);
                }
                for runner in runners {
                    let seen = self.picture.as_ref().and_then(|it| it.runner(&runner.id));
                    if seen.is_none_or(|it| it.updated_at < runner.updated_at) {
                        self.take(RowChange::Runner(runner), now);
                    }
                }
            }
            Err(error) if error.kind == ErrorKind::NotFound => self.reads.want(now),
            // The leash counts failures, and the next full read tells of them.
            Err(_) => {}
        }
    }

    /// One runner's history was read.
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
            Err(error) => self.audience.trouble(&Incident::HistoryUnread { runner, error }),
        }
    }
}

/// Whether the picture holds exactly what the change says.
fn is_known(picture: &FleetIndex, change: &RowChange) -> bool {
    match change {
        RowChange::Runner(it) => picture.runner(&it.id) == Some(it),
        RowChange::RunnerGone(id) => picture.runner(id).is_none(),
        RowChange::Job(it) => picture.job(it.id) == Some(it),
        RowChange::JobGone(id) => picture.job(*id).is_none(),
        RowChange::Pool(it) => picture.pools().get(&it.id) == Some(it),
        RowChange::PoolGone(id) => !picture.pools().contains_key(id),
    }
}
