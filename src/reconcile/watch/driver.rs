//! The driver: waits, reads, writes, and hands what comes of it to the machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::command::{LoopSettings, WatchCommand};
use super::full_read::read_fleet;
use super::input::{Effect, Input, PoolWrite, ReadRequest, What, Written};
use super::machine::ScalingLoop;
use super::managed_pools::DeclaredPools;
use super::observer::Observer;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::runner::Runner;
use crate::garm::events::{Feed, StreamSignal};
use crate::garm::{GarmClient, GarmError};
use crate::host::clock::Clock;
use crate::reconcile::preconditions::Precondition;
use crate::reconcile::write_error::WriteError;
use crate::reconcile::writer::{LevelOrder, ResendLabels, Writer};
use crate::scaling::Reason;

/// What the loop works with.
pub struct LoopIo<'a> {
    /// For reading.
    pub client: Arc<GarmClient>,
    /// For writing.
    pub writer: &'a Writer,
    /// GARM's events.
    pub feed: Feed,
    /// What it is told while it runs.
    pub orders: mpsc::Receiver<WatchCommand>,
    /// Who hears of it.
    pub audience: &'a dyn Observer,
    /// This machine's clock.
    pub clock: Clock,
}

/// How the loop ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchEnd {
    /// The pools whose level could not be lowered in time: GARM goes on building up to it.
    pub left_raised: Vec<PoolName>,
}

/// Runs the loop until it is told to stop, or has done what its settings say.
///
/// Waits for a GARM that is not there, `--once` and `--release` for half a minute. Errors only
/// before the first full read, when that time is over or waiting does not help: a wrong password, a
/// CA or a client certificate that is refused, a GARM that was never set up.
pub async fn watch(
    doors: LoopIo<'_>,
    settings: LoopSettings,
    roll: DeclaredPools,
) -> Result<WatchEnd, GarmError> {
    let LoopIo { client, writer, mut feed, mut orders, audience, clock } = doors;
    let fleet = roll.fleet.clone();
    let mut machine = ScalingLoop::new(settings, roll, clock, audience, Instant::now());
    let mut works = FuturesUnordered::new();
    let (mut is_fed, mut is_ordered) = (true, true);
    // An order that was given before the start holds from the start.
    let mut input = orders.try_recv().map_or(Input::Tick, Input::Order);
    loop {
        for effect in machine.handle(input, Instant::now()) {
            works.push(match effect {
                Effect::Write(it) => write(writer, &fleet, it),
                Effect::Read(it) => read(&client, it, &machine),
            });
        }
        // What is to be written is on its way before anybody is told: in a large fleet that takes
        // longer than the decision. Whatever wakes it finds it in the next look below.
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
                let gone = || StreamSignal::Lost("nobody reads it any more".into());
                Input::Signal(signal.unwrap_or_else(gone))
            }
            Some(done) = works.next(), if !works.is_empty() => done,
            () = sleep_until(deadline) => Input::Tick,
        };
    }
}

type LoopTask<'a> = Pin<Box<dyn Future<Output = Input> + Send + 'a>>;

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A read in a task of its own: decoding a large fleet must not keep events waiting.
fn read<'a>(
    client: &Arc<GarmClient>,
    what: ReadRequest,
    machine: &ScalingLoop<'_>,
) -> LoopTask<'a> {
    let client = Arc::clone(client);
    match what {
        ReadRequest::Fleet(scope) => {
            let (owner, known) = (machine.roll.fleet.clone(), machine.known(scope));
            let task = async move { read_fleet(&client, &owner, known).await };
            apart(task, |it| Input::Fleet(it.map(Box::new)))
        }
        ReadRequest::Runners(id) => {
            let pool = id.clone();
            let task = async move { client.runners_of(&pool).await };
            apart(task, move |it| Input::Runners(id, it))
        }
        ReadRequest::History(name) => {
            let runner = name.clone();
            let task = async move { client.runner(&runner).await };
            apart(task, move |it| Input::History(name, it.map(Box::new)))
        }
    }
}

/// Runs it as a task that ends with the loop. Its panic is the loop's.
fn apart<'a, T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
    wrap: impl FnOnce(T) -> Input + Send + 'a,
) -> LoopTask<'a> {
    let task = AbortOnDropHandle::new(tokio::spawn(task));
    Box::pin(async move {
        match task.await {
            Ok(it) => wrap(it),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Cancelled: the runtime is about to end, and this with it.
                Err(_) => std::future::pending().await,
            },
        }
    })
}

/// One write, through the one writer.
fn write<'a>(writer: &'a Writer, fleet: &FleetName, write: PoolWrite) -> LoopTask<'a> {
    let guard = match &write.what {
        What::Release { .. } => Precondition::leaving(fleet, &write.target.name),
        What::Level { .. }
        | What::Resend { .. }
        | What::Retire(_)
        | What::Remove(..)
        | What::Dismiss(_)
        | What::Clear(_) => Precondition::steered(fleet, &write.target.name),
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
) -> Result<Written, WriteError> {
    let target = &write.target;
    let decision = decision(write);
    let level =
        |level: u32, with: ResendLabels| LevelOrder { level, with, decision: decision.clone() };
    let order = match &write.what {
        What::Level { to, .. } | What::Release { to, .. } => level(*to, ResendLabels::Nothing),
        What::Resend { level: it } => level(*it, ResendLabels::Labels),
        What::Retire(name) | What::Dismiss(name) => {
            let still_is: (_, fn(&Runner) -> bool) = (name, Runner::is_idle);
            let removal = writer.dismiss(target, guard, still_is, &decision).await?;
            return Ok(Written::Runner(removal));
        }
        What::Clear(name) => {
            let still_is: (_, fn(&Runner) -> bool) = (name, |it| !it.is_busy());
            let removal = writer.dismiss(target, guard, still_is, &decision).await?;
            return Ok(Written::Runner(removal));
        }
        What::Remove(name, _) => {
            let still_is: (_, fn(&Runner) -> bool) = (name, |it| !it.is_idle());
            let removal = writer.dismiss(target, guard, still_is, &decision).await?;
            return Ok(Written::Runner(removal));
        }
    };
    let (deed, pool) = writer.set_level(target, guard, &order).await?;
    Ok(Written::Level(deed, Box::new(pool)))
}

/// What led to the write, for the audit log.
fn decision(write: &PoolWrite) -> String {
    let reason = write.reason.map(Reason::word);
    match &write.what {
        What::Level { from, to } => {
            format!("{}: level {from} to {to}", reason.unwrap_or("end of all pulses"))
        }
        What::Release { from, to } => format!("not scaled any more: level {from} to {to}"),
        What::Resend { level } => format!("level {level} sent again: GARM does not follow it"),
        What::Retire(_) => "idle".to_owned(),
        What::Dismiss(_) => "suspect: a younger runner took a job that waited beside it".to_owned(),
        What::Remove(..) => "failed".to_owned(),
        What::Clear(_) => "it lives on after its job".to_owned(),
    }
}
