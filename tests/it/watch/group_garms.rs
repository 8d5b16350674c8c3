//! Groups with pools in two GARMs, each under a loop of its own: the limit holds for both together,
//! whatever one of them does, and while one is down.
//! `cargo test --test it watch::group_garms -- --nocapture` prints the figures.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use runnerctl::domain::desired::{GroupLimit, ScalePolicy};
use runnerctl::domain::name::{GarmName, GroupName};
use runnerctl::garm::{
    Method, Request, Response, ResponseFuture, StreamFuture, StreamRequest, Transport,
};
use runnerctl::reconcile::watch::{HoldReason, Rivals, SharedGroups, WatchCommand};
use runnerctl::sim::{JobBatch as Jobs, LogEvent};

use super::waits::{config, fast};
use crate::support::scaling_loop::{LoopRig, RunningLoop, wait};

const GARMS: [&str; 2] = ["east", "west"];

fn garm(name: &str) -> GarmName {
    GarmName::new(name).unwrap()
}

fn within(max_runners: u32, own: u32) -> ScalePolicy {
    let (name, garms) = (GroupName::new("g"), GARMS.map(garm).to_vec());
    let group = Some(GroupLimit { name, max_runners, garms });
    ScalePolicy { max_runners: own, group, ..fast() }
}

/// What GARM may have in force of `max_runners` at each of two GARMs: while a write is under way, the
/// higher value.
struct Maxima {
    limit: u32,
    now: [u32; 2],
    /// The largest sum since the values were within the limit for the first time.
    most: Option<u32>,
}

impl Maxima {
    fn set(&mut self, which: usize, max: u32) {
        self.now[which] = max;
        let sum = self.now.iter().sum();
        let is_divided = self.most.is_some() || sum <= self.limit;
        self.most = is_divided.then(|| self.most.unwrap_or(0).max(sum));
    }
}

/// The way to one of the GARMs.
struct Door {
    inner: Arc<dyn Transport>,
    which: usize,
    maxima: Arc<Mutex<Maxima>>,
}

impl Transport for Door {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let max = max_runners(&request);
        Box::pin(async move {
            if let Some(max) = max {
                let mut maxima = self.maxima.lock().unwrap();
                let present = maxima.now[self.which];
                maxima.set(self.which, present.max(max));
            }
            let answer = self.inner.send(request).await;
            if let (Some(max), Ok(Response { status: 200, .. })) = (max, &answer) {
                self.maxima.lock().unwrap().set(self.which, max);
            }
            answer
        })
    }

    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        self.inner.listen(wish)
    }

    fn address(&self) -> String {
        self.inner.address()
    }
}

/// The `max_runners` that a request sets.
fn max_runners(request: &Request) -> Option<u32> {
    let body = request.body.as_ref().filter(|_| request.method == Method::Put)?;
    Some(u32::try_from(body["max_runners"].as_u64()?).unwrap())
}

/// Two GARMs, each with one pool of the group.
struct Two {
    rigs: [LoopRig; 2],
    maxima: Arc<Mutex<Maxima>>,
}

impl Two {
    async fn of(seed: u64, limit: u32, own: u32) -> Self {
        let policy = within(limit, own);
        let rigs = [
            LoopRig::of(config(seed, 30), &[("a", policy.clone())]).await,
            LoopRig::of(config(seed + 100, 30), &[("b", policy)]).await,
        ];
        let maxima = Maxima { limit, now: [own; 2], most: None };
        Self { rigs, maxima: Arc::new(Mutex::new(maxima)) }
    }

    fn start_one(&self, which: usize, groups: &SharedGroups) -> RunningLoop {
        let rig = &self.rigs[which];
        let door = Door { inner: rig.door(), which, maxima: Arc::clone(&self.maxima) };
        rig.start_at(Arc::new(door), groups.seat(garm(GARMS[which])))
    }

    /// Starts the loops of one process.
    fn start(&self) -> [RunningLoop; 2] {
        self.start_beside(Rivals::None)
    }

    fn start_beside(&self, rivals: Rivals) -> [RunningLoop; 2] {
        let groups = SharedGroups::new(rivals);
        [self.start_one(0, &groups), self.start_one(1, &groups)]
    }

    fn queue(&self, which: usize, (count, seconds): (usize, u64)) -> Vec<i64> {
        let jobs = Jobs::new(count, &[["a", "b"][which]]).lasting(Duration::from_secs(seconds));
        self.rigs[which].memory.with(|it| it.queue_jobs(&jobs))
    }

    /// The largest sums of `max_runners` and of VMs at any moment.
    fn most(&self) -> (u32, i32) {
        let mut changes: Vec<(Timestamp, i32)> = Vec::new();
        for rig in &self.rigs {
            rig.memory.with(|world| {
                changes.extend(world.log().iter().filter_map(|it| match &it.what {
                    LogEvent::VmCreated { .. } => Some((it.at, 1)),
                    LogEvent::VmDeleted { .. } => Some((it.at, -1)),
                    _ => None,
                }));
            });
        }
        changes.sort();
        let sums = changes.iter().scan(0, |sum, change| {
            *sum += change.1;
            Some(*sum)
        });
        let maxima = self.maxima.lock().unwrap().most;
        (maxima.expect("the limit was reached"), sums.max().unwrap_or(0))
    }

    /// `max_runners` of both pools now.
    async fn maxima(&self) -> [u32; 2] {
        let mut maxima = [0; 2];
        for (which, rig) in self.rigs.iter().enumerate() {
            let pools = rig.client.pools_of_all_kinds().await.unwrap().0;
            maxima[which] = pools.iter().map(|it| it.spec.max_runners).sum();
        }
        maxima
    }

    fn killed(&self) -> usize {
        self.rigs.iter().map(|rig| rig.tally().killed).sum()
    }
}

#[tokio::test(start_paused = true)]
async fn two_garms_never_exceed_a_common_limit_and_a_flood_at_one_starves_not_the_other() {
    for seed in 1..=3 {
        let two = Two::of(seed, 5, 20).await;
        let [east, west] = two.start();
        wait(20).await;
        assert_eq!(two.maxima().await.iter().sum::<u32>(), 5);
        two.queue(0, (60, 60));
        wait(200).await;
        let few = two.queue(1, (3, 10));
        wait(200).await;
        let waits = two.rigs[1].waits(&few);
        println!("seed {seed}: three jobs beside a flood at another GARM waited {waits:?} s");
        assert_eq!((waits.len(), two.killed()), (3, 0));
        assert!(waits[0] <= 60 + 45, "the next place is theirs: {waits:?}");
        east.stop().await;
        west.stop().await;
        // Nothing scales now but each GARM, for the jobs that wait.
        wait(200).await;
        assert_eq!(two.most(), (5, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn bursts_that_follow_each_other_get_the_places_of_the_other_garm() {
    let two = Two::of(7, 40, 40).await;
    let loops = two.start();
    wait(20).await;
    let mut waits = Vec::new();
    for which in [0, 1, 0] {
        let jobs = two.queue(which, (60, 60));
        wait(300).await;
        waits.extend(two.rigs[which].waits(&jobs));
    }
    waits.sort_unstable();
    println!("bursts of 60 in turn, 40 places in two GARMs: longest wait {:?} s", waits.last());
    assert_eq!((waits.len(), two.killed()), (180, 0));
    // The first 40 boot for up to 45 s and run for 60 s.
    assert!(*waits.last().unwrap() <= 45 + 60 + 30, "{waits:?}");
    let most = two.most();
    assert!(most.0 <= 40 && most.1 <= 40, "{most:?}");
    for one in loops {
        one.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_garm_is_down_its_places_stay_its_own_and_the_other_uses_the_rest() {
    let two = Two::of(9, 10, 10).await;
    let loops = two.start();
    wait(20).await;
    let [_, of_west] = two.maxima().await;
    two.rigs[1].go_away();
    wait(120).await;
    let jobs = two.queue(0, (40, 30));
    wait(400).await;
    let waits = two.rigs[0].waits(&jobs);
    println!("west down with {of_west} of 10 places: longest wait {:?} s", waits.last());
    assert_eq!(waits.len(), 40);
    two.rigs[1].come_back();
    let late = two.queue(1, (12, 20));
    wait(200).await;
    assert_eq!((two.rigs[1].waits(&late).len(), two.killed()), (12, 0));
    let most = two.most();
    assert!(most.0 <= 10 && most.1 <= 10, "{most:?}");
    for one in loops {
        one.stop().await;
    }
}

/// After a restart, nothing is raised before both GARMs have been read, and nothing is lowered for
/// want of knowledge.
#[tokio::test(start_paused = true)]
async fn a_restart_beside_a_garm_that_is_down_raises_and_takes_nothing() {
    let two = Two::of(11, 10, 10).await;
    let loops = two.start();
    wait(20).await;
    two.queue(0, (9, 300));
    wait(60).await;
    let divided = two.maxima().await;
    for one in loops {
        one.kill().await;
    }
    two.rigs[1].go_away();
    let [east, west] = two.start();
    let jobs = two.queue(0, (20, 30));
    wait(300).await;
    two.rigs[1].come_back();
    assert_eq!(two.maxima().await, divided);
    wait(300).await;
    assert_eq!(two.rigs[0].waits(&jobs).len(), 20);
    let most = two.most();
    assert!(most.0 <= 10 && most.1 <= 10, "{most:?}");
    east.stop().await;
    west.stop().await;
}

#[tokio::test(start_paused = true)]
async fn loops_that_share_a_group_come_to_rest() {
    let two = Two::of(13, 12, 12).await;
    let loops = two.start();
    wait(20).await;
    let jobs = (two.queue(0, (20, 30)), two.queue(1, (4, 30)));
    wait(200).await;
    assert_eq!(two.rigs[0].waits(&jobs.0).len() + two.rigs[1].waits(&jobs.1).len(), 24);
    let most = two.most();
    assert!(most.0 <= 12 && most.1 <= 12, "{most:?}");
    two.rigs.iter().for_each(LoopRig::forget);
    wait(120).await;
    assert!(two.rigs.iter().all(|rig| rig.writes().is_empty()), "nothing has changed");
    for one in loops {
        one.stop().await;
    }
}

/// Two processes, of which each leads at one GARM: neither can know what the other raises.
#[tokio::test(start_paused = true)]
async fn a_process_raises_only_if_it_leads_at_all_garms_of_the_group() {
    let two = Two::of(17, 10, 10).await;
    let (one, other) = (two.start_beside(Rivals::Possible), two.start_beside(Rivals::Possible));
    let hold = || WatchCommand::Hold(HoldReason::Standby, "the other leads".into());
    let go = || WatchCommand::Go(HoldReason::Standby);
    for running in one.iter().chain(&other) {
        running.order(hold()).await;
    }
    one[0].order(go()).await;
    other[1].order(go()).await;
    wait(20).await;
    let divided = two.maxima().await;
    assert!(divided.iter().sum::<u32>() <= 10, "lower values are written: {divided:?}");
    let jobs = two.queue(0, (40, 20));
    wait(200).await;
    assert!(two.maxima().await[0] <= divided[0]);
    let served = two.rigs[0].waits(&jobs).len();
    println!(
        "each process leads at one GARM: {served} of 40 jobs in {divided:?} places after 200 s"
    );
    assert!(served >= 10, "the places that there are serve jobs: {served}");
    // The first leads at both, and has read the second since.
    other[1].order(hold()).await;
    one[1].order(go()).await;
    wait(100).await;
    assert!(two.maxima().await[0] > divided[0]);
    let most = two.most();
    assert!(most.0 <= 10 && most.1 <= 10, "{most:?}");
    for running in one.into_iter().chain(other) {
        running.stop().await;
    }
}
