//! The keys of GARM's pools and what each means here. A key that is not in this table was added by
//! a later GARM: `import` reports it, and a test finds it in recorded responses.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;

use super::{DecodeError, list};

/// The meaning of a key of GARM's pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMeaning {
    /// A field of pool files. A value that no file declares is copied to a replacement pool.
    Field(&'static str),
    /// The entity that the pool serves, which has other fields.
    Entity,
    /// Set by GARM: ids, times, counts, and names of what has an id.
    Internal,
}

/// All keys, in GARM's order.
pub const POOL_KEYS: &[(&str, KeyMeaning)] = &[
    ("runner_prefix", KeyMeaning::Field("runner_prefix")),
    ("id", KeyMeaning::Internal),
    ("provider_name", KeyMeaning::Field("provider")),
    ("max_runners", KeyMeaning::Field("max_runners")),
    ("min_idle_runners", KeyMeaning::Field("min_idle_runners")),
    ("image", KeyMeaning::Field("image")),
    ("flavor", KeyMeaning::Field("instance_type")),
    ("os_type", KeyMeaning::Field("os_type")),
    ("os_arch", KeyMeaning::Field("os_arch")),
    ("tags", KeyMeaning::Field("labels")),
    ("enabled", KeyMeaning::Field("enabled")),
    ("instances", KeyMeaning::Internal),
    ("enable_shell", KeyMeaning::Field("enable_shell")),
    ("generation", KeyMeaning::Internal),
    ("repo_id", KeyMeaning::Entity),
    ("repo_name", KeyMeaning::Entity),
    ("org_id", KeyMeaning::Entity),
    ("org_name", KeyMeaning::Entity),
    ("enterprise_id", KeyMeaning::Entity),
    ("enterprise_name", KeyMeaning::Entity),
    ("forge_instance_id", KeyMeaning::Entity),
    ("endpoint", KeyMeaning::Entity),
    ("runner_bootstrap_timeout", KeyMeaning::Field("bootstrap_timeout")),
    ("created_at", KeyMeaning::Internal),
    ("updated_at", KeyMeaning::Internal),
    ("extra_specs", KeyMeaning::Field("extra_specs")),
    ("github-runner-group", KeyMeaning::Field("runner_group")),
    ("priority", KeyMeaning::Field("priority")),
    ("template_id", KeyMeaning::Field("template")),
    ("template_name", KeyMeaning::Internal),
    ("proxy_id", KeyMeaning::Field("proxy")),
    ("proxy_name", KeyMeaning::Internal),
];

/// What a list of pools contains that runnerctl does not support.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownPoolData {
    /// Keys that are not in [`POOL_KEYS`].
    pub keys: BTreeSet<String>,
    /// How many pools serve a whole server, which is not one of our kinds of entity.
    pub of_servers: usize,
}

/// `GET /pools`, for what [`super::pools`] skips.
pub(in crate::garm) fn unknown(body: &[u8]) -> Result<UnknownPoolData, DecodeError> {
    let mut found = UnknownPoolData::default();
    for pool in list::<BTreeMap<String, IgnoredAny>>(body)? {
        found.of_servers += usize::from(pool.contains_key("forge_instance_id"));
        found.keys.extend(pool.into_keys().filter(|key| !is_known(key)));
    }
    Ok(found)
}

fn is_known(key: &str) -> bool {
    POOL_KEYS.iter().any(|(known, _)| *known == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::field;

    #[test]
    fn every_key_with_a_field_names_an_existing_field() {
        for (key, kept) in POOL_KEYS {
            if let KeyMeaning::Field(name) = kept {
                assert!(field(name).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn keys_of_a_later_garm_are_found() {
        let body = br#"[{"id":"a","org_id":"o","spot":true,"tags":[]},{"id":"b","forge_instance_id":"f"}]"#;
        let expected = UnknownPoolData { keys: BTreeSet::from(["spot".to_owned()]), of_servers: 1 };
        assert_eq!(unknown(body), Ok(expected));
    }
}
