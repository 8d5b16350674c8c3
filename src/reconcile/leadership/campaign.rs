//! Carries out the requests of the election, and publishes who leads.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::fence::Fence;
use super::lease_shares::LeaseShares;
use crate::election::{
    Election, LeaseAnswer, LeaseNotes, LeaseOwner, LeaseRecord, LeaseRequest, OwnNotes, StoreFault,
    shown_holder,
};
use crate::host::boot_clock::BootClock;
use crate::host::clock::Clock;
use crate::lease_store::LeaseStore;

/// How long one request to the store may take. Three fit into the time that a renewal lasts.
const TIMEOUT: Duration = Duration::from_millis(1_900);

/// How long releasing the lease may take at the end. After that the next leader waits until it expires.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// What is known about leadership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadershipState {
    /// Present while this process leads.
    pub leading: Option<LedTerm>,
    /// The leader in the record, this process or another one; absent after a release and before the
    /// first term.
    pub leader: Option<LeaderView>,
    /// Why the last request to the store failed; absent if it did not.
    pub fault: Option<StoreFault>,
}

/// A term of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedTerm {
    pub term: u64,
    /// The record before this term, with the head of its leader's audit log; absent in the first term.
    pub previous: Option<Arc<LeaseRecord>>,
    /// What the record said when this process began to write: the notes of the previous leader, or of
    /// this process if it could not renew for a while.
    pub notes: LeaseNotes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderView {
    /// The host and process that lead, `HOST:PID`.
    pub holder: String,
    pub term: u64,
    /// On the leader's clock.
    pub since: Timestamp,
}

/// How long writes under way may delay the release of a lease that another process is to have.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// The lease of a campaign.
pub struct LeaseOfCampaign {
    pub store: Arc<dyn LeaseStore>,
    /// The shares of this process and the name of the lease among them, if there are several.
    pub shares: Option<(Arc<LeaseShares>, String)>,
}

/// One process's part in the election.
pub struct Campaign {
    /// The id of this process in the record, unique to this start of it.
    id: String,
    lease: LeaseOfCampaign,
    /// Notified when the lease is to be released to another process.
    release: Arc<Notify>,
    election: Election,
    fence: Fence,
    clock: BootClock,
    /// Dates the record.
    calendar: Clock,
    states: watch::Sender<LeadershipState>,
    previous: Option<Arc<LeaseRecord>>,
    fault: Option<StoreFault>,
}

impl Campaign {
    /// `fence` must use `clock`.
    pub fn new(
        id: String,
        lease: LeaseOfCampaign,
        (fence, clock, calendar): (Fence, BootClock, Clock),
    ) -> Self {
        let election = Election::new(id.clone());
        let states = watch::Sender::default();
        let (previous, fault) = (None, None);
        let release = match &lease.shares {
            Some((shares, name)) => shares.begin(name),
            None => Arc::default(),
        };
        Self { id, lease, release, election, fence, clock, calendar, states, previous, fault }
    }

    /// Shows the state at any time.
    pub fn states(&self) -> watch::Receiver<LeadershipState> {
        self.states.subscribe()
    }

    /// Takes part until `stop`, then releases the lease if this process holds it. `notes` is what each
    /// write of the record says for the next leader.
    pub async fn run(mut self, notes: impl Fn() -> OwnNotes, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.compete(&notes) => {}
        }
        self.fence.close();
        let is_settled = self.fence.is_settled();
        // An answer under way is lost with the future: the election reads before it releases.
        self.election.resign(self.clock.now());
        self.settle();
        // Otherwise the next leader waits until the lease expires: it must not write beside a write
        // that is still under way.
        if is_settled {
            let _ = tokio::time::timeout(RELEASE_MAX, self.compete(&notes)).await;
        }
        if let Some((shares, name)) = &self.lease.shares {
            shares.end(name);
        }
    }

    /// Sends requests until the election is over.
    async fn compete(&mut self, notes: &impl Fn() -> OwnNotes) {
        while !self.election.is_over() {
            let now = self.clock.now();
            if let Some((shares, name)) = &self.lease.shares
                && let Some(free_for) = self.election.free_for(now)
            {
                self.election.set_taking(shares.taking(name, free_for));
            }
            match self.election.next(now, self.calendar.now(), &notes()) {
                Some(request) => {
                    let store = Arc::clone(&self.lease.store);
                    let answer = self.watching(ask(store, request)).await;
                    self.take(answer);
                }
                None => {
                    let wait = self.election.deadline().unwrap_or_default().saturating_sub(now);
                    let release = Arc::clone(&self.release);
                    let is_told = self.watching(async {
                        tokio::select! {
                            () = tokio::time::sleep(wait) => false,
                            () = release.notified() => true,
                        }
                    });
                    if is_told.await {
                        self.yield_lease().await;
                    }
                }
            }
        }
    }

    /// Releases the lease to another process once the writes under way are done, or keeps it if they
    /// take longer than [`DRAIN_MAX`].
    async fn yield_lease(&mut self) {
        self.fence.close();
        self.publish();
        // Nothing is renewed meanwhile: usually the last renewal is two seconds old by now at most, and
        // its permission outlasts this.
        let _ = tokio::time::timeout(DRAIN_MAX, self.fence.drained()).await;
        if self.fence.is_settled() {
            self.election.yield_lease(self.clock.now());
        }
        self.settle();
        self.fence.reopen();
        self.publish();
    }

    /// Waits for `work`, and publishes the end of the permission to write if it comes first.
    async fn watching<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            let term = self.fence.term();
            let fence = self.fence.clone();
            let lost = async {
                match term {
                    Some(term) => fence.lost(term).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = &mut work => return done,
                () = lost => self.publish(),
            }
        }
    }

    fn take(&mut self, answer: LeaseAnswer) {
        self.fault = match &answer {
            LeaseAnswer::Read(Err(fault)) | LeaseAnswer::Swap(Err(fault)) => Some(fault.clone()),
            LeaseAnswer::Read(Ok(_)) | LeaseAnswer::Swap(Ok(_)) => None,
        };
        self.election.answer(answer, self.clock.now());
        self.settle();
    }

    /// Passes the permission on to the fence, and the state to those who watch it.
    fn settle(&mut self) {
        if let Some((record, _)) = self.election.sighting()
            && record.holder != self.id
        {
            self.previous = Some(Arc::new(record.clone()));
        }
        self.fence.set(self.election.grant());
        if let Some((shares, name)) = &self.lease.shares
            && let Some((record, _)) = self.election.sighting()
        {
            let is_own = record.holder == self.id;
            shares.note(
                name,
                match record.holder.as_str() {
                    "" => LeaseOwner::Unheld,
                    _ if is_own && self.election.is_holder() => LeaseOwner::Own,
                    _ => LeaseOwner::Other,
                },
            );
        }
        self.publish();
    }

    fn publish(&self) {
        let record = self.election.sighting().map(|seen| seen.0);
        let leader = record.filter(|record| !record.holder.is_empty()).map(|record| LeaderView {
            holder: shown_holder(&record.holder).to_owned(),
            term: record.term,
            since: record.since,
        });
        let term = self.fence.term();
        let fault = self.fault.clone();
        self.states.send_if_modified(|state| {
            let leading = term.map(|term| match &state.leading {
                Some(leading) if leading.term == term => leading.clone(),
                Some(_) | None => LedTerm {
                    term,
                    previous: self.previous.clone(),
                    notes: record.map(|record| record.notes.clone()).unwrap_or_default(),
                },
            });
            let fresh = LeadershipState { leading, leader, fault };
            let is_news = *state != fresh;
            *state = fresh;
            is_news
        });
    }
}

async fn ask(store: Arc<dyn LeaseStore>, request: LeaseRequest) -> LeaseAnswer {
    let late = || StoreFault {
        message: format!("{} does not answer in time", store.describe()),
        help: "check that it runs and can be reached from here",
    };
    match request {
        LeaseRequest::Read => {
            let answer = tokio::time::timeout(TIMEOUT, store.read()).await;
            LeaseAnswer::Read(answer.unwrap_or_else(|_| Err(late())))
        }
        LeaseRequest::Swap { expected, record } => {
            let swap = store.swap(expected.as_deref(), &record);
            let answer = tokio::time::timeout(TIMEOUT, swap).await;
            LeaseAnswer::Swap(answer.unwrap_or_else(|_| Err(late())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::election::{JoinedLeases, LINGER, RENEW_EVERY, StoredLease, SwapResult, WRITE_FOR};
    use crate::lease_store::StoreFuture;

    /// A store in memory that can cease to answer.
    #[derive(Default)]
    struct MemoryStore {
        stored: Mutex<Option<StoredLease>>,
        hangs: AtomicBool,
    }

    impl MemoryStore {
        async fn answer<T>(&self, value: T) -> Result<T, StoreFault> {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            Ok(value)
        }
    }

    impl LeaseStore for MemoryStore {
        fn read(&self) -> StoreFuture<'_, Option<StoredLease>> {
            let stored = self.stored.lock().unwrap().clone();
            Box::pin(self.answer(stored))
        }

        fn swap<'a>(
            &'a self,
            expected: Option<&'a str>,
            record: &'a LeaseRecord,
        ) -> StoreFuture<'a, SwapResult> {
            Box::pin(async move {
                self.answer(()).await?;
                let mut stored = self.stored.lock().unwrap();
                if stored.as_ref().map(|stored| stored.version.as_str()) != expected {
                    return Ok(SwapResult::Conflict);
                }
                let version = format!("{}-{}", record.term, record.number);
                *stored = Some(StoredLease { record: record.clone(), version: version.clone() });
                Ok(SwapResult::Done(version))
            })
        }

        fn describe(&self) -> String {
            "memory".into()
        }
    }

    /// A campaign that runs, with its store, its fence and the order to release the lease.
    struct Stage {
        store: Arc<MemoryStore>,
        fence: Fence,
        states: watch::Receiver<LeadershipState>,
        release: Arc<Notify>,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Stage {
        async fn leads() -> Self {
            let clock = BootClock::Virtual(tokio::time::Instant::now());
            let (store, fence) = (Arc::new(MemoryStore::default()), Fence::new(clock));
            let io = (fence.clone(), clock, Clock::starting_at(Timestamp::UNIX_EPOCH));
            let shares = LeaseShares::new(clock);
            shares.set_leases(1, JoinedLeases::new(), String::new());
            let shares = Some((shares, "lease".to_owned()));
            let lease = LeaseOfCampaign { store: Arc::clone(&store) as _, shares };
            let campaign = Campaign::new("host-a:1:ff".into(), lease, io);
            let (mut states, stop) = (campaign.states(), CancellationToken::new());
            let release = Arc::clone(&campaign.release);
            let task = tokio::spawn(campaign.run(OwnNotes::default, stop.clone()));
            states.wait_for(|state| state.leading.is_some()).await.unwrap();
            Self { store, fence, states, release, stop, task }
        }

        fn holder(&self) -> String {
            self.store.stored.lock().unwrap().clone().unwrap().record.holder
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_yielded_after_the_writes_under_way_or_kept_if_they_take_long() {
        let mut stage = Stage::leads().await;
        let (term, write) = stage.fence.begin_write().unwrap();
        stage.release.notify_one();
        stage.states.wait_for(|state| state.leading.is_none()).await.unwrap();
        assert!(stage.fence.begin_write().is_none(), "no further write begins");
        let back = stage.states.wait_for(|state| state.leading.is_some()).await.unwrap().clone();
        assert_eq!((back.leading.unwrap().term, stage.holder().as_str()), (term, "host-a:1:ff"));
        write.done();
        stage.release.notify_one();
        stage.states.wait_for(|state| state.leader.is_none()).await.unwrap();
        assert_eq!((stage.holder().as_str(), stage.fence.term()), ("", None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_not_released_while_an_abandoned_write_may_arrive() {
        for (since, holder) in [(LINGER / 2, "host-a:1:ff"), (LINGER, "")] {
            let mut stage = Stage::leads().await;
            drop(stage.fence.begin_write().unwrap());
            tokio::time::sleep(since).await;
            stage.stop.cancel();
            (&mut stage.task).await.unwrap();
            assert_eq!((stage.holder().as_str(), stage.fence.term()), (holder, None));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_store_hangs_stands_by_in_time_and_one_that_stops_releases() {
        let store = Arc::new(MemoryStore::default());
        let clock = BootClock::Virtual(tokio::time::Instant::now());
        let fence = Fence::new(clock);
        let (notes, noted) = watch::channel(OwnNotes::default());
        let calendar = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let io = (fence.clone(), clock, calendar);
        let lease = LeaseOfCampaign { store: Arc::clone(&store) as _, shares: None };
        let campaign = Campaign::new("host-a:1:ff".into(), lease, io);
        let (mut states, stop) = (campaign.states(), CancellationToken::new());
        let task = tokio::spawn(campaign.run(move || noted.borrow().clone(), stop.clone()));
        let led = states.wait_for(|state| state.leading.is_some()).await.unwrap().clone();
        assert_eq!(led.leader.map(|leader| leader.holder), Some("host-a:1".to_owned()));
        assert_eq!(fence.term(), Some(1));
        notes.send_replace(OwnNotes { audit_head: Some("7:ab".into()), alerts: None });
        tokio::time::sleep(RENEW_EVERY * 2).await;
        store.hangs.store(true, Ordering::Relaxed);
        let hung = tokio::time::Instant::now();
        states.wait_for(|state| state.leading.is_none()).await.unwrap();
        assert!(hung.elapsed() <= WRITE_FOR, "{:?}", hung.elapsed());
        assert_eq!(fence.term(), None);
        assert!(states.borrow().fault.is_some());
        store.hangs.store(false, Ordering::Relaxed);
        let again = states.wait_for(|state| state.leading.is_some()).await.unwrap().clone();
        assert_eq!(again.leading.unwrap().notes.audit_head.as_deref(), Some("7:ab"));
        stop.cancel();
        task.await.unwrap();
        let released = store.stored.lock().unwrap().clone().unwrap().record;
        assert_eq!((released.holder.as_str(), released.term, fence.term()), ("", 1, None));
        assert_eq!(released.notes.audit_head.as_deref(), Some("7:ab"));
    }
}
