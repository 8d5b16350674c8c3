//! The tokio runtimes of the commands.
//!
//! Blocking work (file access, name resolution, a large page) runs on a pool of threads. Tokio
//! panics if such work is spawned while the pool is empty and the system refuses a thread. Every
//! runtime here therefore starts the first thread of its pool before any work and keeps it to the
//! end: after a later refusal, work only waits for that thread. A refusal at the start ends the
//! command with an error.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::exit::Exit;
use super::failure::Failure;

/// The largest number of threads in the pool. The work is short or waits for a disk, so more
/// threads would only wait for the disk, too.
const POOL_MAX: usize = 16;

/// How long an idle thread of the pool is kept: for the life of the process.
const KEPT: Duration = Duration::from_secs(u32::MAX as u64);

/// How long blocking work may delay the end of the process.
const END_PATIENCE: Duration = Duration::from_millis(200);

/// Runs `work` on this thread alone.
pub(super) fn wait(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    started(|| Builder::new_current_thread().enable_all().pooled().build())?.block_on(work)
}

/// Runs `work` on this thread and spawned tasks on a second one, so that they do not wait for the
/// loop.
pub(super) fn wait_on_threads(
    work: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    // One worker suffices, and glibc would keep memory of each full read for a second one, too.
    let build = || Builder::new_multi_thread().worker_threads(1).enable_all().pooled().build();
    let runtime = started(build)?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(END_PATIENCE);
    ended
}

/// Runs `work` with tokio's clock paused: it jumps to the next deadline.
pub(super) fn wait_in_virtual_time(
    work: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let build = || Builder::new_current_thread().enable_all().start_paused(true).pooled().build();
    started(build)?.block_on(work)
}

trait Pooled {
    /// Bounds the pool of threads and keeps idle threads.
    fn pooled(&mut self) -> &mut Self;
}

impl Pooled for Builder {
    fn pooled(&mut self) -> &mut Self {
        self.max_blocking_threads(POOL_MAX).thread_keep_alive(KEPT)
    }
}

/// Builds a runtime and starts the first thread of its pool.
fn started(build: impl FnOnce() -> io::Result<Runtime>) -> Result<Runtime, Failure> {
    // Tokio has no fallible call for either, so the panic is caught. This is the only place where a
    // refused thread can panic.
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

/// The failure of a command for which the system refused the thread of `what`.
pub(super) fn not_started(error: io::Error, what: &str) -> Failure {
    Failure::from(anyhow::Error::new(error).context(format!("cannot start {what}")))
        .help("raise the limit of threads: `TasksMax=` of the service, or `ulimit -u`")
}
