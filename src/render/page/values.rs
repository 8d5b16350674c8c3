//! The data of the pages.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::desired::DesiredPool;
use crate::monitor::{AlertTransition, PoolGauges, QueueTrend};
use crate::render::decision::{DecisionEffect, Stall};
use crate::scaling::Decision;

/// The severity of a conclusion, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// A failure that needs action.
    Bad,
    /// A condition that may need action.
    Warning,
    /// Work in progress, such as booting runners.
    Busy,
    /// A healthy condition.
    Good,
    /// Neither good nor bad, or unknown.
    Quiet,
}

impl Tone {
    /// The class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warning => "warn",
            Self::Busy => "busy",
            Self::Good => "good",
            Self::Quiet => "quiet",
        }
    }
}

/// The data of every page: the fleet, the last observation, checks and alerts, and whether
/// decisions are written.
#[derive(Debug, Clone)]
pub struct PageFrame<'a> {
    pub fleet: &'a str,
    /// The name of its GARM in the fleet file; absent without `garms`.
    pub garm_name: Option<&'a str>,
    /// The address of its GARM.
    pub garm: &'a str,
    /// The last full read; `None` before the first one.
    pub observation: Option<PageObservation>,
    /// Why the loop no longer runs, if it does not.
    pub loop_stopped: Option<&'a str>,
    /// Why nothing is written to GARM or to a part of it, one sentence per reason.
    pub frozen: &'a [String],
    /// Whether `watch` runs with `--dry-run`.
    pub is_dry_run: bool,
    /// GARM, events, audit log, mTLS and files.
    pub checks: Vec<HealthCheck>,
    pub alerts: &'a [PageAlert],
    /// Whether the browser reloads the page every ten seconds.
    pub is_refreshed: bool,
}

/// The last full read of GARM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageObservation {
    /// Its end, on GARM's clock.
    pub at: Timestamp,
    /// The age at the time of the request.
    pub age: Duration,
    /// Whether decisions are still based on it.
    pub is_current: bool,
}

impl PageObservation {
    /// The time `age` before the request, on GARM's clock.
    pub(super) fn before(&self, age: Duration) -> Option<Timestamp> {
        let signed = |duration| SignedDuration::try_from(duration).ok();
        self.at.checked_add(signed(self.age)?).ok()?.checked_sub(signed(age)?).ok()
    }
}

/// The health of one part of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The name of the part.
    pub name: &'static str,
    pub tone: Tone,
    /// One sentence without a full stop.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PageAlert {
    /// The alert as sent to the receivers, with the current value.
    pub transition: AlertTransition,
    /// How long it has been firing.
    pub lasting: Duration,
}

/// A past action or problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEntry {
    pub age: Duration,
    /// The pool that it concerns.
    pub pool: Option<String>,
    pub tone: Tone,
    /// One sentence without a full stop.
    pub text: String,
    /// What to do about it, as a `help:` line.
    pub help: Option<String>,
}

/// A pool, in one row or on its own page.
#[derive(Debug, Clone)]
pub struct PoolOverview<'a> {
    pub name: &'a str,
    pub gauges: &'a PoolGauges,
    /// Its queue in the last hour.
    pub trend: QueueTrend,
    pub scaling: PoolScaling<'a>,
    /// The names of the alert rules that are firing for it.
    pub alerts: Vec<&'a str>,
}

/// How a pool is scaled.
#[derive(Debug, Clone, Copy)]
pub enum PoolScaling<'a> {
    Decided {
        decision: &'a Decision,
        /// Whether the decision is applied.
        effect: DecisionEffect<'a>,
        /// Set if GARM does not follow the level.
        stall: Option<&'a Stall>,
    },
    /// It is not scaled on purpose: it is disabled, or `autoscale` is `false`. Contains the reason.
    AtRest(&'a str),
    /// It cannot be scaled, for this reason.
    Unresolved(&'a str),
}

#[derive(Debug, Clone)]
pub struct FleetPage<'a> {
    pub frame: PageFrame<'a>,
    pub pools: Vec<PoolOverview<'a>>,
    /// The last scaling actions, newest first.
    pub actions: Vec<PageEntry>,
    /// The last problems, newest first.
    pub problems: Vec<PageEntry>,
}

/// A GARM in one row.
#[derive(Debug, Clone, PartialEq)]
pub struct GarmOverview {
    pub address: String,
    pub tone: Tone,
    /// The most severe conclusion of its page.
    pub verdict: String,
    pub pools: usize,
    pub pool_names: Vec<String>,
    /// The sums of its pools.
    pub gauges: PoolGauges,
    /// The age of its last full read; absent before the first one.
    pub read_age: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GarmRow {
    /// The name in the fleet file.
    pub name: String,
    /// Why it is not watched at the moment, if it is not.
    pub state: Result<GarmOverview, String>,
}

/// The page of all GARMs.
#[derive(Debug, Clone, PartialEq)]
pub struct GarmsPage<'a> {
    pub fleet: &'a str,
    pub garms: Vec<GarmRow>,
    /// Whether the browser reloads the page every ten seconds.
    pub is_refreshed: bool,
}

/// The page of a pool.
#[derive(Debug, Clone)]
pub struct PoolPage<'a> {
    pub frame: PageFrame<'a>,
    pub pool: PoolOverview<'a>,
    /// Its declaration; `None` if its file has problems.
    pub declared: Option<&'a DesiredPool>,
    /// Its last scaling actions, newest first.
    pub actions: Vec<PageEntry>,
    /// Its last problems, newest first.
    pub problems: Vec<PageEntry>,
}
