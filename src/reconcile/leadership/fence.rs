//! Whether this process may write now.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::domain::poison::IgnorePoison;
use crate::election::Grant;
use crate::host::boot_clock::BootClock;

/// The permission to write, and the clock on which it ends. It ends by itself, even if the task that
/// renews it hangs or the process was stopped. Clones share it.
#[derive(Debug, Clone)]
pub struct Fence {
    grant: Arc<Mutex<Option<Grant>>>,
    clock: BootClock,
}

impl Fence {
    /// A fence without a permission.
    pub fn new(clock: BootClock) -> Self {
        Self { grant: Arc::default(), clock }
    }

    /// The term in which this process may write now.
    pub fn term(&self) -> Option<u64> {
        let grant = *self.grant();
        grant.filter(|grant| self.clock.now() < grant.until).map(|grant| grant.term)
    }

    /// Completes when this process may no longer write in `term`.
    pub(super) async fn lost(&self, term: u64) {
        loop {
            let grant = *self.grant();
            let Some(grant) = grant.filter(|grant| grant.term == term) else { return };
            let left = grant.until.saturating_sub(self.clock.now());
            if left == Duration::ZERO {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    pub(super) fn set(&self, grant: Option<Grant>) {
        *self.grant() = grant;
    }

    fn grant(&self) -> MutexGuard<'_, Option<Grant>> {
        self.grant.lock().ignoring_poison()
    }
}
