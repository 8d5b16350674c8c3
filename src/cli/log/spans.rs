//! The name of a GARM on every line of the log that is about it.

use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, error_span};

use super::layer::GARM_SPAN;
use crate::domain::name::GarmName;

/// The span whose lines name this GARM; none if the fleet file has no `garms`.
pub(in crate::cli) fn of(garm: Option<&GarmName>) -> Span {
    // At the level of errors, so that no filter disables it.
    garm.map_or_else(Span::none, |garm| error_span!(GARM_SPAN, garm = garm.as_str()))
}

/// Runs `work` with the name of this GARM on its lines.
pub(in crate::cli) async fn within<T>(garm: Option<&GarmName>, work: impl Future<Output = T>) -> T {
    work.instrument(of(garm)).await
}

/// Spawns a task whose lines name the same GARM as those of the caller.
pub(in crate::cli) fn spawn<T: Send + 'static>(
    tasks: &TaskTracker,
    work: impl Future<Output = T> + Send + 'static,
) {
    tasks.spawn(work.in_current_span());
}
