//! GARM's event stream: a task reads it into a bounded queue and reopens it when it breaks.
//!
//! Events are hints: GARM sends them out of order, loses some silently, and deletes some rows
//! without one (GARM.md §0.8, §g). What was missed before a connection is unknown, so the consumer
//! reads the whole fleet after each connection and at intervals.

mod meter;
mod queue;
mod reader;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::session::Session;
use crate::domain::backoff::Backoff;
use crate::scaling::RowChange;

use queue::SignalQueue;

/// GARM pings every 54 s regardless of other traffic, so a peer that is silent for longer is dead.
pub const SILENCE_MAX: Duration = Duration::from_secs(75);

/// Longest message, in bytes. The event of a pool embeds its runners, about a kilobyte each.
pub const MESSAGE_MAX: usize = 16 << 20;

/// Maximum number of queued changes: four times what GARM keeps for a slow reader, and a few
/// megabytes.
pub const WAITING_MAX: usize = 4096;

/// A connection that was open for this long resets the backoff.
pub const SETTLED_AFTER: Duration = Duration::from_secs(30);

/// A signal of the stream.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamSignal {
    /// The stream is open. What happened before is unknown: do a full read.
    Connected,
    /// Rows have changed, in the order in which the events arrived.
    Changes(Vec<RowChange>),
    /// GARM's own settings have changed: read them.
    Settings,
    /// The stream is lost, with the reason; it will be reopened. Sent once per reason.
    Lost(String),
    /// Events were dropped because there were too many: do a full read. Sent once, however many
    /// were dropped.
    Overflow,
}

/// The limits of a stream; the defaults except in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// A peer that is silent for longer is dead.
    pub silence: Duration,
    /// The longest accepted message, in bytes.
    pub message_max: usize,
    /// Maximum number of queued changes.
    pub waiting_max: usize,
    /// Memory that the events of half a minute may take, in bytes.
    pub taken_max: usize,
    /// How long to wait before reopening the stream.
    pub backoff: Backoff,
    /// A connection that was open for this long resets the backoff.
    pub settled_after: Duration,
    /// Seed of the jitter, so that watchers with different seeds do not reconnect at the same time.
    pub seed: u64,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            silence: SILENCE_MAX,
            message_max: MESSAGE_MAX,
            waiting_max: WAITING_MAX,
            taken_max: meter::TAKEN_MAX,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
            settled_after: SETTLED_AFTER,
            seed: 0,
        }
    }
}

/// The receiving end. Dropping it ends the task and the connection.
pub struct Feed {
    queue: Arc<SignalQueue>,
    _reader: AbortOnDropHandle<()>,
}

impl Feed {
    /// Waits for the next signal; `None` once the task has ended, which it does not do by itself.
    /// Cancel-safe: no signal is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<StreamSignal> {
        self.queue.next().await
    }

    /// How many messages could not be decoded so far. They are skipped.
    pub fn misread(&self) -> u64 {
        self.queue.misread()
    }
}

pub(super) fn open(session: Arc<Session>, limits: StreamLimits) -> Feed {
    let queue = Arc::new(SignalQueue::new(limits.waiting_max));
    let reader = tokio::spawn(reader::read(session, Arc::clone(&queue), limits).in_current_span());
    Feed { queue, _reader: AbortOnDropHandle::new(reader) }
}
