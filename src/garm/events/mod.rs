//! GARM's events as a watcher sees them: a task drains the stream into a bounded queue and brings
//! the stream back when it is gone.
//!
//! Events are hints: GARM sends them out of order, loses them without a word, and deletes some
//! rows without any (GARM.md §0.8, §g). So each connection begins with nothing known of what was
//! missed, and whoever listens reads the fleet as a whole then, and every so often.

mod meter;
mod queue;
mod reader;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::session::Session;
use crate::domain::backoff::Backoff;
use crate::scaling::RowChange;

use queue::SignalQueue;

/// GARM pings every 54 s, whatever else it sends: a peer that is silent for longer is dead.
pub const SILENCE_MAX: Duration = Duration::from_secs(75);

/// Longest message, in bytes. An event of a pool embeds its runners, about a kilobyte each.
pub const MESSAGE_MAX: usize = 16 << 20;

/// So many changes wait to be taken: four times what GARM keeps for a slow reader, and a few
/// megabytes.
pub const WAITING_MAX: usize = 4096;

/// A connection that has stood for so long was a good one: the back-off begins anew.
pub const SETTLED_AFTER: Duration = Duration::from_secs(30);

/// What the stream tells.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamSignal {
    /// The stream stands. What happened before is not known: read the fleet as a whole.
    Connected,
    /// Rows have changed, in the order in which their events came.
    Changes(Vec<RowChange>),
    /// GARM's own settings have changed: read them.
    Settings,
    /// The stream is gone, and why, in words; it will be tried again. Said once for each reason.
    Lost(String),
    /// More came than was taken, and some of it is lost: read the fleet as a whole. Said once,
    /// however much is lost.
    Overflow,
}

/// The bounds of a stream. The usual ones but for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// A peer that is silent for longer is dead.
    pub silence: Duration,
    /// Longest message, in bytes.
    pub message_max: usize,
    /// So many changes wait to be taken.
    pub waiting_max: usize,
    /// What events may weigh together in half a minute, in bytes of memory.
    pub taken_max: usize,
    /// How long to wait before the stream is opened again.
    pub backoff: Backoff,
    /// When a connection has stood for so long, the back-off begins anew.
    pub settled_after: Duration,
    /// Any number, for the jitter: watchers with different ones do not come back together.
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

/// Where the signals come out. Dropping it ends the task behind it and the connection.
pub struct Feed {
    queue: Arc<SignalQueue>,
    _reader: AbortOnDropHandle<()>,
}

impl Feed {
    /// The next signal; waits for it. Nothing once the task behind it has ended, which it does not
    /// do by itself. May be dropped while it waits: no signal is lost by that.
    pub async fn next(&mut self) -> Option<StreamSignal> {
        self.queue.next().await
    }

    /// How many messages could not be read so far. Each is passed over.
    pub fn misread(&self) -> u64 {
        self.queue.misread()
    }
}

/// Begins to read.
pub(super) fn open(session: Arc<Session>, limits: StreamLimits) -> Feed {
    let queue = Arc::new(SignalQueue::new(limits.waiting_max));
    let reader = tokio::spawn(reader::read(session, Arc::clone(&queue), limits));
    Feed { queue, _reader: AbortOnDropHandle::new(reader) }
}
