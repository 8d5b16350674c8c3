//! Which job waits for which pool, and how many runners a pool needs (DESIGN §5).
//!
//! From GARM's rows and the remembered state, this room decides exactly two things about a pool:
//! the level (`min_idle_runners`) and which runners may be removed. It never talks to GARM and
//! never reads a clock: `now` is an argument, on GARM's clock, and the state is a value.
//!
//! A [`FleetIndex`] indexes the fleet and is updated row by row. [`route`] assigns the waiting jobs
//! of one entity to its pools, [`decide`] evaluates one pool, and [`evaluate_entity`] does both for
//! an entity, but only for pools in which something has changed. [`snapshot`] and [`queued_jobs`]
//! need no state.

mod assignment;
mod capacity;
mod changes;
pub mod circuit_breaker;
pub mod deadline;
pub mod decide;
pub mod decision;
pub mod entity_index;
pub mod evaluate;
pub mod fleet_index;
mod forecast;
mod group_board;
mod group_shares;
mod groups;
pub mod handout;
mod job_starts;
mod level;
mod no_capacity;
pub mod observation;
pub mod one_shot;
mod overtaken;
mod passed;
pub mod pool_index;
pub mod pressure;
pub mod queue;
mod queued_jobs;
pub mod removal;
mod route;
pub mod routing;
pub mod runner_counts;
mod runner_state;
mod runner_states;
pub mod scale_set;
mod scale_set_index;
pub mod slow_boot;
mod state;
mod stuck_jobs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod transition;

pub use deadline::EvaluationClock;
pub use decide::decide;
pub use decision::{Decision, DecisionInputs, Direction, Freeze, Reason, RuleResults};
pub use entity_index::{EntityIndex, ScalePolicies};
pub use evaluate::{Evaluation, GROUP_ROUNDS, evaluate_entity, evaluate_fleet};
pub use fleet_index::{FleetIndex, RowChange};
pub use forecast::forecast;
pub use group_board::{GroupBoard, GroupPart, GroupReport, GroupView, LimitCertainty, LimitClaim};
pub use group_shares::{GroupMember, GroupShare};
pub use groups::GroupUsage;
pub use job_starts::STUCK_AFTER;
pub use observation::Observation;
pub use one_shot::{PoolSnapshot, ScaledPool, snapshot};
pub use pool_index::PoolIndex;
pub use queued_jobs::{JobWait, QueuedJob, queued_jobs};
pub use route::{RoutingContext, route};
pub use routing::{JobExceptions, Routing};
pub use runner_counts::{ERROR_FINAL, ERROR_QUIET, RunnerClass, RunnerCounts, classify};
pub use runner_states::{LifeState, RunnerStateCounts};
pub use scale_set::ScaleSetResults;
pub use state::{EntityState, PoolState, ScalingState};
pub use transition::RunnerTransition;
