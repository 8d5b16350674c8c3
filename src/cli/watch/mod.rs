//! `watch`: the scaling loop as a service. Everything around the loop: its files, its listener,
//! its log, its alerts, its audit file, and what signals and systemd ask of it.
//!
//! The loop itself is the engine's; it tells a [`reporter`], which blocks nowhere: the log, the
//! alerts and the audit file have a task each behind a bounded queue.

mod alerting;
mod anchoring;
mod drifts;
mod ear;
mod explain;
mod gauges;
mod guardrails;
mod identity;
mod journal;
mod leaving;
mod listening;
mod opening;
mod proving;
mod records;
mod reload;
mod repeats;
mod reporter;
mod rounds;
mod service;
pub(super) mod setup;
mod timings;
mod unsteered;
mod verdicts;
pub(super) mod words;

use std::net::SocketAddr;

use super::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::engine::watch::{Course, Writes};

/// `watch`
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// Where metrics, health and decisions are served [default: `watch.listen` of the fleet file]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Decide, and write nothing to GARM
    #[arg(long)]
    pub dry_run: bool,
    /// Read once, decide once, write; end when the runners asked for are on their way
    #[arg(long, conflicts_with = "release")]
    pub once: bool,
    /// Lower every raised level to its floor, and end
    #[arg(long)]
    pub release: bool,
}

impl WatchArgs {
    fn course(&self) -> Course {
        match (self.once, self.release) {
            (true, _) => Course::Once,
            (false, true) => Course::Release,
            (false, false) => Course::Steady,
        }
    }

    fn writes(&self) -> Writes {
        if self.dry_run { Writes::Withheld } else { Writes::Sent }
    }
}

/// Watches until it is told to stop, or with `--once` and `--release` until that is done.
pub async fn run(args: &WatchArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let opened = opening::open(args, cx).await?;
    service::serve(opened).await
}
