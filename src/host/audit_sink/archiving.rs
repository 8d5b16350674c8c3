//! Archives closed segments beside the writer thread, which must not wait for compression.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{SinkEvent, SinkShared};

/// The time until the next attempt to archive a segment that could not be archived.
const RETRY: Duration = Duration::from_mins(1);

/// Whether segments are to be archived.
#[derive(Debug)]
pub(super) struct ArchivePlan {
    /// When the next attempt is due; absent if nothing is to be done.
    due: Option<Instant>,
    is_running: bool,
}

impl Default for ArchivePlan {
    /// An interrupted process may have left something.
    fn default() -> Self {
        Self { due: Some(Instant::now()), is_running: false }
    }
}

impl ArchivePlan {
    /// A segment was closed.
    pub(super) fn want(&mut self) {
        self.due = Some(Instant::now());
    }

    fn is_due(&self) -> bool {
        !self.is_running && self.due.is_some_and(|due| due <= Instant::now())
    }
}

impl SinkShared {
    /// Starts a thread that archives closed segments, if one is due and none is running. It ends
    /// with the process at any point: the next process continues its work.
    pub(super) fn archive_if_due(self: &Arc<Self>) {
        {
            let mut queue = self.queue();
            if queue.is_closing || !queue.archive.is_due() {
                return;
            }
            (queue.archive.due, queue.archive.is_running) = (None, true);
        }
        let shared = Arc::clone(self);
        let work = move || {
            let result = shared.audit_file.archive(&shared.cause, &shared.stop_archiving);
            let mut queue = shared.queue();
            queue.archive.is_running = false;
            if result.is_err() {
                queue.archive.due = Some(Instant::now() + RETRY);
            }
            drop(queue);
            if let Err(error) = result {
                (shared.listener)(&SinkEvent::NotRotated(&error.to_string()));
            }
        };
        if std::thread::Builder::new().name("audit-archive".into()).spawn(work).is_err() {
            let mut queue = self.queue();
            queue.archive.is_running = false;
            queue.archive.due = Some(Instant::now() + RETRY);
        }
    }

    pub(super) fn stop_archiving(&self) {
        self.stop_archiving.store(true, Ordering::Relaxed);
    }
}
