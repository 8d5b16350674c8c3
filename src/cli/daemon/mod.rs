//! `watch`: runs the scaling loop of each GARM as a service, with its files, listener, log, alerts
//! and audit file, and handles signals and systemd.
//!
//! The [`supervisor`] has what the process has once; a [`service`] is about one GARM. The loop itself
//! is in `reconcile`. It reports to an [`observer`], which never blocks: the log, the alerts and the
//! audit file each have a task or thread behind a bounded queue.

mod alerting;
mod anchoring;
mod audit_backlog;
mod audit_feed;
mod audit_listener;
mod backoff_warnings;
mod client_cert;
mod compliance;
mod decisions_page;
mod drift;
mod files;
mod gauges;
mod guardrails;
mod leadership;
pub(super) mod log_lines;
mod missing_pools;
mod mtls_probe;
mod mtls_schedule;
mod observer;
mod pool_log;
mod pool_queue;
mod process;
mod read_failures;
mod recent;
mod reload;
mod runner_faults;
mod server_cert;
mod service;
pub(super) mod setup;
mod startup;
mod status_page;
mod supervisor;
mod timings;

use super::args::WatchArgs;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::reconcile::watch::{RunMode, Writes};

impl WatchArgs {
    fn course(&self) -> RunMode {
        match (self.once, self.release) {
            (true, _) => RunMode::Once,
            (false, true) => RunMode::Release,
            (false, false) => RunMode::Steady,
        }
    }

    fn writes(&self) -> Writes {
        if self.dry_run { Writes::Withheld } else { Writes::Sent }
    }
}

/// Runs until it is stopped or, with `--once` and `--release`, until that work is done.
pub async fn run(args: &WatchArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let opened = process::open(args, cx).await?;
    supervisor::supervise(opened, cx).await
}
