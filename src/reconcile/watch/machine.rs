//! The state of the loop, and what each thing that comes in does to it. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::clock::GarmClock;
use super::command::{LoopSettings, RunMode, WatchCommand, Writes};
use super::input::{Effect, Health, Input, KnownState, RateLimitRead, ReadScope};
use super::managed_pools::{DeclaredPools, ResolvedPools};
use super::observer::{EventStream, Incident, Observer};
use super::pool_controller::PoolController;
use super::release::LevelRelease;
use super::resync_schedule::{ResyncSchedule, is_final_at_start};
use super::write_freeze::WriteFreeze;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, PoolName, RunnerName};
use crate::domain::pool::PoolDetail;
use crate::garm::events::StreamSignal;
use crate::garm::{ErrorKind, GarmError, TransportError};
use crate::host::clock::Clock;
use crate::monitor::IsolationAuditor;
use crate::scaling::{FleetIndex, ScalingState};

/// How long `--once` stays for the pulses that it raised.
const ONCE_MAX: Duration = Duration::from_mins(1);

/// How long a stop may take. A service is given ten seconds, and has the audit file to close.
const STOP_MAX: Duration = Duration::from_secs(6);

/// How often the loop says that it turns.
const BEAT: Duration = Duration::from_secs(10);

/// How long `--release` tries.
const RELEASE_MAX: Duration = Duration::from_secs(30);

/// How long `--once` and `--release` wait for a GARM that does not answer: a restart of GARM takes
/// a few seconds, and cron must not pile up runs that wait for ever.
const ABSENT_MAX: Duration = Duration::from_secs(30);

/// The loop, but for its I/O.
pub(super) struct ScalingLoop<'a> {
    pub(super) settings: LoopSettings,
    pub(super) roll: DeclaredPools,
    pub(super) audience: &'a dyn Observer,
    /// This machine's clock, to tell how far it is from GARM's.
    pub(super) ours: Clock,
    pub(super) reads: ResyncSchedule,
    pub(super) ice: WriteFreeze,
    pub(super) phase: LoopPhase,
    /// When waiting for the first full read ends; absent: never.
    pub(super) absent_until: Option<Instant>,
    pub(super) stream: EventStream,
    /// Set with the first full read, as the next three.
    pub(super) clock: Option<GarmClock>,
    pub(super) picture: Option<FleetIndex>,
    pub(super) health: Option<Health>,
    pub(super) read_at: Timestamp,
    pub(super) is_skewed: bool,
    pub(super) memory: ScalingState,
    pub(super) found: ResolvedPools,
    pub(super) names: HashMap<PoolId, (PoolName, EntityKey)>,
    pub(super) hands: BTreeMap<PoolId, PoolController>,
    /// Levels to be lowered of pools that are not in `hands` any more.
    pub(super) releases: BTreeMap<PoolId, LevelRelease>,
    /// When each entity's next turn is due.
    pub(super) due: BTreeMap<EntityKey, Timestamp>,
    /// Entities in which something has changed.
    pub(super) touched: BTreeSet<EntityKey>,
    /// For each pool whose runners are being read: those that were known before.
    pub(super) looks: HashMap<PoolId, HashSet<String>>,
    /// Pools whose runners are to be read whatever their level.
    pub(super) look_at: BTreeSet<PoolId>,
    /// Histories that were asked for; those under way.
    pub(super) asked: HashSet<RunnerName>,
    pub(super) asking: usize,
    pub(super) writing: usize,
    pub(super) auditor: IsolationAuditor,
    pub(super) beat_at: Instant,
    /// A turn was taken, and nobody knows.
    pub(super) is_untold: bool,
    /// The pools of which was told that GARM does not follow their level.
    pub(super) stalled: BTreeMap<PoolId, PoolName>,
}

/// What the loop is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LoopPhase {
    /// Nothing has been read yet.
    Starting,
    /// For good.
    Running,
    /// `--once`: until then.
    Settling(Instant),
    /// `--release`: until then.
    Releasing(Instant),
    /// Pulses end, until then.
    Stopping(Instant),
    /// Done, or not even begun.
    Over(Result<(), GarmError>),
}

impl<'a> ScalingLoop<'a> {
    pub(super) fn new(
        settings: LoopSettings,
        roll: DeclaredPools,
        ours: Clock,
        audience: &'a dyn Observer,
        now: Instant,
    ) -> Self {
        let auditor = IsolationAuditor::new(roll.fleet.clone(), settings.resync);
        let absent_until = (settings.course != RunMode::Steady).then(|| now + ABSENT_MAX);
        Self {
            auditor,
            beat_at: now,
            is_untold: false,
            stalled: BTreeMap::new(),
            reads: ResyncSchedule::new(settings.resync, now),
            settings,
            roll,
            audience,
            ours,
            ice: WriteFreeze::new(),
            phase: LoopPhase::Starting,
            absent_until,
            stream: EventStream::Down,
            clock: None,
            picture: None,
            health: None,
            read_at: Timestamp::UNIX_EPOCH,
            is_skewed: false,
            memory: ScalingState::new(),
            found: ResolvedPools::default(),
            names: HashMap::new(),
            hands: BTreeMap::new(),
            releases: BTreeMap::new(),
            due: BTreeMap::new(),
            touched: BTreeSet::new(),
            looks: HashMap::new(),
            look_at: BTreeSet::new(),
            asked: HashSet::new(),
            asking: 0,
            writing: 0,
        }
    }

    /// Takes one thing in at `now`; says what is to be done.
    pub(super) fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Tick => {}
            Input::Signal(signal) => self.hear(signal, now),
            Input::Order(order) => self.obey(order, now),
            Input::Fleet(Ok(reading)) => self.fleet_read(*reading, now),
            Input::Fleet(Err(error)) => self.fleet_unread(error, now),
            Input::Runners(pool, result) => self.runners_read(&pool, result, now),
            Input::History(runner, result) => self.history_read(runner, result, now),
            Input::Written(write, result) => self.written(write, result, now),
        }
        if now >= self.beat_at {
            self.beat_at = now + BEAT;
            self.audience.beat();
        }
        self.turn(now);
        self.forget_releases();
        self.end_phase(now);
        self.effects(now)
    }

    fn hear(&mut self, signal: StreamSignal, now: Instant) {
        match signal {
            StreamSignal::Connected => {
                self.stream = EventStream::Up;
                self.audience.trouble(&Incident::StreamUp);
                self.reads.want(now);
            }
            StreamSignal::Lost(why) => {
                self.stream = EventStream::Down;
                self.audience.trouble(&Incident::StreamLost(why));
            }
            StreamSignal::Overflow => {
                self.audience.trouble(&Incident::Overflow);
                self.reads.want(now);
            }
            StreamSignal::Changes(changes) => {
                for change in changes {
                    self.take(change, now);
                }
            }
        }
    }

    fn obey(&mut self, order: WatchCommand, now: Instant) {
        match order {
            WatchCommand::ReadNow => self.reads.want_now(now),
            WatchCommand::Reload(roll) => {
                self.roll = roll;
                self.find(now);
            }
            WatchCommand::Hold(hold, why) => drop(self.ice.held.insert(hold, why)),
            WatchCommand::Go(hold) => drop(self.ice.held.remove(&hold)),
            WatchCommand::Stop => self.stop(now),
        }
    }

    fn stop(&mut self, now: Instant) {
        self.releases.values_mut().for_each(|it| it.hurry(now));
        let is_idle = !self.is_writing();
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

    /// The first read has succeeded.
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
        let again_in = self.reads.fail(error.clone(), now);
        let failures = self.reads.failures();
        self.audience.trouble(&Incident::ReadFailed { error, failures, again_in });
    }

    /// Moves on when what the phase is about has been done, or its time is up.
    fn end_phase(&mut self, now: Instant) {
        let is_withheld = !self.is_writing();
        let is_settled = |it: &PoolController| it.is_at_rest() && it.exits.is_empty();
        let has_let_go = self.releases.is_empty();
        let is_released =
            |it: &PoolController| it.is_free() && it.live() <= it.decision.rules.floor;
        let next = match &self.phase {
            LoopPhase::Settling(_) | LoopPhase::Releasing(_) if is_withheld => {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Settling(_)
                if has_let_go && self.hands.values().all(is_settled) && !self.is_pending(now) =>
            {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Settling(until) if now >= *until => LoopPhase::Stopping(now + STOP_MAX),
            LoopPhase::Releasing(_) if has_let_go && self.hands.values().all(is_released) => {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Releasing(until) if now >= *until => LoopPhase::Over(Ok(())),
            LoopPhase::Stopping(_)
                if has_let_go && self.hands.values().all(PoolController::is_at_rest) =>
            {
                LoopPhase::Over(Ok(()))
            }
            LoopPhase::Stopping(until) if now >= *until => LoopPhase::Over(Ok(())),
            LoopPhase::Starting if self.absent_until.is_some_and(|it| now >= it) => {
                LoopPhase::Over(Err(self.reads.fault().cloned().unwrap_or_else(no_answer)))
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

    /// Whether something is still to be written.
    fn is_pending(&self, now: Instant) -> bool {
        let Some(aim) = self.aim() else { return false };
        self.hands.values().any(|it| it.next(aim, self.gate(it, now), now).is_some())
    }

    /// Whether anything is ever written.
    pub(super) fn is_writing(&self) -> bool {
        self.settings.writes == Writes::Sent
    }

    /// What a full read of this scope need not read again.
    pub(super) fn known(&self, scope: ReadScope) -> KnownState {
        match (scope, &self.health) {
            (ReadScope::Lists, Some(health)) => KnownState::Health(health.clone()),
            (ReadScope::Lists, None) | (ReadScope::Health, _) => {
                let pools = self.picture.iter().flat_map(|it| it.pools().values());
                let whole = pools.filter(|it| it.detail == PoolDetail::Whole);
                let known = whole.map(|it| (it.id.clone(), it.specs_version())).collect();
                let is_slow = self.hands.values().any(|it| it.healing.is_answered());
                KnownState::Specs(
                    known,
                    if is_slow { RateLimitRead::Wanted } else { RateLimitRead::Unwanted },
                )
            }
        }
    }

    /// How it ended, once it has.
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

    /// The pools whose level is left above the one that it rests at; none where nothing was
    /// written, because whatever raised them was not this process.
    pub(super) fn left_raised(&self) -> Vec<PoolName> {
        if !self.is_writing() {
            return Vec::new();
        }
        let raised = self.hands.values().filter(|it| it.live() > it.decision.resting_level);
        raised.map(|it| &it.target.name).chain(self.unreleased()).cloned().collect()
    }
}

/// The first full read has not even failed.
fn no_answer() -> GarmError {
    let fault = TransportError::Timeout(ABSENT_MAX);
    GarmError {
        tried: "read GARM".into(),
        got: fault.to_string(),
        kind: ErrorKind::Transport(fault),
        help: Some("look whether GARM is overloaded; its log says what it does".into()),
    }
}
