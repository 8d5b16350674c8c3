//! Forecasts what a loop would decide when it sees a fleet for the first time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decision::Decision;
use super::evaluate::evaluate_fleet;
use super::one_shot::{self, ScaledPool};
use super::state::ScalingState;
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolId;

/// The decision about each pool of `managed` that is to be scaled, for the fleet at
/// `fleet.observed_at`. There is no earlier state, so a rule that needs to observe a condition for
/// some time does not apply yet; the age of jobs does count.
pub fn forecast(fleet: &Fleet, managed: &[ScaledPool<'_>]) -> BTreeMap<PoolId, Arc<Decision>> {
    let mut fleet_index = one_shot::index(fleet, managed);
    let (turn, _) = evaluate_fleet(&mut fleet_index, ScalingState::new(), fleet.observed_at);
    turn.decisions.into_iter().map(|decision| (decision.pool.clone(), decision)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::desired::ScalePolicy;
    use crate::scaling::testing::{fleet, job, policy, pool};
    use crate::scaling::{Direction, Reason};

    #[test]
    fn jobs_that_have_waited_count_and_a_pool_without_autoscaling_gets_no_decision() {
        let jobs = (0..7).map(|id| job(id, &["x"], -40)).collect();
        let fleet = fleet(0, vec![pool("a", &["x"]), pool("b", &["y"])], vec![], jobs);
        let (ours, off) = (policy(), ScalePolicy { autoscale: false, ..policy() });
        let managed = [
            ScaledPool { pool: &fleet.pools[0], policy: &ours },
            ScaledPool { pool: &fleet.pools[1], policy: &off },
        ];
        let seen: Vec<_> = forecast(&fleet, &managed)
            .into_values()
            .map(|decision| {
                (decision.pool.to_string(), decision.direction, decision.reason, decision.level)
            })
            .collect();
        assert_eq!(seen, [("a".to_owned(), Direction::Up, Reason::Pressure, 7)]);
    }
}
