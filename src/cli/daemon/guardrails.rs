//! Checks the fleet's pools in GARM against the policy at each full read, since a pool can be
//! changed by hand. Reports the start and the end of each violation once.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::policies::PolicySet;
use crate::cli::requirements;
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::pool::{Pool, PoolDetail};
use crate::policy::Violation;

/// The violations at the last read.
#[derive(Debug, Default)]
pub(super) struct Guardrails {
    known: Vec<Violation>,
    /// The number of violations of each checked pool, including pools without any.
    pub(super) counts: BTreeMap<PoolName, u32>,
}

/// The violations that began or ended with a read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ViolationChanges {
    pub(super) begun: Vec<Violation>,
    pub(super) ended: Vec<Violation>,
}

impl Guardrails {
    /// Checks the pools against the policies.
    pub(super) fn read(
        &mut self,
        policies: &PolicySet,
        owner: &FleetName,
        fleet: &Fleet,
    ) -> ViolationChanges {
        let found = policies.live(owner, &fleet.pools);
        let names = |is_meant: fn(&Pool) -> bool| -> BTreeSet<PoolName> {
            let meant = fleet.pools.iter().filter(|pool| is_meant(pool));
            meant.filter_map(|pool| pool.owned_name(owner)).collect()
        };
        let unread = names(|pool| pool.detail == PoolDetail::Listed);
        let before = std::mem::take(&mut self.known);
        let begun = found.iter().filter(|violation| !before.contains(violation)).cloned().collect();
        let (mut ended, mut stays) = (Vec::new(), Vec::new());
        for before in before {
            // This read did not include `extra_specs`, so the earlier result stands.
            let is_unread = before.field == "extra_specs" && unread.contains(&before.pool);
            match found.contains(&before) {
                true => {}
                false if is_unread => stays.push(before),
                false => ended.push(before),
            }
        }
        self.known = found;
        self.known.extend(stays);
        self.counts = names(|_| true).into_iter().map(|pool| (pool, 0)).collect();
        for violation in &self.known {
            if let Some(count) = self.counts.get_mut(&violation.pool) {
                *count += 1;
            }
        }
        ViolationChanges { begun, ended }
    }

    /// The pools whose runners may be in a network that the policy does not allow.
    pub(super) fn in_wrong_networks(&self) -> BTreeSet<String> {
        requirements::in_wrong_networks(&self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PolicySettings, SourceFile, load_policy};
    use crate::scaling::testing::{fleet, pool};

    fn owner() -> FleetName {
        FleetName::new("acme").unwrap()
    }

    fn policies() -> PolicySet {
        let text = "policy: { networks: { aws: { keys: [net], allow: [ci-*], required: true } }, \
                    allowed_instance_types: [small] }\n";
        let source = SourceFile { path: "policy.yaml".into(), text: text.into(), folder: None };
        let (policy, problems) = load_policy(&source);
        assert_eq!(problems, []);
        PolicySet::of(vec![policy.unwrap_or_else(PolicySettings::default)])
    }

    /// Our pool `a` with this network; absent: not read.
    fn with(network: Option<&str>, flavor: &str) -> Fleet {
        let mut ours = pool("a", &["x"]);
        ours.spec.provider = "aws".into();
        ours.spec.flavor = flavor.into();
        ours.detail = PoolDetail::Listed;
        if let Some(network) = network {
            let specs = serde_json::json!({ "net": network });
            ours.complete(specs.as_object().unwrap().clone());
        }
        let mut others = pool("q", &["x"]);
        others.spec.flavor = "huge".into();
        others.spec.labels = ["x".to_owned()].into_iter().collect();
        fleet(0, vec![ours, others], vec![], vec![])
    }

    /// What begins and ends with a read.
    fn read(guardrails: &mut Guardrails, fleet: &Fleet) -> (Vec<&'static str>, Vec<&'static str>) {
        let news = guardrails.read(&policies(), &owner(), fleet);
        let fields = |all: &[Violation]| all.iter().map(|violation| violation.field).collect();
        (fields(&news.begun), fields(&news.ended))
    }

    #[test]
    fn a_violation_and_its_end_are_reported_once() {
        let mut guardrails = Guardrails::default();
        let wrong = with(Some("prod"), "huge");
        let told = (vec!["instance_type", "extra_specs"], vec![]);
        assert_eq!(read(&mut guardrails, &wrong), told);
        assert_eq!(read(&mut guardrails, &wrong), (vec![], vec![]));
        assert_eq!(guardrails.counts, BTreeMap::from([(PoolName::new("a").unwrap(), 2)]));
        assert_eq!(guardrails.in_wrong_networks(), BTreeSet::from(["a".to_owned()]));
        let right = with(Some("ci-1"), "huge");
        assert_eq!(read(&mut guardrails, &right), (vec![], vec!["extra_specs"]));
        assert_eq!(guardrails.in_wrong_networks(), BTreeSet::new());
    }

    #[test]
    fn extra_specs_that_were_not_read_keep_their_last_result() {
        let mut guardrails = Guardrails::default();
        assert_eq!(read(&mut guardrails, &with(None, "small")), (vec![], vec![]));
        assert_eq!(
            read(&mut guardrails, &with(Some("prod"), "small")),
            (vec!["extra_specs"], vec![])
        );
        assert_eq!(read(&mut guardrails, &with(None, "small")), (vec![], vec![]));
        assert_eq!(guardrails.in_wrong_networks(), BTreeSet::from(["a".to_owned()]));
        let other = with(Some("prod-2"), "small");
        let changed = (vec!["extra_specs"], vec!["extra_specs"]);
        assert_eq!(read(&mut guardrails, &other), changed, "another network is news");
    }
}
