//! How many jobs each pool of an entity can take.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, earlier};
use super::entity_index::EntityIndex;
use super::job_starts::SIDE;
use super::pool_index::PoolIndex;
use super::state::PoolState;
use crate::domain::desired::leaves_scaling_to_us;

/// Who starts runners in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalingMode {
    /// The loop, or GARM if it acts sooner anyway.
    Steered,
    /// GARM alone, after its backoff: the pool is not ours, not autoscaled, or blocked.
    LeftToGarm,
    /// Nobody but a probe now and then: its runners keep failing.
    Suspended,
}

/// What one pool can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JobCapacity {
    pub(super) standing: ScalingMode,
    /// Jobs for runners that are idle or on their way.
    pub(super) runners: u32,
    /// Jobs for runners that can still be started.
    pub(super) room: u32,
    /// Jobs created by then have waited beside an idle runner of a pool that is left to GARM for
    /// long enough.
    pub(super) vain_by: Option<Timestamp>,
}

/// The shares of the pools, in routing order. `backoff` is GARM's `minimum_job_age_backoff`.
pub(super) fn shares(
    site: &EntityIndex,
    memory: &[PoolState],
    backoff: Duration,
    moment: &mut EvaluationClock,
) -> Vec<JobCapacity> {
    let mut policies = site.stocks.iter().filter(|it| it.is_scaled()).filter_map(PoolIndex::policy);
    // Where GARM acts before the loop does, it makes no difference whose pool it is.
    let is_ours_first = policies.any(|it| leaves_scaling_to_us(backoff, it.scale_up_delay));
    let share = |(stock, memory): (&PoolIndex, &PoolState)| {
        if stock.is_scaled() && memory.circuit.is_open() {
            return suspended(stock, memory, moment);
        }
        let standing = match stock.is_scaled() || !is_ours_first {
            true => ScalingMode::Steered,
            false => ScalingMode::LeftToGarm,
        };
        JobCapacity {
            standing,
            runners: stock.census.supply(),
            room: stock.room(),
            vain_by: vain_by(stock, standing, moment),
        }
    };
    site.stocks.iter().zip(memory).map(share).collect()
}

/// A pool whose circuit is open takes jobs for the runners that are up, and one for its probe.
fn suspended(stock: &PoolIndex, memory: &PoolState, moment: &mut EvaluationClock) -> JobCapacity {
    let is_tried = stock.census.booting > 0 || memory.circuit.is_probe_due(moment);
    JobCapacity {
        standing: ScalingMode::Suspended,
        runners: stock.census.idle,
        room: u32::from(is_tried),
        vain_by: None,
    }
}

fn vain_by(
    stock: &PoolIndex,
    standing: ScalingMode,
    moment: &mut EvaluationClock,
) -> Option<Timestamp> {
    let oldest_idle = stock.census.oldest_idle.filter(|_| standing == ScalingMode::LeftToGarm)?;
    moment.passed(oldest_idle, SIDE).then(|| earlier(moment.now(), SIDE))
}
