//! The policies of a run: that of the fleet file and that of `--policy`.

use std::collections::BTreeSet;

use crate::config::{self, Code, DeclaredPool, Manifest, PolicySettings, Problem, Severity};
use crate::domain::name::FleetName;
use crate::domain::pool::Pool;
use crate::domain::text::code;
use crate::host::files::{self, SourcePath};
use crate::policy::kit::{self, KitContents};
use crate::policy::{UndeclaredPools, Violation, joined, judge, judge_live, most_runners};

use super::runner_kit::problem;

/// The policies of a run. Its pools must satisfy each of them. That of the fleet file comes first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicySet(Vec<PolicySettings>);

impl PolicySet {
    #[cfg(test)]
    pub(super) fn of(policies: Vec<PolicySettings>) -> Self {
        Self(policies)
    }

    /// Reads the policy file, if one is named, and merges it into the policy of the fleet file in
    /// the manifest. Adds its problems to `problems`.
    pub fn gather(
        over: Option<&SourcePath>,
        manifest: &mut Manifest,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let base = manifest.fleet_files().next().map(|file| file.policy.clone());
        let over = over.and_then(|start| match files::read_fleet(start) {
            Ok(source) => {
                let (policy, more) = config::load_policy(&source);
                problems.extend(more);
                policy
            }
            Err(problem) => {
                problems.push(problem);
                None
            }
        });
        if let Some(over) = &over {
            for file in manifest.fleet_files_mut() {
                file.policy = joined(&file.policy, over);
            }
        }
        Self(base.into_iter().chain(over).collect())
    }

    /// The policy violations of this fleet's pools as they are in GARM.
    pub fn live(&self, fleet: &FleetName, pools: &[Pool]) -> Vec<Violation> {
        judge_live(&self.0.iter().collect::<Vec<_>>(), fleet, pools)
    }

    /// Warns if there are network rules for providers that no pool uses and none for providers that
    /// pools use: a rule with a misspelt provider has no effect.
    pub fn unbound(&self, manifest: &Manifest) -> Vec<Problem> {
        let Some(file) = manifest.fleet_files().next() else { return Vec::new() };
        let used: BTreeSet<&str> =
            declared(manifest).filter_map(|pool| pool.provider.as_deref()).collect();
        let ruled: BTreeSet<&str> = self
            .0
            .iter()
            .flat_map(|policy| &policy.networks)
            .map(|network| network.provider.as_str())
            .collect();
        let idle: Vec<String> = ruled.difference(&used).map(code).collect();
        let free: Vec<String> = used.difference(&ruled).map(code).collect();
        if idle.is_empty() || free.is_empty() {
            return Vec::new();
        }
        let message = format!(
            "`policy.networks` has rules for {}, which no pool uses, and none for {}: its pools may be in any network",
            idle.join(", "),
            free.join(", ")
        );
        let problem = Problem::of_file(Code::UnboundRule, file.path.as_str(), message).with_help(
            "name each rule after the `provider` of its pools; `garm-cli provider list` prints the names",
        );
        vec![Problem { severity: Severity::Warning, ..problem }]
    }

    /// The policy violations of the declared pools, each with its place in the files. Limits of the
    /// fleet include the pools that other GARMs run.
    pub fn violations(&self, manifest: &Manifest, others: UndeclaredPools) -> Vec<Problem> {
        let policies: Vec<&PolicySettings> = self.0.iter().collect();
        let elsewhere = most_runners(declared(manifest)) - most_runners(manifest.pools.iter());
        let others = UndeclaredPools { runners: others.runners.saturating_add(elsewhere) };
        let mut found = judge(&policies, &manifest.pools, others);
        if let (Some(file), Some(own)) = (manifest.fleet_files().next(), policies.first()) {
            found.extend(kit::objections(KitContents::by(file), own, &manifest.pools));
        }
        found.into_iter().map(|finding| problem(manifest, finding)).collect()
    }
}

/// The pools of the whole fleet.
fn declared(manifest: &Manifest) -> impl Iterator<Item = &DeclaredPool> {
    manifest.pools.iter().chain(manifest.elsewhere())
}
