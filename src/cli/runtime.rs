//! The runtimes that commands wait on.
//!
//! Work that blocks (a file, a name to resolve, a large page) runs on threads of a pool. Tokio
//! panics when such work is handed over while the pool is empty and the system refuses a thread.
//! So every runtime here starts the first thread of its pool before any work and keeps it to the
//! end: a later refusal only makes work wait for that thread. A refusal at the start ends the
//! command with an error.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::exit::Exit;
use super::failure::Failure;

/// Threads of the pool at most. The work is short or waits for a disk, so more would only queue
/// there.
const POOL_MAX: usize = 16;

/// How long an idle thread of the pool is kept: for ever.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);

/// How long work that hangs on a disk may keep a process that is about to end.
const END_PATIENCE: Duration = Duration::from_millis(200);

/// Runs what waits on the world, on this thread alone.
pub(super) fn wait(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    started(|| Builder::new_current_thread().enable_all().pooled().build())?.block_on(work)
}

/// The same with two threads: the loop on this one, and what must not wait for it beside it.
pub(super) fn wait_on_threads(
    work: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    // One is enough, and a second would have memory of its own for each full read.
    let build = || Builder::new_multi_thread().worker_threads(1).enable_all().pooled().build();
    let runtime = started(build)?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(END_PATIENCE);
    ended
}

/// The same with the clock paused: it jumps to the next thing that is waited for.
pub(super) fn wait_in_virtual_time(
    work: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let build = || Builder::new_current_thread().enable_all().start_paused(true).pooled().build();
    started(build)?.block_on(work)
}

trait Pooled {
    /// Bounds the pool of threads, which are kept once they are there.
    fn pooled(&mut self) -> &mut Self;
}

impl Pooled for Builder {
    fn pooled(&mut self) -> &mut Self {
        self.max_blocking_threads(POOL_MAX).thread_keep_alive(KEPT)
    }
}

/// Builds a runtime and starts the first thread of its pool.
fn started(build: impl FnOnce() -> io::Result<Runtime>) -> Result<Runtime, Failure> {
    // Tokio has no fallible call for either, so the panic is caught; this is the only place where
    // one can come from a refused thread.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let built = panic::catch_unwind(AssertUnwindSafe(|| {
        let runtime = build()?;
        drop(runtime.spawn_blocking(|| {}));
        Ok(runtime)
    }));
    panic::set_hook(hook);
    let refused = || io::Error::other("the system refuses another thread");
    built.unwrap_or_else(|_| Err(refused())).map_err(|error| not_started(error, "the runtime"))
}

/// The failure of a command that was refused a thread for `what`.
pub(super) fn not_started(error: io::Error, what: &str) -> Failure {
    Failure::from(anyhow::Error::new(error).context(format!("cannot start {what}")))
        .help("raise the limit of threads: `TasksMax=` of the service, or `ulimit -u`")
}
