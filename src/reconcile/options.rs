//! The options of an apply.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::name::{PoolName, RunnerName};
use crate::secrets::AppKey;

/// The options of an apply.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// How many pools are changed at a time; 0 counts as 1.
    pub parallelism: usize,
    /// How long an apply waits for the busy runners of each pool.
    pub drain_timeout: Duration,
    /// Cancelled to stop: the write in flight is finished (a create is one write), and no other
    /// begins.
    pub stop: CancellationToken,
    /// The runner that executes this process (`RUNNER_NAME`); the apply never waits for it.
    pub own_runner: Option<RunnerName>,
    /// The pools whose outdated idle runners are replaced afterwards (`--rotate`).
    pub rotate: Vec<PoolName>,
    /// The private keys of the plan's credentials, by name.
    pub keys: BTreeMap<String, AppKey>,
}

/// The default number of pools that are changed at a time.
pub const PARALLELISM: usize = 8;

/// The default limit for the drain of a pool.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30 * 60);

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            parallelism: PARALLELISM,
            drain_timeout: DRAIN_TIMEOUT,
            stop: CancellationToken::new(),
            own_runner: None,
            rotate: Vec::new(),
            keys: BTreeMap::new(),
        }
    }
}
