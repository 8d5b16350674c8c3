//! Whether this process may write now.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::poison::IgnorePoison;
use crate::election::Grant;
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
}

/// A write under way.
pub(super) struct WriteUnderWay(Arc<watch::Sender<usize>>);

impl Drop for WriteUnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|writes| *writes -= 1);
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
        let write = WriteUnderWay(Arc::clone(&self.writes));
        Some((self.term()?, write))
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
