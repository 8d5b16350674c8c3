//! Monitoring of the running fleet: the isolation auditor, the alert rules, and the report on the
//! requirements.
//!
//! Decides whether an observation is a finding, whether an alert fires, and whether a requirement
//! is met. Never queries GARM, sends anything or reads a clock: observations and times are
//! arguments, findings and transitions are return values.

pub mod alerts;
mod below_min;
pub mod compliance;
pub mod finding;
pub mod isolation;
pub mod mtls_state;
mod pool_gauges;
mod queue_trend;
pub mod rolling_count;
mod runner_track;
mod vm_reuse;

pub use alerts::{AlertRules, AlertStatus, AlertTransition, SeriesValue, SeriesValues};
pub use finding::{FindingKind, IsolationFinding, IsolationSummary, Remedy};
pub use isolation::IsolationAuditor;
pub use pool_gauges::PoolGauges;
pub use queue_trend::{QueueSample, QueueTrend, QueueTrends, TREND_MINUTES};
pub use rolling_count::RollingCount;
