//! The values of the gauges. Those of the pools are replaced together after each pass of the loop.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::name::{GroupName, PoolName};
use crate::monitor::PoolGauges;
use crate::scaling::GroupUsage;

/// The gauges of all pools at one time. A pool that is not in it has neither gauges nor counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub pools: BTreeMap<PoolName, PoolGauges>,
    /// The groups of pools that share a limit.
    pub groups: BTreeMap<GroupName, GroupUsage>,
    /// The end of the full read on which it is based, on the monotonic clock: setting the system
    /// clock must not make an old read look recent.
    pub read_at: Instant,
    /// The same time on the system clock.
    pub reconciled_at: Timestamp,
    /// The present time between two full reads while events arrive.
    pub read_interval: Duration,
    /// The age from which the full read is stale: the loop then writes nothing.
    pub stale_after: Duration,
    /// How many seconds GARM's clock is ahead of this machine's; `None` until a response has a
    /// date.
    pub clock_skew_s: Option<f64>,
}

/// The gauges of the process. They change independently of [`Snapshot`]: when the event stream is
/// lost, there may be no new snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessGauges {
    pub is_stream_connected: Option<bool>,
    /// The result of the last negative probes; `None` if it was inconclusive.
    pub is_mtls_enforced: Option<bool>,
    pub client_cert_expires_at: Option<Timestamp>,
    /// When the first revocation list in `garm.crls` expires.
    pub crl_ends_at: Option<Timestamp>,
    /// The time of the last signed statement about the audit log that reached every configured
    /// place.
    pub audit_anchored_at: Option<Timestamp>,
    /// Whether this process leads; `None` without `watch.leader`.
    pub is_leader: Option<bool>,
    /// The term of the leader, this process or another one.
    pub leader_term: Option<u64>,
}

/// The result of the last reload of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    Applied,
    /// The files are invalid, and an older version of them is in effect.
    Rejected,
}
