//! The layer that turns events of `tracing` into records and passes them to a writer.

use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::format::LogWriter;
use super::queue::LogQueue;
use super::record::LogRecord;
use crate::host::clock::Clock;

/// The thread that writes the records.
enum Sink {
    Direct(LogWriter),
    /// A separate thread, so that a stalled reader does not delay the program.
    Queue(Arc<LogQueue>),
}

/// Formats every event that the filter lets through.
pub(super) struct LogLayer(Sink);

impl LogLayer {
    pub(super) fn direct(writer: LogWriter) -> Self {
        Self(Sink::Direct(writer))
    }

    pub(super) fn queued(queue: Arc<LogQueue>) -> Self {
        Self(Sink::Queue(queue))
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = LogRecord::of(event, Clock::Real.now());
        match &self.0 {
            Sink::Direct(writer) => writer.write(&record),
            Sink::Queue(queue) => queue.push(record),
        }
    }
}
