//! Combines two policies: that of the fleet file and that of a policy file.

use crate::config::PolicySettings;

/// The combined policy, as far as a single policy can express it. It is never looser than either of
/// the two. Lists of globs are not combined, because a single list cannot express that both lists
/// must match; [`super::judge`] applies each policy separately.
pub fn joined(base: &PolicySettings, over: &PolicySettings) -> PolicySettings {
    PolicySettings {
        networks: both(&base.networks, &over.networks),
        must_not_reach: both(&base.must_not_reach, &over.must_not_reach),
        extra_specs_allow_keys: common(
            base.extra_specs_allow_keys.as_deref(),
            over.extra_specs_allow_keys.as_deref(),
        ),
        extra_specs_show: narrowed(&base.extra_specs_show, &over.extra_specs_show),
        allowed_providers: common(
            base.allowed_providers.as_deref(),
            over.allowed_providers.as_deref(),
        ),
        allowed_instance_types: either(&base.allowed_instance_types, &over.allowed_instance_types),
        allowed_images: either(&base.allowed_images, &over.allowed_images),
        allowed_labels: either(&base.allowed_labels, &over.allowed_labels),
        allowed_entities: either(&base.allowed_entities, &over.allowed_entities),
        allowed_runner_groups: either(&base.allowed_runner_groups, &over.allowed_runner_groups),
        allowed_templates: either(&base.allowed_templates, &over.allowed_templates),
        max_total_runners: [base.max_total_runners, over.max_total_runners]
            .into_iter()
            .flatten()
            .min(),
        forbid_enable_shell: base.forbid_enable_shell || over.forbid_enable_shell,
        protected_pools: both(&base.protected_pools, &over.protected_pools),
        require_mtls: base.require_mtls || over.require_mtls,
        accept: narrowed(&base.accept, &over.accept),
    }
}

/// The union of two lists of restrictions.
fn both<T: Clone + PartialEq>(base: &[T], over: &[T]) -> Vec<T> {
    let more = over.iter().filter(|item| !base.contains(item));
    base.iter().chain(more).cloned().collect()
}

/// The list of globs of `base`, or else that of `over`.
fn either(base: &Option<Vec<String>>, over: &Option<Vec<String>>) -> Option<Vec<String>> {
    base.as_ref().or(over.as_ref()).cloned()
}

/// The intersection of two lists of allowed values. A policy without a list allows everything.
fn common(base: Option<&[String]>, over: Option<&[String]>) -> Option<Vec<String>> {
    match (base, over) {
        (None, None) => None,
        (Some(list), None) | (None, Some(list)) => Some(list.to_vec()),
        (Some(base), Some(over)) => {
            Some(base.iter().filter(|item| over.contains(item)).cloned().collect())
        }
    }
}

/// The exceptions of `base` that `over` also grants. An empty `over` restricts nothing.
fn narrowed(base: &[String], over: &[String]) -> Vec<String> {
    base.iter().filter(|item| over.is_empty() || over.contains(item)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostPort;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn strict() -> PolicySettings {
        let reach = HostPort { host: "db.prod".into(), port: 5432 };
        PolicySettings {
            must_not_reach: vec![reach],
            extra_specs_allow_keys: Some(list(&["a", "b"])),
            extra_specs_show: list(&["a", "b"]),
            allowed_providers: Some(list(&["aws", "gcp"])),
            max_total_runners: Some(50),
            forbid_enable_shell: true,
            protected_pools: list(&["prod-*"]),
            require_mtls: true,
            accept: list(&["R8", "R9"]),
            ..PolicySettings::default()
        }
    }

    #[test]
    fn an_empty_policy_changes_nothing() {
        assert_eq!(joined(&strict(), &PolicySettings::default()), strict());
    }

    #[test]
    fn a_permissive_policy_over_a_strict_one_permits_nothing_more() {
        let loose = PolicySettings {
            extra_specs_allow_keys: Some(list(&["a", "c"])),
            extra_specs_show: list(&["b", "secret"]),
            allowed_providers: Some(list(&["gcp", "azure"])),
            max_total_runners: Some(500),
            protected_pools: list(&["x"]),
            accept: list(&["R8", "R10"]),
            ..PolicySettings::default()
        };
        let both = joined(&strict(), &loose);
        assert_eq!(both.extra_specs_allow_keys, Some(list(&["a"])));
        assert_eq!(both.extra_specs_show, list(&["b"]));
        assert_eq!(both.allowed_providers, Some(list(&["gcp"])));
        assert_eq!(both.max_total_runners, Some(50));
        assert!(both.forbid_enable_shell && both.require_mtls);
        assert_eq!(both.protected_pools, list(&["prod-*", "x"]));
        assert_eq!(both.accept, list(&["R8"]));
        assert_eq!(both.must_not_reach, strict().must_not_reach);
    }

    #[test]
    fn a_policy_over_none_restricts_but_grants_nothing() {
        let both = joined(&PolicySettings::default(), &strict());
        assert_eq!(both.extra_specs_show, list(&[]));
        assert_eq!(both.accept, list(&[]));
        assert_eq!(both.allowed_providers, strict().allowed_providers);
        assert!(both.require_mtls);
    }
}
