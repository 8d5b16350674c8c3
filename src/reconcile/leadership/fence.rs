//! Whether this process may write now.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::poison::IgnorePoison;
use crate::election::{Grant, LINGER};
use crate::host::boot_clock::BootClock;

/// The permission to write, and the clock on which it ends. It ends by itself, even if the task that
/// renews it hangs or the process was stopped. Clones share it.
#[derive(Debug, Clone)]
pub struct Fence {
    gate: Arc<Mutex<Gate>>,
    /// The number of writes under way.
    writes: Arc<watch::Sender<usize>>,
    clock: BootClock,
}

#[derive(Debug, Default)]
struct Gate {
    grant: Option<Grant>,
    /// No further write begins, although the permission lasts: the lease is about to be released.
    is_closing: bool,
    /// When a write was last abandoned without an answer.
    abandoned_at: Option<Duration>,
}

/// A write under way. Dropped before [`Self::done`], it counts as abandoned.
pub(super) struct WriteUnderWay {
    fence: Fence,
    is_done: bool,
}

impl WriteUnderWay {
    /// GARM has answered, or the request has failed.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for WriteUnderWay {
    fn drop(&mut self) {
        if !self.is_done {
            self.fence.gate().abandoned_at = Some(self.fence.clock.now());
        }
        self.fence.writes.send_modify(|writes| *writes -= 1);
    }
}

impl Fence {
    /// A fence without a permission.
    pub fn new(clock: BootClock) -> Self {
        Self { gate: Arc::default(), writes: Arc::default(), clock }
    }

    /// The term in which this process may begin to write now.
    pub fn term(&self) -> Option<u64> {
        let gate = self.gate();
        let grant = gate.grant.filter(|_| !gate.is_closing);
        grant.filter(|grant| self.clock.now() < grant.until).map(|grant| grant.term)
    }

    /// Begins a write in the current term, if there is one.
    pub(super) fn begin_write(&self) -> Option<(u64, WriteUnderWay)> {
        // Counted first: `drained` must not miss a write that has passed the gate.
        self.writes.send_modify(|writes| *writes += 1);
        let write = WriteUnderWay { fence: self.clone(), is_done: false };
        let Some(term) = self.term() else {
            write.done();
            return None;
        };
        Some((term, write))
    }

    /// Whether no write of this process can reach GARM any more unless another one begins.
    pub(super) fn is_settled(&self) -> bool {
        let since = self.gate().abandoned_at;
        let is_over = |since| self.clock.now().saturating_sub(since) >= LINGER;
        *self.writes.borrow() == 0 && since.is_none_or(is_over)
    }

    /// Lets no further write begin.
    pub(super) fn close(&self) {
        self.gate().is_closing = true;
    }

    /// Waits for the writes under way.
    pub(super) async fn drained(&self) {
        let mut writes = self.writes.subscribe();
        // The sender is a field of this value.
        let _ = writes.wait_for(|writes| *writes == 0).await;
    }

    /// Lets writes begin again.
    pub(super) fn reopen(&self) {
        self.gate().is_closing = false;
    }

    /// Completes when this process may no longer write in `term`.
    pub(super) async fn lost(&self, term: u64) {
        loop {
            let grant = self.gate().grant;
            let Some(grant) = grant.filter(|grant| grant.term == term) else { return };
            let left = grant.until.saturating_sub(self.clock.now());
            if left == Duration::ZERO {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    pub(super) fn set(&self, grant: Option<Grant>) {
        self.gate().grant = grant;
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().ignoring_poison()
    }
}
