//! Shares the leases of several GARMs out among the processes that take part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::poison::IgnorePoison;
use crate::election::{
    JoinedLeases, LeaseOwner, MembersAnswer, MembersRequest, Membership, Share, StoreFault, Taking,
};
use crate::host::boot_clock::BootClock;
use crate::lease_store::MembersStore;

/// How long one request to the store may take.
const TIMEOUT: Duration = Duration::from_millis(1_900);

/// How long leaving the record may take at the end. After that the others wait until this process
/// counts as gone.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// The leases of this process. Its campaigns ask before they take one, and release one when they are
/// told to.
pub struct LeaseShares {
    state: Mutex<SharesState>,
    /// The number of processes that share the leases; absent until it is known.
    live: watch::Sender<Option<usize>>,
    clock: BootClock,
}

struct SharesState {
    share: Share,
    /// Names the leases: only processes with the same ones share them out.
    group: String,
    /// Tells the campaign of each lease to release it.
    releases: BTreeMap<String, Arc<Notify>>,
}

impl LeaseShares {
    /// No leases.
    pub fn new(clock: BootClock) -> Arc<Self> {
        let (share, group) = (Share::new(0), String::new());
        let state = SharesState { share, group, releases: BTreeMap::new() };
        Arc::new(Self { state: Mutex::new(state), live: watch::Sender::default(), clock })
    }

    /// Sets the number of leases and which of them are joined. `group` names them: only processes with
    /// the same ones share them out.
    pub fn set_leases(&self, leases: usize, joined: JoinedLeases, group: String) {
        let mut state = self.state();
        state.share.set_leases(leases, joined);
        state.group = group;
    }

    /// Shows the number of processes that share the leases at any time.
    pub fn live(&self) -> watch::Receiver<Option<usize>> {
        self.live.subscribe()
    }

    /// A campaign for this lease begins. It is notified when it is to release the lease.
    pub(super) fn begin(&self, lease: &str) -> Arc<Notify> {
        let release = Arc::new(Notify::new());
        self.state().releases.insert(lease.to_owned(), Arc::clone(&release));
        release
    }

    /// The campaign for this lease has ended.
    pub(super) fn end(&self, lease: &str) {
        let mut state = self.state();
        state.releases.remove(lease);
        state.share.note(lease, LeaseOwner::Unheld, self.clock.now());
    }

    /// Whether a lease that has been free for `free_for` is to be taken.
    pub(super) fn taking(&self, lease: &str, free_for: Duration) -> Taking {
        let live = *self.live.borrow();
        if self.state().share.take(lease, free_for, live) {
            Taking::Allowed
        } else {
            Taking::Withheld
        }
    }

    /// Notes who has a lease.
    pub(super) fn note(&self, lease: &str, owner: LeaseOwner) {
        self.state().share.note(lease, owner, self.clock.now());
    }

    /// Takes part until `stop`: counts the other processes, and evens the shares out.
    pub async fn run(
        self: Arc<Self>,
        mut membership: Membership,
        store: Arc<dyn MembersStore>,
        stop: CancellationToken,
    ) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.beat(&mut membership, &store) => {}
        }
        membership.leave(self.clock.now());
        let _ = tokio::time::timeout(LEAVE_MAX, self.beat(&mut membership, &store)).await;
    }

    async fn beat(&self, membership: &mut Membership, store: &Arc<dyn MembersStore>) {
        while !membership.is_over() {
            let now = self.clock.now();
            membership.set_group(self.state().group.clone());
            match membership.next(now) {
                Some(request) => {
                    let answer = ask(store, request).await;
                    self.take(membership, answer);
                }
                None => {
                    let wait = membership.deadline().unwrap_or_default().saturating_sub(now);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn take(&self, membership: &mut Membership, answer: MembersAnswer) {
        let now = self.clock.now();
        membership.answer(answer, now);
        let live = membership.live(now);
        self.live.send_if_modified(|known| std::mem::replace(known, live) != live);
        let mut state = self.state();
        if let Some(lease) = state.share.release(now, live)
            && let Some(release) = state.releases.get(&lease)
        {
            release.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, SharesState> {
        self.state.lock().ignoring_poison()
    }
}

async fn ask(store: &Arc<dyn MembersStore>, request: MembersRequest) -> MembersAnswer {
    let late = || StoreFault {
        message: "the store of the leases does not answer in time".into(),
        help: "check that it runs and can be reached from here",
    };
    match request {
        MembersRequest::Read => {
            let answer = tokio::time::timeout(TIMEOUT, store.read()).await;
            MembersAnswer::Read(answer.unwrap_or_else(|_| Err(late())))
        }
        MembersRequest::Swap { expected, record } => {
            let swap = store.swap(expected.as_deref(), &record);
            let answer = tokio::time::timeout(TIMEOUT, swap).await;
            MembersAnswer::Swap(answer.unwrap_or_else(|_| Err(late())))
        }
    }
}
