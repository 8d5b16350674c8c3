//! The service while it runs, and how it ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::journal::{Journal, Line, Weight};
use super::opening::Opened;
use super::reload::{Cause, Reloader};
use super::reporter::{Outlets, Reporter};
use crate::audit;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::domain::fleet::Line as GarmLine;
use crate::domain::name::PoolName;
use crate::engine::act::Writer;
use crate::engine::record::Warrant;
use crate::engine::watch::{Course, Doors, End, Order, watch};
use crate::garm::events;
use crate::host::clock::Clock;
use crate::host::signals::{Hangups, Signal, Signals};
use crate::host::state;
use crate::host::systemd::{self, Notice};
use crate::telemetry::{Board, Door, serve as answer};

/// How long the loop has to finish after the first signal; the rest of the ten seconds is for the
/// alerts and the audit file.
const LOOP_PATIENCE: Duration = Duration::from_secs(7);

/// How long what comes after the loop has.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// Orders that may wait for the loop: it takes them at each turn.
const ORDERS_MAX: usize = 8;

/// Runs until the loop ends, by itself or because a signal asks for it.
pub(super) async fn serve(mut opened: Opened) -> Result<Exit, Failure> {
    let signals = Signals::catch().map_err(|it| no_signals(&it))?;
    let hangups = Hangups::catch().map_err(|it| no_signals(&it))?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let (orders, taken) = mpsc::channel(ORDERS_MAX);
    let reporter = reporter(&opened);
    let (looks, look) = mpsc::channel(1);
    begin(&mut opened, &tasks, &stop, (orders.clone(), look));
    let Opened { settings, setup, client, journal, .. } = &opened;
    tasks.spawn(announce(Arc::clone(&reporter.looked), looks.clone(), stop.clone()));
    let writer = Writer::new(Arc::clone(client), warrant(&opened));
    let doors = Doors {
        client: Arc::clone(client),
        writer: &writer,
        feed: client.events(events::Limits::default()),
        orders: taken,
        audience: &reporter,
        clock: Clock::Real,
    };
    let running = Running { signals, hangups, orders, looks, journal: journal.clone() };
    let ended = running.until_ended(watch(doors, *settings, setup.roll())).await;
    systemd::tell(&Notice::Stopping);
    drop(reporter);
    close(opened, (stop, tasks), ended).await
}

fn no_signals(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot catch signals: {error}"))
}

fn warrant(opened: &Opened) -> Warrant {
    Warrant {
        book: opened.book.clone(),
        actor: state::actor(),
        cause: audit::Cause {
            command: "watch".into(),
            plan: None,
            fleet: Some(opened.setup.file.fleet.to_string()),
            decision: None,
        },
        clock: Clock::Real,
        // Before each write the pool is read, and its row tells which line of GARM it is.
        line: GarmLine::Current,
    }
}

fn reporter(opened: &Opened) -> Reporter {
    let outlets = Outlets {
        board: Arc::clone(&opened.board),
        journal: opened.journal.clone(),
        facts: Arc::clone(&opened.facts),
        records: opened.records.clone(),
        process: opened.process(),
    };
    Reporter::new(opened.setup.file.fleet.clone(), outlets)
}

/// Starts what runs beside the loop: the listener, the alerts, the watchdog, and whoever looks
/// after the files.
fn begin(
    opened: &mut Opened,
    tasks: &TaskTracker,
    stop: &CancellationToken,
    (orders, looks): (mpsc::Sender<Order>, mpsc::Receiver<Cause>),
) {
    let board = &opened.board;
    tasks.spawn(keep_alive(Arc::clone(board), stop.clone()));
    tasks.spawn(Arc::clone(&opened.alerting).run(stop.clone()));
    if let Some(work) = opened.work.take() {
        tasks.spawn(work.run());
    }
    if let Some(listener) = opened.listener.take() {
        let certificates = opened.certificates.clone();
        let door = Door { listener, board: Arc::clone(board), certificates };
        tasks.spawn(answer(door, stop.clone()));
    }
    if opened.settings.course == Course::Steady {
        let reloader = Reloader {
            globals: opened.globals.clone(),
            journal: opened.journal.clone(),
            board: Arc::clone(board),
            orders,
            alerting: Arc::clone(&opened.alerting),
            certificates: opened.certificates.clone(),
            started: opened.setup.clone(),
            read: Ok(opened.setup.clone()),
        };
        tasks.spawn(reloader.run(looks, stop.clone()));
    }
}

/// Says `Ready` at the first word of the loop, be it that GARM does not answer: the service runs
/// then, and tells so. Asks for a look at the files at each full read.
async fn announce(looked: Arc<Notify>, looks: mpsc::Sender<Cause>, stop: CancellationToken) {
    let mut is_ready = false;
    loop {
        tokio::select! {
            () = looked.notified() => {}
            () = stop.cancelled() => return,
        }
        if !is_ready {
            systemd::tell(&Notice::Ready);
            is_ready = true;
        }
        // A look that is under way or about to be will do.
        let _ = looks.try_send(Cause::Read);
    }
}

/// Tells systemd that the loop turns, for as long as it does.
async fn keep_alive(board: Arc<Board>, stop: CancellationToken) {
    let Some(every) = systemd::watchdog() else { return };
    let mut beat = interval(every.max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        if board.health().is_ok() {
            systemd::tell(&Notice::Alive);
        }
    }
}

/// The loop as it runs, and what may reach it.
struct Running {
    signals: Signals,
    hangups: Hangups,
    orders: mpsc::Sender<Order>,
    looks: mpsc::Sender<Cause>,
    journal: Journal,
}

/// How the loop ended.
struct Ended {
    /// Absent: it did not end in time, or a second signal cut it off.
    result: Option<Result<End, crate::garm::Error>>,
    /// The first signal.
    signal: Option<Signal>,
}

impl Running {
    /// Waits for the end of the loop. The first signal asks it to stop, a second one or the end of
    /// patience leaves it where it is.
    async fn until_ended(
        mut self,
        looping: impl Future<Output = Result<End, crate::garm::Error>>,
    ) -> Ended {
        let mut looping = pin!(looping);
        let mut first: Option<(Signal, Instant)> = None;
        loop {
            let patience = first.map_or_else(Instant::now, |it| it.1 + LOOP_PATIENCE);
            tokio::select! {
                result = &mut looping => {
                    return Ended { result: Some(result), signal: first.map(|it| it.0) };
                }
                signal = self.signals.next() => match first {
                    Some((signal, _)) => return Ended { result: None, signal: Some(signal) },
                    None => {
                        first = Some((signal, Instant::now()));
                        self.stop();
                    }
                },
                () = self.hangups.next() => self.look(),
                () = sleep_until(patience), if first.is_some() => {
                    let text = "the loop did not end in time: levels may still be raised";
                    self.journal.say(Line::new(Weight::Error, "stop", text)
                        .help("`runnerctl watch --release` lowers them"));
                    return Ended { result: None, signal: first.map(|it| it.0) };
                }
            }
        }
    }

    fn stop(&self) {
        let text = "stopping: the write in flight ends, raised levels are lowered";
        self.journal.say(Line::new(Weight::Note, "stop", text));
        systemd::tell(&Notice::Stopping);
        // The loop empties the queue at each turn; were it full all the same, patience ends it.
        let _ = self.orders.try_send(Order::Stop);
    }

    fn look(&self) {
        let looks = self.looks.clone();
        // One look may be under way, at which the change may not have been there yet.
        tokio::spawn(async move { looks.send(Cause::Hangup).await });
    }
}

/// Ends everything beside the loop, in time, and picks the code.
async fn close(
    opened: Opened,
    (stop, tasks): (CancellationToken, TaskTracker),
    ended: Ended,
) -> Result<Exit, Failure> {
    let Opened { journal, press, settings, alerting, records, .. } = opened;
    records.end();
    stop.cancel();
    tasks.close();
    // Whatever has not ended by then is cut off with the process.
    let rest = async { tokio::join!(alerting.close(REST_PATIENCE), tasks.wait()) };
    let _ = tokio::time::timeout(REST_PATIENCE, rest).await;
    drop(alerting);
    let outcome = outcome(ended, settings.course, &journal);
    drop(journal);
    press.close(Duration::from_secs(1)).await;
    outcome
}

fn outcome(ended: Ended, course: Course, journal: &Journal) -> Result<Exit, Failure> {
    let end = match ended.result {
        Some(Ok(end)) => end,
        Some(Err(error)) => return Err(error.into()),
        None => End::default(),
    };
    if !end.left_raised.is_empty() {
        let names: Vec<&str> = end.left_raised.iter().map(PoolName::as_str).collect();
        let text = format!("left above its floor: {}", names.join(", "));
        journal.say(
            Line::new(Weight::Error, "stop", text)
                .help("`runnerctl watch --release` lowers it when GARM answers"),
        );
    }
    match (ended.signal, course) {
        (Some(Signal::Interrupt), _) => Ok(Exit::Interrupted),
        (Some(Signal::Terminate), _) | (None, Course::Steady) => Ok(Exit::Done),
        (None, Course::Once | Course::Release) if end.left_raised.is_empty() => Ok(Exit::Done),
        (None, Course::Once | Course::Release) => Ok(Exit::Failed),
    }
}
