//! What would be decided about a fleet by somebody who sees it for the first time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decision::Decision;
use super::entity_index::Policies;
use super::evaluate::turn_all;
use super::fleet_index::Picture;
use super::one_shot::Managed;
use super::state::Memory;
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolId;

/// The decision about each of `managed` that is to be scaled, as the fleet was at
/// `fleet.observed_at`. Nothing is remembered, so what a rule wants to see for a while (a delay of
/// jobs aside, which have an age) is not seen.
pub fn foresee(fleet: &Fleet, managed: &[Managed<'_>]) -> BTreeMap<PoolId, Arc<Decision>> {
    let policies: Policies =
        managed.iter().map(|it| (it.pool.id.clone(), it.policy.clone())).collect();
    let mut picture = Picture::new(fleet.clone(), policies);
    let (turn, _) = turn_all(&mut picture, Memory::new(), fleet.observed_at);
    turn.decisions.into_iter().map(|it| (it.pool.clone(), it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::desired::ScalePolicy;
    use crate::scaling::testing::{fleet, job, policy, pool};
    use crate::scaling::{Direction, Reason};

    #[test]
    fn jobs_that_have_waited_are_seen_and_a_pool_left_to_itself_is_not_decided_about() {
        let jobs = (0..7).map(|it| job(it, &["x"], -40)).collect();
        let fleet = fleet(0, vec![pool("a", &["x"]), pool("b", &["y"])], vec![], jobs);
        let (ours, off) = (policy(), ScalePolicy { autoscale: false, ..policy() });
        let managed = [
            Managed { pool: &fleet.pools[0], policy: &ours },
            Managed { pool: &fleet.pools[1], policy: &off },
        ];
        let seen: Vec<_> = foresee(&fleet, &managed)
            .into_values()
            .map(|it| (it.pool.to_string(), it.direction, it.reason, it.level))
            .collect();
        assert_eq!(seen, [("a".to_owned(), Direction::Up, Reason::Pressure, 7)]);
    }
}
