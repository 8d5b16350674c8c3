//! The layer that turns events of `tracing` into records and passes them to a writer.

use std::fmt::Debug;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

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

/// The name of the span of the work for a GARM, whose field `garm` every line within it gets.
pub(super) const GARM_SPAN: &str = "garm";

/// The name of a GARM, kept with its span.
struct SpanGarm(String);

impl Visit for SpanGarm {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == GARM_SPAN {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() == GARM_SPAN
            && let Some(span) = context.span(id)
        {
            let mut garm = SpanGarm(String::new());
            attributes.record(&mut garm);
            span.extensions_mut().insert(garm);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut record = LogRecord::of(event, Clock::Real.now());
        let mut spans = context.event_scope(event).into_iter().flatten();
        record.garm =
            spans.find_map(|span| span.extensions().get::<SpanGarm>().map(|garm| garm.0.clone()));
        match &self.0 {
            Sink::Direct(writer) => writer.write(&record),
            Sink::Queue(queue) => queue.push(record),
        }
    }
}
