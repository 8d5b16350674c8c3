//! The permission that a plan needs before its first write (DESIGN §4, Deletes).

use super::step::{Consent, Plan};
use crate::domain::name::PoolName;

/// From this many pools on, a plan that removes more than half of the fleet needs
/// [`Permission::All`].
const MANY: usize = 3;

/// The permission to delete and replace pools, in ascending order: each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// None: nothing is deleted or replaced.
    None,
    /// `--allow-destroy`, or the word `destroy` at a terminal.
    Destroy,
    /// `--allow-destroy=all`; it cannot be given at a terminal.
    All,
}

/// The permission that a plan needs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredConsent {
    /// The least permission that is sufficient.
    pub permission: Permission,
    /// The pools that are deleted or replaced, sorted by name.
    pub pools: Vec<PoolName>,
    /// Why [`Permission::All`] is needed, as a part of a sentence: `4 of the fleet's 5 pools, more
    /// than half`.
    pub because: Option<String>,
}

/// The permission that `plan` needs. Finishing a replace that was begun, and cleaning up after an
/// interrupted create, needs none.
///
/// | deletes and replaces | declared | permission |
/// |---|---|---|
/// | 0 | any | none |
/// | 1 or more | none (`pools: []`) | all |
/// | 3 or more, over half of the fleet's pools in force | some | all |
/// | else | some | destroy |
pub fn need(plan: &Plan) -> RequiredConsent {
    let mut pools: Vec<PoolName> = plan
        .steps
        .iter()
        .filter(|step| step.consent == Consent::Destroy)
        .filter_map(|step| step.about.pool().cloned())
        .collect();
    pools.sort();
    let gone = pools.len();
    let because = match (gone, plan.declared) {
        (0, _) => None,
        (_, 0) => Some("no pools are declared any more".to_owned()),
        _ if gone >= MANY && gone * 2 > plan.owned => {
            Some(format!("{gone} of the fleet's {} pools, more than half", plan.owned))
        }
        _ => None,
    };
    let permission = match (gone, &because) {
        (0, _) => Permission::None,
        (_, None) => Permission::Destroy,
        (_, Some(_)) => Permission::All,
    };
    RequiredConsent { permission, pools, because }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::desired::Desired;
    use crate::domain::fleet::Fleet;
    use crate::plan::tests::build::{desired, fleet, live, name, pool, relabelled, retired};
    use crate::plan::{PlanOptions, plan};

    fn check(
        declared: &[&str],
        there: &[&str],
        permission: Permission,
        pools: &[&str],
    ) -> Option<String> {
        let wanted: Desired = desired(declared.iter().map(|name| pool(name)));
        let pools_there = there.iter().map(|name| live(&pool(name))).collect();
        let found =
            need(&plan(&wanted, &Fleet { pools: pools_there, ..fleet() }, &PlanOptions::default()));
        let pools: Vec<PoolName> = pools.iter().map(|text| name(text)).collect();
        assert_eq!((found.permission, found.pools), (permission, pools));
        found.because
    }

    #[test]
    fn each_row_of_the_table() {
        check(&["a"], &["a"], Permission::None, &[]);
        check(&["a", "b"], &["a"], Permission::None, &[]);
        check(&["a"], &["a", "b"], Permission::Destroy, &["b"]);
        check(&["a"], &["b", "c"], Permission::Destroy, &["b", "c"]);
        let half = ["a", "b", "c", "d", "e", "f"];
        check(&["a", "b", "c"], &half, Permission::Destroy, &["d", "e", "f"]);
        let because = check(&["a", "b"], &half[..5], Permission::All, &["c", "d", "e"]);
        assert_eq!(because.unwrap(), "3 of the fleet's 5 pools, more than half");
        let because = check(&[], &["a"], Permission::All, &["a"]);
        assert_eq!(because.unwrap(), "no pools are declared any more");
        check(&[], &[], Permission::None, &[]);
    }

    #[test]
    fn finishing_a_retirement_needs_no_new_permission() {
        let old = relabelled(&live(&pool("a")), "old", &["linux", &retired("a")]);
        let there = Fleet { pools: vec![live(&pool("a")), old], ..fleet() };
        let found = need(&plan(&desired([pool("a")]), &there, &PlanOptions::default()));
        assert_eq!(
            found,
            RequiredConsent { permission: Permission::None, pools: vec![], because: None }
        );
    }
}
