//! Schedules the negative mTLS probes while the loop runs (DESIGN §7): at the start, then hourly,
//! sooner after a failure and at SIGHUP. A separate task, so that the loop never waits for them.
//!
//! Under `policy.require_mtls` the loop is held until mTLS is proven, and again if the proof is
//! refuted or too old. If the first round finds that mTLS is not enforced, the service ends
//! instead.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::config::PolicySettings;
use crate::domain::fleet::Controller;
use crate::domain::proof::{Probe, Proof};
use crate::garm;
use crate::monitor::mtls_state::MtlsState;
use crate::reconcile::watch::{HoldReason, WatchCommand, Writes};
use crate::render::proof;

/// Whether writes require a proof that mTLS is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MtlsRequirement {
    /// `policy.require_mtls` is set, and this `watch` writes to GARM.
    Proof,
    /// The policy does not require it, or this `watch` does not write.
    Nothing,
}

impl MtlsRequirement {
    /// The requirement of this policy for a `watch` in this mode.
    pub(super) fn of(policy: &PolicySettings, writes: Writes) -> Self {
        match (policy.require_mtls, writes) {
            (true, Writes::Sent) => Self::Proof,
            (false, _) | (true, Writes::Withheld) => Self::Nothing,
        }
    }

    /// Why the loop is held before the first round; absent if it is not.
    pub(super) fn at_start(self) -> Option<&'static str> {
        match self {
            Self::Proof => MtlsState::default().holds(Duration::ZERO),
            Self::Nothing => None,
        }
    }
}

/// The future of one round of probes.
pub(super) type ProbeRound =
    Pin<Box<dyn Future<Output = Result<Vec<Probe>, garm::GarmError>> + Send>>;

/// The result of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MtlsRound {
    pub(super) word: Proof,
    /// Whether the result differs from that of the previous round.
    pub(super) is_changed: bool,
    /// The result in one sentence without a full stop.
    pub(super) sentence: String,
    pub(super) is_enforced: Option<bool>,
}

/// Runs the rounds of probes and holds the loop while mTLS is not proven.
pub(super) struct MtlsProber {
    /// Makes one round against the URLs of this controller.
    pub(super) probe: Box<dyn FnMut(Controller) -> ProbeRound + Send>,
    /// Called with the result of every round.
    pub(super) tell: Box<dyn Fn(&MtlsRound) + Send>,
    /// GARM's settings as the loop last read them.
    pub(super) controllers: watch::Receiver<Option<Controller>>,
    pub(super) requirement: watch::Receiver<MtlsRequirement>,
    /// Notified to request a round at once.
    pub(super) probe_now: Arc<Notify>,
    pub(super) orders: mpsc::Sender<WatchCommand>,
    /// Sent to if the first round finds mTLS not enforced; taken after that round.
    pub(super) refuse: Option<oneshot::Sender<MtlsRound>>,
    pub(super) began: Instant,
    pub(super) standing: MtlsState,
    /// Why the loop is held, as it was last told; absent if it is not.
    pub(super) held: Option<&'static str>,
}

impl MtlsProber {
    /// Runs rounds of probes until `stop` or the end of the loop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.rounds() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn rounds(&mut self) {
        loop {
            let known = self.controllers.wait_for(Option::is_some).await;
            // The sender is dropped: the loop has ended.
            let Some(controller) = known.ok().and_then(|controller| controller.clone()) else {
                return;
            };
            let result = (self.probe)(controller).await;
            let shown = self.take(result);
            (self.tell)(&shown);
            let requirement = *self.requirement.borrow();
            if let Some(refuse) = self.refuse.take()
                && (shown.word, requirement) == (Proof::NotEnforced, MtlsRequirement::Proof)
            {
                // The receiver is dropped if the service is about to end anyway.
                let _ = refuse.send(shown);
                return;
            }
            self.steer().await;
            self.pause().await;
        }
    }

    fn take(&mut self, result: Result<Vec<Probe>, garm::GarmError>) -> MtlsRound {
        let (word, sentence) = match result {
            Ok(probes) => (Proof::of(&probes), proof::sentence(&probes)),
            Err(error) => (Proof::Unreachable, format!("cannot probe mTLS: {error}")),
        };
        let is_changed = self.standing.record(word, self.began.elapsed());
        MtlsRound { word, is_changed, sentence, is_enforced: self.standing.is_enforced() }
    }

    /// Waits for the next round. Meanwhile reacts to a proof that expires and to a changed policy.
    async fn pause(&mut self) {
        let next = Instant::now() + self.standing.pause();
        loop {
            let stands_until = self.standing.stands_until().map(|time| self.began + time);
            let turn = stands_until.filter(|time| *time > Instant::now() && *time < next);
            tokio::select! {
                () = sleep_until(turn.unwrap_or(next)) => {}
                () = self.probe_now.notified() => return,
                changed = self.requirement.changed() => if changed.is_err() {
                    return sleep_until(next).await;
                },
            }
            self.steer().await;
            if Instant::now() >= next {
                return;
            }
        }
    }

    /// Holds or releases the loop if that has changed.
    async fn steer(&mut self) {
        let held = match *self.requirement.borrow_and_update() {
            MtlsRequirement::Proof => self.standing.holds(self.began.elapsed()),
            MtlsRequirement::Nothing => None,
        };
        if held == self.held {
            return;
        }
        self.held = held;
        let order = match held {
            None => WatchCommand::Go(HoldReason::Unproven),
            Some(why) => WatchCommand::Hold(HoldReason::Unproven, why.to_owned()),
        };
        // The receiver is dropped once the loop has ended; then there is nothing to hold.
        let _ = self.orders.send(order).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::sleep;

    use super::*;
    use crate::domain::proof::Attempt;

    fn controller() -> Controller {
        Controller {
            id: "c".into(),
            version: String::new(),
            backoff: Duration::ZERO,
            hostname: String::new(),
            metadata_url: String::new(),
            callback_url: String::new(),
            webhook_url: String::new(),
        }
    }

    fn probe(proof: Proof) -> Probe {
        let (url, evidence) = ("https://garm.test/x".into(), "so it was".into());
        Probe { place: "API", url, attempt: Attempt::NoCertificate, proof, evidence }
    }

    /// A prober whose rounds have the given results, the last one repeatedly. Each round takes a
    /// second.
    struct ProberHarness {
        /// Minutes since the start, and the result in one word.
        told: Arc<Mutex<Vec<(u64, &'static str)>>>,
        orders: mpsc::Receiver<WatchCommand>,
        requirement: watch::Sender<MtlsRequirement>,
        probe_now: Arc<Notify>,
        refused: oneshot::Receiver<MtlsRound>,
        _controllers: watch::Sender<Option<Controller>>,
        stop: CancellationToken,
    }

    fn start(requirement: MtlsRequirement, words: &[Proof]) -> ProberHarness {
        let (orders, taken) = mpsc::channel(8);
        let (requirement, requirement_receiver) = watch::channel(requirement);
        let (controllers, known) = watch::channel(Some(controller()));
        let (refuse, refused) = oneshot::channel();
        let (told, probe_now, began) = (Arc::default(), Arc::new(Notify::new()), Instant::now());
        let heard: Arc<Mutex<Vec<(u64, &'static str)>>> = Arc::clone(&told);
        let mut words = std::collections::VecDeque::from(words.to_vec());
        let mut next = move || match words.len() {
            1 => words[0],
            _ => words.pop_front().unwrap(),
        };
        let at_start = requirement.borrow().at_start();
        let prober = MtlsProber {
            probe: Box::new(move |_| {
                let word = next();
                Box::pin(async move {
                    sleep(Duration::from_secs(1)).await;
                    Ok(vec![probe(word)])
                })
            }),
            tell: Box::new(move |round| {
                heard.lock().unwrap().push((began.elapsed().as_secs() / 60, round.word.word()));
            }),
            controllers: known,
            requirement: requirement_receiver,
            probe_now: Arc::clone(&probe_now),
            orders,
            refuse: Some(refuse),
            began,
            standing: MtlsState::default(),
            held: at_start,
        };
        let stop = CancellationToken::new();
        tokio::spawn(prober.run(stop.clone()));
        ProberHarness {
            told,
            orders: taken,
            requirement,
            probe_now,
            refused,
            _controllers: controllers,
            stop,
        }
    }

    impl ProberHarness {
        fn told(&self) -> Vec<(u64, &'static str)> {
            self.told.lock().unwrap().clone()
        }

        fn ordered(&mut self) -> Vec<WatchCommand> {
            std::iter::from_fn(|| self.orders.try_recv().ok()).collect()
        }
    }

    async fn minutes(minutes: u64) {
        sleep(Duration::from_mins(minutes) + Duration::from_secs(5)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_run_at_the_start_then_hourly_and_on_request() {
        let harness = start(MtlsRequirement::Nothing, &[Proof::Enforced]);
        minutes(150).await;
        assert_eq!(harness.told(), [(0, "enforced"), (60, "enforced"), (120, "enforced")]);
        harness.probe_now.notify_one();
        minutes(1).await;
        assert_eq!(harness.told().len(), 4);
        harness.stop.cancel();
        minutes(300).await;
        assert_eq!(harness.told().len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_policy_the_loop_is_never_held() {
        let mut harness =
            start(MtlsRequirement::Nothing, &[Proof::NotEnforced, Proof::Unreachable]);
        minutes(10).await;
        let told = [(0, "not enforced"), (1, "unreachable"), (3, "unreachable")];
        assert_eq!((&harness.told()[..3], harness.ordered()), (&told[..], vec![]));
        assert!(harness.refused.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_garm_without_mtls_at_the_start_ends_the_service() {
        let mut harness = start(MtlsRequirement::Proof, &[Proof::NotEnforced]);
        minutes(1).await;
        let shown = harness.refused.try_recv().unwrap();
        assert_eq!(
            shown.sentence,
            "mTLS is not enforced: API https://garm.test/x, with no certificate: so it was"
        );
        assert_eq!((harness.ordered(), harness.told().len()), (vec![], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_loop_is_released_by_the_first_proof_and_held_when_it_is_refuted() {
        let words = [Proof::Unreachable, Proof::Enforced, Proof::NotEnforced, Proof::Enforced];
        let mut harness = start(MtlsRequirement::Proof, &words);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(harness.ordered(), [], "held from the start, and nothing is proven");
        minutes(1).await;
        assert_eq!(harness.ordered(), [WatchCommand::Go(HoldReason::Unproven)]);
        minutes(60).await;
        assert_eq!(
            harness.ordered(),
            [WatchCommand::Hold(HoldReason::Unproven, "mTLS is not enforced".into())]
        );
        minutes(1).await;
        assert_eq!(harness.ordered(), [WatchCommand::Go(HoldReason::Unproven)]);
        assert!(harness.refused.try_recv().is_err(), "only the first round refuses");
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_that_cannot_be_renewed_is_valid_for_two_hours() {
        let mut harness = start(MtlsRequirement::Proof, &[Proof::Enforced, Proof::Unreachable]);
        minutes(119).await;
        assert_eq!(harness.ordered(), [WatchCommand::Go(HoldReason::Unproven)]);
        minutes(1).await;
        assert_eq!(
            harness.ordered(),
            [WatchCommand::Hold(HoldReason::Unproven, "mTLS is not proven to be enforced".into())]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_that_changes_takes_effect_at_once() {
        let mut harness = start(MtlsRequirement::Nothing, &[Proof::NotEnforced]);
        minutes(0).await;
        harness.requirement.send_replace(MtlsRequirement::Proof);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(
            harness.ordered(),
            [WatchCommand::Hold(HoldReason::Unproven, "mTLS is not enforced".into())]
        );
        harness.requirement.send_replace(MtlsRequirement::Nothing);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(harness.ordered(), [WatchCommand::Go(HoldReason::Unproven)]);
    }
}
