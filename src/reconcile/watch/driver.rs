//! The driver: waits, reads and writes, and passes every result to the state machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::command::{LoopSettings, WatchCommand};
use super::group_seat::GroupSeat;
use super::input::{Answered, Effect, Input, PoolReading, PoolWrite, ReadRequest};
use super::machine::ScalingLoop;
use super::managed_pools::DeclaredPools;
use super::observer::{Observer, WriteAction};
use crate::domain::name::{FleetName, PoolId, PoolKind, PoolName};
use crate::domain::runner::Runner;
use crate::domain::text;
use crate::garm::events::{Feed, StreamSignal};
use crate::garm::{GarmClient, GarmError};
use crate::host::clock::Clock;
use crate::reconcile::preconditions::Precondition;
use crate::reconcile::read_fleet::resync::full_read;
use crate::reconcile::write_outcome::WriteError;
use crate::reconcile::writer::{LevelOrder, ResendLabels, Writer};
use crate::scaling::{GroupView, LimitClaim, Reason};

/// The clients and channels through which the loop reaches the outside.
pub struct LoopIo<'a> {
    /// The client used for reading.
    pub client: Arc<GarmClient>,
    /// The writer used for all writes.
    pub writer: &'a Writer,
    /// The feed of GARM's events.
    pub feed: Feed,
    /// Commands that arrive while the loop runs.
    pub orders: mpsc::Receiver<WatchCommand>,
    /// Receives everything that the loop reports.
    pub observer: &'a dyn Observer,
    /// The clock of this machine.
    pub clock: Clock,
    /// What other GARMs tell of groups with pools in several; absent if there is only one.
    pub groups: Option<GroupSeat>,
}

/// The result of a loop that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchEnd {
    /// The pools whose level could not be lowered in time: GARM keeps creating runners up to it.
    pub left_raised: Vec<PoolName>,
}

/// Runs the loop until it receives a stop command or has done what its settings ask for.
///
/// Waits for a GARM that cannot be reached, with `--once` and `--release` for at most half a
/// minute. Returns an error only before the first full read, when that time is up or when waiting
/// does not help: a wrong password, a refused CA or client certificate, or a GARM that was never
/// set up.
pub async fn watch(
    doors: LoopIo<'_>,
    settings: LoopSettings,
    declared: DeclaredPools,
) -> Result<WatchEnd, GarmError> {
    let LoopIo { client, writer, mut feed, mut orders, observer, clock, mut groups } = doors;
    let fleet = declared.fleet.clone();
    let mut machine = ScalingLoop::new(settings, declared, clock, observer, Instant::now());
    if let Some(seat) = &mut groups {
        machine.groups.join(seat);
    }
    let mut works = FuturesUnordered::new();
    let (mut is_fed, mut is_ordered) = (true, true);
    // A command that was given before the start applies from the start.
    let mut input = orders.try_recv().map_or(Input::Tick, Input::Order);
    loop {
        for effect in machine.handle(input, Instant::now()) {
            match effect {
                Effect::Write(wanted) => works.push(write(writer, &fleet, wanted)),
                Effect::Read(wanted) => works.push(read(&client, wanted, &machine)),
                Effect::Claim(wanted) => {
                    let granted = claimed(groups.as_ref(), wanted, &mut machine);
                    works.extend(granted.map(|granted| write(writer, &fleet, granted)));
                }
                Effect::Report(report) => {
                    if let Some(groups) = &groups {
                        groups.report(report);
                    }
                }
            }
        }
        // Writes are started before observers are notified, which takes longer than the decision in
        // a large fleet. The poll below picks up any wake-up that is missed here.
        let done = works.next().now_or_never().flatten();
        let now = Instant::now();
        machine.tell(now);
        if let Some(end) = machine.ended() {
            return end.map(|()| WatchEnd { left_raised: machine.left_raised() });
        }
        if let Some(done) = done {
            input = done;
            continue;
        }
        let deadline = machine.deadline(now);
        input = tokio::select! {
            order = orders.recv(), if is_ordered => {
                is_ordered = order.is_some();
                order.map_or(Input::Tick, Input::Order)
            }
            signal = feed.next(), if is_fed => {
                is_fed = signal.is_some();
                let gone = || StreamSignal::Lost("the reader has ended".into());
                Input::Signal(signal.unwrap_or_else(gone))
            }
            Some(done) = works.next(), if !works.is_empty() => done,
            view = news(&mut groups) => Input::Groups(view),
            () = sleep_until(deadline) => Input::Tick,
        };
    }
}

/// Waits until other GARMs have told something new.
async fn news(groups: &mut Option<GroupSeat>) -> GroupView {
    match groups {
        Some(groups) => groups.changed().await,
        None => std::future::pending().await,
    }
}

/// The write as far as the group has places for it.
fn claimed(
    groups: Option<&GroupSeat>,
    mut write: PoolWrite,
    machine: &mut ScalingLoop<'_>,
) -> Option<PoolWrite> {
    let WriteAction::Limit { to, group, .. } = &mut write.action else { return Some(write) };
    let claim = LimitClaim { group, pool: &write.target.id, max_runners: *to };
    match groups.and_then(|groups| groups.claim(claim)) {
        Some(granted) => {
            *to = granted;
            machine.granted(&write.target.id, granted);
            Some(write)
        }
        None => {
            machine.refused(&write.target.id, Instant::now());
            None
        }
    }
}

type LoopTask<'a> = Pin<Box<dyn Future<Output = Input> + Send + 'a>>;

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Runs a read in a task of its own, so that decoding a large fleet does not delay events.
fn read<'a>(
    client: &Arc<GarmClient>,
    what: ReadRequest,
    machine: &ScalingLoop<'_>,
) -> LoopTask<'a> {
    let client = Arc::clone(client);
    match what {
        ReadRequest::Fleet(scope) => {
            let (owner, known) = (machine.declared.fleet.clone(), machine.known(scope));
            let task = async move { full_read(&client, &owner, known).await };
            apart(task, |result| Input::Fleet(result.map(Box::new)))
        }
        ReadRequest::Pool(id) => {
            let pool = id.clone();
            let task = async move { read_pool(&client, &pool).await };
            apart(task, move |result| Input::Pool(id, result))
        }
        ReadRequest::History(name) => {
            let runner = name.clone();
            let task = async move { client.runner(&runner).await };
            apart(task, move |result| Input::History(name, result.map(Box::new)))
        }
    }
}

/// Reads the runners of one pool. In a scale set GARM starts runners for assigned jobs, so its row is
/// read, too.
async fn read_pool(client: &GarmClient, id: &PoolId) -> Result<PoolReading, GarmError> {
    let scale_set = match id.kind() {
        PoolKind::Pool => None,
        PoolKind::ScaleSet => Some(Box::new(client.pool(id).await?.0)),
    };
    Ok(PoolReading { scale_set, runners: client.runners_of(id).await? })
}

/// Runs a future as a task that ends with the loop. A panic of the task is propagated.
fn apart<'a, T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
    wrap: impl FnOnce(T) -> Input + Send + 'a,
) -> LoopTask<'a> {
    let task = AbortOnDropHandle::new(tokio::spawn(task.in_current_span()));
    Box::pin(async move {
        match task.await {
            Ok(result) => wrap(result),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The task was cancelled: the runtime is shutting down, and so is this future.
                Err(_) => std::future::pending().await,
            },
        }
    })
}

/// Sends one write through the writer.
fn write<'a>(writer: &'a Writer, fleet: &FleetName, write: PoolWrite) -> LoopTask<'a> {
    let guard = match write.is_scaled {
        true => Precondition::scaled(fleet, &write.target.name),
        false => Precondition::leaving(fleet, &write.target.name),
    };
    Box::pin(async move {
        let result = send(writer, &guard, &write).await;
        Input::Written(write, result)
    })
}

async fn send(
    writer: &Writer,
    guard: &Precondition,
    write: &PoolWrite,
) -> Result<Answered, WriteError> {
    let decision = decision(write);
    let level =
        |level: u32, with: ResendLabels| LevelOrder { level, with, decision: decision.clone() };
    let (runner, still_is): (_, fn(&Runner) -> bool) = match &write.action {
        WriteAction::Raise { to, .. } | WriteAction::Lower { to, .. } => {
            return set_level(writer, guard, write, &level(*to, ResendLabels::Nothing)).await;
        }
        WriteAction::Resend { level: resent } => {
            return set_level(writer, guard, write, &level(*resent, ResendLabels::Labels)).await;
        }
        WriteAction::Rescue { level, .. } => {
            let (outcome, pool) = writer.rescue(&write.target, guard, (*level, &decision)).await?;
            return Ok(Answered { outcome, pool: Some(Box::new(pool)) });
        }
        WriteAction::Limit { to, .. } => {
            let (outcome, pool) = writer.set_limit(&write.target, guard, (*to, &decision)).await?;
            return Ok(Answered { outcome, pool: Some(Box::new(pool)) });
        }
        WriteAction::Retire { runner } | WriteAction::Dismiss { runner } => {
            (runner, Runner::is_idle)
        }
        WriteAction::Clear { runner } => (runner, |runner| !runner.is_busy()),
        WriteAction::Remove { runner, .. } => {
            (runner, |runner| !runner.is_idle() && !runner.is_busy())
        }
    };
    let outcome = writer.dismiss(&write.target, guard, (runner, still_is), &decision).await?;
    Ok(Answered { outcome, pool: None })
}

async fn set_level(
    writer: &Writer,
    guard: &Precondition,
    write: &PoolWrite,
    order: &LevelOrder,
) -> Result<Answered, WriteError> {
    let (outcome, pool) = writer.set_level(&write.target, guard, order).await?;
    Ok(Answered { outcome, pool: Some(Box::new(pool)) })
}

/// The decision that led to the write, for the audit log.
fn decision(write: &PoolWrite) -> String {
    let reason = write.reason.map(Reason::word);
    match &write.action {
        WriteAction::Raise { from, to } | WriteAction::Lower { from, to } => {
            let reason = match write.is_scaled {
                true => reason.unwrap_or("end of all raised levels"),
                false => "no longer scaled",
            };
            format!("{reason}: level {from} to {to}")
        }
        WriteAction::Resend { level } => {
            format!("level {level} sent again: GARM does not follow it")
        }
        WriteAction::Rescue { level, missing } => {
            format!("rescue: GARM has not created {missing} of the runners; level stays {level}")
        }
        WriteAction::Limit { from, to, group } => {
            format!("group {}: max_runners {from} to {to}", text::quote(group.as_str()))
        }
        WriteAction::Retire { .. } => "idle".to_owned(),
        WriteAction::Dismiss { .. } => {
            "suspect: a younger runner took a job that waited beside it".to_owned()
        }
        WriteAction::Remove { .. } => "failed".to_owned(),
        WriteAction::Clear { .. } => "it still exists after its job".to_owned(),
    }
}
