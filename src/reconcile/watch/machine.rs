//! The state of the loop and its transitions. Performs no I/O and reads no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::clock::GarmClock;
use super::command::{HoldReason, LoopSettings, RunMode, WatchCommand, Writes};
use super::group_exchange::GroupExchange;
use super::input::{Effect, Input};
use super::level_release::LevelRelease;
use super::managed_pools::{DeclaredPools, ResolvedPools};
use super::observer::{Incident, Observer, StreamStatus};
use super::pool_controller::PoolController;
use super::report_throttle::ReportThrottle;
use super::resync_schedule::{ResyncSchedule, is_final_at_start, no_answer};
use super::write_freeze::WriteFreeze;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, PoolName, RunnerName};
use crate::domain::pool::PoolDetail;
use crate::garm::GarmError;
use crate::garm::events::StreamSignal;
use crate::host::clock::Clock;
use crate::monitor::IsolationAuditor;
use crate::reconcile::read_fleet::resync::{Health, KnownState, RateLimitRead, ReadScope};
use crate::scaling::{FleetIndex, ScalingState};

/// How long `--once` waits for the levels that it raised to be lowered.
const ONCE_MAX: Duration = Duration::from_mins(1);

/// How long a stop may take. A service is given ten seconds, and must also close the audit file.
const STOP_MAX: Duration = Duration::from_secs(6);

/// How often the loop reports that it is alive.
const BEAT: Duration = Duration::from_secs(10);

/// How long `--release` keeps trying.
const RELEASE_MAX: Duration = Duration::from_secs(30);

/// How long `--once` and `--release` wait for a GARM that does not answer. A restart of GARM takes
/// a few seconds, and runs started by cron must not pile up.
const ABSENT_MAX: Duration = Duration::from_secs(30);

/// The state machine of the loop.
pub(super) struct ScalingLoop<'a> {
    pub(super) settings: LoopSettings,
    pub(super) declared: DeclaredPools,
    pub(super) observer: &'a dyn Observer,
    /// This machine's clock, used to measure its distance from GARM's.
    pub(super) local_clock: Clock,
    pub(super) schedule: ResyncSchedule,
    pub(super) freeze: WriteFreeze,
    pub(super) phase: LoopPhase,
    /// When waiting for the first full read ends; absent if it never ends.
    pub(super) absent_until: Option<Instant>,
    pub(super) stream: StreamStatus,
    /// Set by the first full read, like the next three fields.
    pub(super) clock: Option<GarmClock>,
    pub(super) fleet_index: Option<FleetIndex>,
    pub(super) health: Option<Health>,
    pub(super) read_at: Timestamp,
    pub(super) is_skewed: bool,
    pub(super) scaling_state: ScalingState,
    pub(super) found: ResolvedPools,
    pub(super) names: HashMap<PoolId, (PoolName, EntityKey)>,
    pub(super) controllers: BTreeMap<PoolId, PoolController>,
    /// Levels to be lowered of pools that have no controller any more.
    pub(super) releases: BTreeMap<PoolId, LevelRelease>,
    /// When the next evaluation of each entity is due.
    pub(super) due: BTreeMap<EntityKey, Timestamp>,
    /// Marks of pools have changed: the declared pools are to be resolved again.
    pub(super) is_find_due: bool,
    /// Entities in which something has changed.
    pub(super) touched: BTreeSet<EntityKey>,
    /// For each pool whose runners are being read, the runners that were known before.
    pub(super) polls: HashMap<PoolId, HashSet<String>>,
    /// Pools whose runners are to be read whatever their level.
    pub(super) poll_now: BTreeSet<PoolId>,
    /// Runners whose history was requested; `asking` counts the requests in flight.
    pub(super) asked: HashSet<RunnerName>,
    pub(super) asking: usize,
    pub(super) writing: usize,
    pub(super) auditor: IsolationAuditor,
    pub(super) beat_at: Instant,
    /// When the observer is to be notified of the last evaluation.
    pub(super) throttle: ReportThrottle,
    /// The pools that were reported as stalled.
    pub(super) stalled: BTreeMap<PoolId, PoolName>,
    pub(super) groups: GroupExchange,
}

/// The phase of the loop.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LoopPhase {
    /// Nothing has been read yet.
    Starting,
    /// Running until a stop command.
    Running,
    /// `--once`: running until this time at most.
    Settling(Instant),
    /// `--release`: running until this time at most.
    Releasing(Instant),
    /// Lowering raised levels, until this time at most.
    Stopping(Instant),
    /// Ended, successfully or before the first full read.
    Over(Result<(), GarmError>),
}

impl<'a> ScalingLoop<'a> {
    pub(super) fn new(
        settings: LoopSettings,
        declared: DeclaredPools,
        local_clock: Clock,
        observer: &'a dyn Observer,
        now: Instant,
    ) -> Self {
        let auditor = IsolationAuditor::new(declared.fleet.clone(), settings.resync);
        let absent_until = (settings.course != RunMode::Steady).then(|| now + ABSENT_MAX);
        let mut groups = GroupExchange::default();
        groups.declare(&declared);
        Self {
            auditor,
            beat_at: now,
            throttle: ReportThrottle::default(),
            stalled: BTreeMap::new(),
            groups,
            schedule: ResyncSchedule::new(settings.resync, now),
            settings,
            declared,
            observer,
            local_clock,
            freeze: WriteFreeze::new(),
            phase: LoopPhase::Starting,
            absent_until,
            stream: StreamStatus::Down,
            clock: None,
            fleet_index: None,
            health: None,
            read_at: Timestamp::UNIX_EPOCH,
            is_skewed: false,
            scaling_state: ScalingState::new(),
            found: ResolvedPools::default(),
            names: HashMap::new(),
            controllers: BTreeMap::new(),
            releases: BTreeMap::new(),
            due: BTreeMap::new(),
            is_find_due: false,
            touched: BTreeSet::new(),
            polls: HashMap::new(),
            poll_now: BTreeSet::new(),
            asked: HashSet::new(),
            asking: 0,
            writing: 0,
        }
    }

    /// Handles one input at `now`; returns what the driver has to do.
    pub(super) fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Tick => {}
            Input::Signal(signal) => self.hear(signal, now),
            Input::Order(order) => self.obey(order, now),
            Input::Fleet(Ok(reading)) => self.fleet_read(*reading, now),
            Input::Fleet(Err(error)) => self.fleet_unread(error, now),
            Input::Pool(pool, result) => self.pool_read(&pool, result, now),
            Input::History(runner, result) => self.history_read(runner, result, now),
            Input::Written(write, result) => self.written(write, result, now),
            Input::Groups(view) => {
                self.groups.view = Some(view);
                self.groups.is_news = true;
            }
        }
        if now >= self.beat_at {
            self.beat_at = now + BEAT;
            self.observer.beat();
        }
        self.evaluate(now);
        self.forget_releases();
        self.end_phase(now);
        // Before new writes begin: what they claim is not granted yet.
        let report = self.report_groups(now);
        report.into_iter().chain(self.effects(now)).collect()
    }

    fn hear(&mut self, signal: StreamSignal, now: Instant) {
        match signal {
            StreamSignal::Connected => {
                self.stream = StreamStatus::Up;
                self.observer.trouble(&Incident::StreamUp);
                self.schedule.hear_of_stream(true);
                self.schedule.want(now);
            }
            StreamSignal::Lost(why) => {
                self.stream = StreamStatus::Down;
                self.observer.trouble(&Incident::StreamLost(why));
                self.schedule.hear_of_stream(false);
            }
            StreamSignal::Overflow => {
                self.observer.trouble(&Incident::Overflow);
                self.schedule.want(now);
            }
            StreamSignal::Settings => self.schedule.want_settings(now),
            StreamSignal::Changes(changes) => {
                for change in changes {
                    self.take(change, now);
                }
            }
        }
    }

    fn obey(&mut self, order: WatchCommand, now: Instant) {
        match order {
            WatchCommand::ReadNow => self.schedule.want_now(now),
            WatchCommand::Reload(declared) => {
                self.groups.declare(&declared);
                self.declared = declared;
                self.find(now);
            }
            WatchCommand::Hold(hold, why) => {
                if hold == HoldReason::Standby {
                    self.groups.lose();
                }
                self.freeze.held.insert(hold, why);
            }
            WatchCommand::Go(hold) => {
                if self.freeze.held.remove(&hold).is_some() && hold == HoldReason::Standby {
                    self.lead(now);
                }
            }
            WatchCommand::Stop => self.stop(now),
        }
    }

    /// Begins to write: the previous leader may have left levels raised, and has polled their pools
    /// until now.
    fn lead(&mut self, now: Instant) {
        self.controllers.values_mut().for_each(|controller| controller.lease.seen(now));
        self.schedule.want_now(now);
    }

    fn stop(&mut self, now: Instant) {
        self.releases.values_mut().for_each(|release| release.hurry(now));
        let is_idle = !self.is_writing() && self.writing == 0;
        self.phase = match &self.phase {
            LoopPhase::Starting => LoopPhase::Over(Ok(())),
            LoopPhase::Running | LoopPhase::Settling(_) | LoopPhase::Releasing(_) if is_idle => {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Running | LoopPhase::Settling(_) | LoopPhase::Releasing(_) => {
                LoopPhase::Stopping(now + STOP_MAX)
            }
            stopping @ (LoopPhase::Stopping(_) | LoopPhase::Over(_)) => stopping.clone(),
        };
    }

    /// Starts the first phase after the first full read.
    pub(super) fn start(&mut self, now: Instant) {
        if self.phase == LoopPhase::Starting {
            self.phase = match self.settings.course {
                RunMode::Steady => LoopPhase::Running,
                RunMode::Once => LoopPhase::Settling(now + ONCE_MAX),
                RunMode::Release => LoopPhase::Releasing(now + RELEASE_MAX),
            };
        }
    }

    fn fleet_unread(&mut self, error: GarmError, now: Instant) {
        if self.phase == LoopPhase::Starting && is_final_at_start(&error) {
            self.phase = LoopPhase::Over(Err(error));
            return;
        }
        let again_in = self.schedule.fail(error.clone(), now);
        let failures = self.schedule.failures();
        self.observer.trouble(&Incident::ReadFailed { error, failures, again_in });
    }

    /// Moves to the next phase when the present one has done its work or its time is up.
    fn end_phase(&mut self, now: Instant) {
        let is_withheld = !self.is_writing();
        let is_settled = |controller: &PoolController| {
            controller.is_at_rest() && controller.scale_down.is_empty()
        };
        let has_let_go = self.releases.is_empty();
        let is_released = |controller: &PoolController| {
            controller.is_free()
                && controller.live() <= controller.decision.rules.floor
                && controller.is_unlimited(now)
        };
        let next = match &self.phase {
            LoopPhase::Settling(_) | LoopPhase::Releasing(_) | LoopPhase::Stopping(_)
                if is_withheld && self.writing == 0 =>
            {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Settling(_)
                if has_let_go
                    && self.controllers.values().all(is_settled)
                    && !self.is_pending(now) =>
            {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Settling(until) if now >= *until => LoopPhase::Stopping(now + STOP_MAX),
            LoopPhase::Releasing(_) if has_let_go && self.controllers.values().all(is_released) => {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Releasing(until) if now >= *until => LoopPhase::Over(Ok(())),
            LoopPhase::Stopping(_)
                if has_let_go && self.controllers.values().all(PoolController::is_at_rest) =>
            {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Stopping(until) if now >= *until => LoopPhase::Over(Ok(())),
            LoopPhase::Starting if self.absent_until.is_some_and(|until| now >= until) => {
                LoopPhase::Over(Err(self
                    .schedule
                    .fault()
                    .cloned()
                    .unwrap_or_else(|| no_answer(ABSENT_MAX))))
            }
            LoopPhase::Starting
            | LoopPhase::Running
            | LoopPhase::Settling(_)
            | LoopPhase::Releasing(_)
            | LoopPhase::Stopping(_)
            | LoopPhase::Over(_) => return,
        };
        self.phase = next;
    }

    /// Whether a write is still to be sent.
    fn is_pending(&self, now: Instant) -> bool {
        let Some(aim) = self.aim() else { return false };
        self.controllers
            .values()
            .any(|controller| controller.next(aim, self.gate(controller, now), now).is_some())
    }

    /// Whether the loop writes at all.
    pub(super) fn is_writing(&self) -> bool {
        self.writes() == Writes::Sent
    }

    pub(super) fn writes(&self) -> Writes {
        match self.settings.writes {
            Writes::Sent if !self.freeze.is_standby() => Writes::Sent,
            Writes::Sent | Writes::Withheld => Writes::Withheld,
        }
    }

    /// What a full read of this scope need not read again.
    pub(super) fn known(&self, scope: ReadScope) -> KnownState {
        match (scope, &self.health) {
            (ReadScope::Lists, Some(health)) => KnownState::Health(health.clone()),
            (ReadScope::Lists, None) | (ReadScope::Health, _) => {
                let pools = self.fleet_index.iter().flat_map(|index| index.pools().values());
                let whole = pools.filter(|pool| pool.detail == PoolDetail::Whole);
                let known = whole.map(|pool| (pool.id.clone(), pool.specs_version())).collect();
                let is_slow = self
                    .controllers
                    .values()
                    .any(|controller| controller.stale_cache.is_answered());
                KnownState::Specs(
                    known,
                    if is_slow { RateLimitRead::Wanted } else { RateLimitRead::Unwanted },
                )
            }
        }
    }

    /// The result of the loop once it has ended.
    pub(super) fn ended(&self) -> Option<Result<(), GarmError>> {
        match &self.phase {
            LoopPhase::Over(end) => Some(end.clone()),
            LoopPhase::Starting
            | LoopPhase::Running
            | LoopPhase::Settling(_)
            | LoopPhase::Releasing(_)
            | LoopPhase::Stopping(_) => None,
        }
    }

    /// The pools whose level is still above the resting level. Empty if the loop writes nothing,
    /// because then another process raised them.
    pub(super) fn left_raised(&self) -> Vec<PoolName> {
        if !self.is_writing() {
            return Vec::new();
        }
        let raised = self
            .controllers
            .values()
            .filter(|controller| controller.live() > controller.decision.resting_level);
        raised.map(|controller| &controller.target.name).chain(self.unreleased()).cloned().collect()
    }
}
