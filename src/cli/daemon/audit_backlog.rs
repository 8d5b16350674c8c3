//! The records of runners that were observed for the first time, as the audit file has room for them.

use std::sync::{Arc, Mutex};

use crate::audit::Entry;
use crate::audit::lifecycle::Lifecycle;
use crate::domain::poison::IgnorePoison;
use crate::host::audit_sink::RecordBacklog;
use crate::reconcile::leadership::Fence;

/// The number of records that are made at once. The loop waits for at most so many.
const PORTION: usize = 500;

/// The first sights that the lifecycle has not recorded yet.
pub(super) struct FirstSights {
    pub(super) lifecycle: Arc<Mutex<Lifecycle>>,
    /// Absent without `watch.leader`.
    pub(super) fence: Option<Fence>,
}

impl RecordBacklog for FirstSights {
    fn next(&self, queue: &mut dyn FnMut(&[Entry])) {
        // Queued under the lock, so that later records about these runners come after them.
        let mut lifecycle = self.lifecycle.lock().ignoring_poison();
        let mut entries = lifecycle.next_unrecorded(PORTION);
        let term = self.fence.as_ref().and_then(Fence::term);
        entries.iter_mut().for_each(|entry| entry.cause.term = term);
        queue(&entries);
    }

    fn remaining(&self) -> usize {
        self.lifecycle.lock().ignoring_poison().unrecorded()
    }
}
