//! What has changed in the files since an earlier version of them and is not in GARM: the scaling
//! policies of pools, and the settings of the fleet file.

use std::collections::{BTreeMap, BTreeSet};

use super::policy_text;
use crate::domain::desired::{PoolSettings, ScalePolicy};
use crate::domain::duration::format;
use crate::domain::name::PoolName;

/// The changes since a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChanges {
    /// The revision as the user wrote it.
    pub since: String,
    /// The commit of the revision.
    pub commit: String,
    /// The pools that were also declared before and have a different policy now, by name.
    pub pools: Vec<PoolPolicyChange>,
    /// The settings of the fleet file, by path.
    pub settings: Vec<SettingChange>,
}

/// The changed policy of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolPolicyChange {
    pub pool: PoolName,
    /// The fields that differ.
    pub changes: Vec<SettingChange>,
    /// The new policy as one sentence without a full stop.
    pub policy: String,
}

/// A value of a file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// The name of the field, or the path of the setting.
    pub key: String,
    /// Both values as written, `None` for an absent one; absent if they are not shown.
    pub values: Option<(Option<String>, Option<String>)>,
}

/// The sections of the fleet file that pools, steps and this report do not show otherwise, and
/// whose values are not secrets.
const SHOWN: [&str; 3] = ["watch", "alerts", "policy"];

/// The sections that are part of pools or of steps.
const IN_PLAN: [&str; 3] = ["defaults", "controller", "credentials"];

/// Compares the policies of the pools that are declared in both versions.
pub fn pools<'a>(
    before: impl Iterator<Item = &'a PoolSettings>,
    after: impl Iterator<Item = &'a PoolSettings>,
) -> Vec<PoolPolicyChange> {
    let before: BTreeMap<&PoolName, &PoolSettings> =
        before.map(|pool| (&pool.name, pool)).collect();
    let mut all: Vec<PoolPolicyChange> = after
        .filter_map(|pool| {
            let old = fields(&before.get(&pool.name)?.scale);
            let pairs = old.into_iter().zip(fields(&pool.scale));
            let changes: Vec<SettingChange> = pairs
                .filter(|(old, new)| old != new)
                .map(|((key, old), (_, new))| SettingChange {
                    key: key.to_owned(),
                    values: Some((old, new)),
                })
                .collect();
            let policy = policy_text::policy(pool);
            (!changes.is_empty()).then(|| PoolPolicyChange {
                pool: pool.name.clone(),
                changes,
                policy,
            })
        })
        .collect();
    all.sort_by(|a, b| a.pool.cmp(&b.pool));
    all
}

/// Compares the values of two fleet files, by their paths.
pub fn settings(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<SettingChange> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let section = |key: &str| key.split(['.', '[']).next().unwrap_or_default().to_owned();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .filter(|key| !IN_PLAN.contains(&section(key).as_str()))
        .map(|key| SettingChange {
            key: key.clone(),
            values: SHOWN
                .contains(&section(key).as_str())
                .then(|| (before.get(key).cloned(), after.get(key).cloned())),
        })
        .collect()
}

/// The fields of a policy that GARM does not store, as they are written in files; `None` for one that
/// is not set.
fn fields(policy: &ScalePolicy) -> [(&'static str, Option<String>); 12] {
    let off = || "off".to_owned();
    [
        ("min_runners", Some(policy.min_runners.to_string())),
        ("scale_up_threshold", Some(policy.scale_up_threshold.to_string())),
        ("scale_up_delay", Some(format(policy.scale_up_delay))),
        ("scale_down_delay", Some(format(policy.scale_down_delay))),
        ("scale_up_target", Some(policy.scale_up_target.to_string())),
        ("max_queue_wait", Some(policy.max_queue_wait.map_or_else(off, format))),
        ("autoscale", Some(policy.autoscale.to_string())),
        ("boot_grace", Some(format(policy.boot_grace))),
        ("failed_runner_grace", Some(format(policy.failed_runner_grace))),
        ("stale_job_age", Some(format(policy.stale_job_age))),
        ("price", policy.price.map(|price| price.per_hour().to_string())),
        ("min_idle_runners", Some(policy.min_idle_runners.to_string())),
    ]
}

impl PolicyChanges {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.pools.is_empty() && self.settings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::{FIELDS, Mutability};
    use crate::plan::tests::build::pool;

    /// `default_labels` shows in the labels, which GARM stores.
    #[test]
    fn every_field_that_garm_does_not_store_is_compared() {
        let policies = FIELDS.iter().filter(|field| matches!(field.mutability, Mutability::Policy));
        let keys: Vec<&str> =
            policies.map(|field| field.key).filter(|key| *key != "default_labels").collect();
        assert_eq!(fields(&pool("a").scale).map(|field| field.0).to_vec(), keys);
    }

    #[test]
    fn a_pool_that_is_in_both_versions_shows_its_changed_fields() {
        let (before, mut after) = (pool("a").settings, pool("a").settings);
        after.scale.autoscale = !before.scale.autoscale;
        after.scale.max_queue_wait = None;
        let changed = pools([&before].into_iter(), [&pool("b").settings, &after].into_iter());
        assert_eq!(changed.len(), 1);
        let keys: Vec<&str> = changed[0].changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(keys, ["max_queue_wait", "autoscale"]);
        assert!(changed[0].policy.contains("autoscale: false"), "{}", changed[0].policy);
        assert_eq!(pools([&before].into_iter(), [&before].into_iter()), []);
        let mut priced = before.clone();
        priced.scale.price = crate::domain::price::Price::new(0.0464);
        let changed = pools([&before].into_iter(), [&priced].into_iter());
        let values = Some((None, Some("0.0464".to_owned())));
        assert_eq!(changed[0].changes, [SettingChange { key: "price".into(), values }]);
    }

    #[test]
    fn values_outside_watch_alerts_and_policy_are_not_shown() {
        let file = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let before = file(&[
            ("watch.resync", "30s"),
            ("receivers.a.webhook.url", "https://x/secret"),
            ("defaults.image", "ami-1"),
        ]);
        let after = file(&[
            ("watch.resync", "1m"),
            ("receivers.a.webhook.url", "https://x/other"),
            ("defaults.image", "ami-2"),
            ("policy.accept[0]", "R8"),
        ]);
        let shown = |key: &str, before: Option<&str>, after: Option<&str>| SettingChange {
            key: key.into(),
            values: Some((before.map(str::to_owned), after.map(str::to_owned))),
        };
        let expected = [
            shown("policy.accept[0]", None, Some("R8")),
            SettingChange { key: "receivers.a.webhook.url".into(), values: None },
            shown("watch.resync", Some("30s"), Some("1m")),
        ];
        assert_eq!(settings(&before, &after), expected);
    }
}
