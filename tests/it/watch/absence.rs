//! A GARM that is unreachable, restored from a backup, or refuses our credentials.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use runnerctl::garm::{
    ErrorKind, GarmClient, GarmLogin, Request, ResponseFuture, StreamFuture, StreamRequest,
    Transport,
};
use runnerctl::reconcile::watch::{Incident, WatchCommand};
use runnerctl::scaling::Freeze;
use runnerctl::sim::{Fault, FaultRule, SimConfig};
use secrecy::SecretString;

use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

fn is_read_failed(it: &Incident) -> bool {
    matches!(it, Incident::ReadFailed { .. })
}

fn is_frozen(it: &Incident) -> bool {
    matches!(it, Incident::Frozen { entity: None, why: Freeze::Unreachable })
}

fn is_thawed(it: &Incident) -> bool {
    matches!(it, Incident::Thawed { entity: None, .. })
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_garm_freezes_writes_and_scaling_resumes_afterwards() {
    let rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    wait(40).await;
    rig.go_away();
    wait(31).await;
    rig.jobs(8, 20);
    wait(3_600 - 31).await;
    assert!(watch.heard.has(is_frozen));
    assert!(watch.heard.beats() >= 3_600 / 10, "the loop is alive: {}", watch.heard.beats());
    let failures = watch.heard.incidents().iter().filter(|it| is_read_failed(it)).count();
    assert!((100..=140).contains(&failures), "tried every half minute: {failures}");
    assert_eq!(watch.heard.deeds(), [""; 0], "nothing was written blind");
    rig.jobs(8, 20);
    rig.come_back();
    wait(120).await;
    assert!(watch.heard.has(is_thawed));
    assert!(watch.heard.has(|it| matches!(it, Incident::ReadAgain { .. })));
    let tally = rig.tally();
    assert_eq!((tally.done, tally.killed), (16, 0), "{:?}", watch.heard.deeds());
    assert!(
        !watch.stop().await.left_raised.contains(&crate::support::scaling_loop::name("default"))
    );
}

/// GARM restarts with another password: it answers again but refuses the login.
#[tokio::test(start_paused = true)]
async fn a_garm_that_returns_and_refuses_us_is_not_reported_as_written_to() {
    let rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    wait(40).await;
    rig.go_away();
    wait(60).await;
    rig.come_back();
    rig.fault(FaultRule::always("GET", "/", Fault::Status(401)));
    rig.fault(FaultRule::always("POST", "/auth/login", Fault::Status(401)));
    wait(120).await;
    let is_refused = |it: &Incident| matches!(it, Incident::Frozen { why: Freeze::Refused, .. });
    assert!(watch.heard.has(is_refused), "{:?}", watch.heard.incidents());
    assert!(!watch.heard.has(is_thawed), "{:?}", watch.heard.incidents());
    rig.come_back();
    wait(40).await;
    let is_over = |it: &Incident| matches!(it, Incident::Thawed { was: Freeze::Refused, .. });
    assert!(watch.heard.has(is_over), "{:?}", watch.heard.incidents());
}

#[tokio::test(start_paused = true)]
async fn a_garm_that_is_not_there_yet_is_waited_for() {
    let rig = LoopRig::new(policy()).await;
    rig.go_away();
    let watch = rig.start(steady());
    wait(300).await;
    assert!(watch.heard.has(is_read_failed) && !watch.has_ended());
    assert_eq!(watch.heard.reads(), 0);
    rig.come_back();
    rig.jobs(6, 20);
    wait(120).await;
    assert_eq!(rig.tally().done, 6);
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_garm_was_there_ends_at_once() {
    let rig = LoopRig::new(policy()).await;
    rig.go_away();
    let watch = rig.start(steady());
    wait(10).await;
    watch.order(WatchCommand::Stop).await;
    wait(1).await;
    assert!(watch.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_at_the_start_is_an_error_and_later_is_not() {
    let rig = LoopRig::new(policy()).await;
    let login = GarmLogin::new("admin", SecretString::from("wrong-password"));
    let client = Arc::new(GarmClient::new(rig.door(), login));
    let watch = rig.start_with(client, steady(), rig.clock());
    assert_eq!(watch.end().await.unwrap_err().kind, ErrorKind::Credentials);

    let watch = rig.start(steady());
    wait(40).await;
    rig.fault(FaultRule::always("GET", "/", Fault::Status(401)));
    wait(200).await;
    assert!(!watch.has_ended());
    let is_refused = |it: &Incident| matches!(it, Incident::Frozen { why: Freeze::Refused, .. });
    assert!(watch.heard.has(is_refused), "{:?}", watch.heard.incidents());
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_renewed_without_a_word() {
    let rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    wait(25 * 3_600).await;
    assert!(!watch.heard.has(is_read_failed), "{:?}", watch.heard.incidents());
    rig.jobs(6, 20);
    wait(120).await;
    assert_eq!(rig.tally().done, 6);
}

/// Connects to one GARM first and to another later.
struct Switch(Mutex<Arc<dyn Transport>>);

impl Switch {
    fn to(&self, other: Arc<dyn Transport>) {
        *self.0.lock().unwrap() = other;
    }

    fn now(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

impl Transport for Switch {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let inner = self.now();
        Box::pin(async move { inner.send(request).await })
    }

    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        let inner = self.now();
        Box::pin(async move { inner.listen(wish).await })
    }

    fn address(&self) -> String {
        self.now().address()
    }
}

/// Replaces GARM in the middle of a burst with one whose older database has the pools but no
/// runners or jobs. Its clock differs by `shift`.
async fn restored(shift: SignedDuration) {
    let config = SimConfig { backoff: 300, ..SimConfig::default() };
    let old = LoopRig::of(config.clone(), &[("default", policy())]).await;
    let switch = Arc::new(Switch(Mutex::new(old.door())));
    let watch = old.start_through(Arc::<Switch>::clone(&switch), steady());
    wait(40).await;
    old.jobs(12, 600);
    wait(60).await;
    assert_eq!(old.runner_counts().await.0, 12);
    let start = old.memory.with(|it| it.now()).checked_add(shift).unwrap();
    let new = LoopRig::of(SimConfig { start, ..config }, &[("default", policy())]).await;
    assert_eq!(new.id("default"), old.id("default"));
    switch.to(new.door());
    old.memory.cut_streams();
    new.jobs(6, 20);
    wait(240).await;
    let tally = new.tally();
    assert_eq!((tally.done, tally.killed), (6, 0), "{shift}: {:?}", watch.heard.deeds());
    assert!(tally.vms <= 18 && tally.most <= 20, "{shift}: {tally:?}");
    assert_eq!(new.level().await, u32::try_from(new.runner_counts().await.1).unwrap(), "{shift}");
    let failed: Vec<String> =
        watch.heard.deeds().into_iter().filter(|it| it.ends_with("failed")).collect();
    assert_eq!(failed, [""; 0], "{shift}");
}

#[tokio::test(start_paused = true)]
async fn a_database_restored_from_yesterday_is_taken_as_it_is() {
    restored(SignedDuration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_of_garms_that_is_set_back_or_ahead_by_an_hour_is_followed() {
    restored(SignedDuration::from_hours(-1)).await;
    restored(SignedDuration::from_hours(1)).await;
}

/// This machine's clock is wrong by an hour: that causes a warning but changes no decision.
#[tokio::test(start_paused = true)]
async fn the_clock_of_this_machine_does_not_matter() {
    let rig = LoopRig::new(policy()).await;
    let late = rig.memory.with(|it| it.now()).checked_add(Duration::from_hours(1)).unwrap();
    let client = Arc::new(rig.memory.client());
    let clock = runnerctl::host::clock::Clock::starting_at(late);
    let watch = rig.start_with(client, steady(), clock);
    wait(40).await;
    rig.jobs(12, 20);
    wait(240).await;
    let tally = rig.tally();
    assert_eq!((tally.vms, tally.done), (12, 12), "{:?}", watch.heard.deeds());
    assert!((25..=46).contains(&tally.longest_wait_s), "{tally:?}");
    assert!(watch.heard.has(|it| matches!(it, Incident::Skewed(by) if by.as_secs() >= 3_598)));
}

#[tokio::test(start_paused = true)]
async fn pools_of_a_stopped_manager_are_left_alone_until_it_works_again() {
    let rig = LoopRig::new(policy()).await;
    rig.set_level(1).await;
    wait(15).await;
    let watch = rig.start(steady());
    wait(40).await;
    rig.memory.with(|it| it.knobs_mut().pat = "revoked".into());
    let name = rig.client.runners().await.unwrap().remove(0).name;
    rig.client.delete_runner(&name).await.unwrap_err();
    wait(330).await;
    let is_stopped = |it: &Incident| {
        matches!(it, Incident::Frozen { entity: Some(_), why: Freeze::ManagerStopped(_) })
    };
    assert!(watch.heard.has(is_stopped), "{:?}", watch.heard.incidents());
    rig.forget();
    rig.set_level(5).await;
    wait(60).await;
    assert_eq!(rig.level().await, 5, "nothing is written");
    rig.memory.with(|it| it.knobs_mut().pat = String::new());
    wait(400).await;
    assert!(watch.heard.has(|it| matches!(it, Incident::Thawed { entity: Some(_), .. })));
    assert_eq!(rig.level().await, u32::try_from(rig.runner_counts().await.1).unwrap());
}
