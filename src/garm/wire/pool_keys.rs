//! The keys of GARM's pools, and what each comes to here. A key that is not in this table is one
//! that a later GARM has added: `import` says so, and a test finds it in recorded answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;

use super::{DecodeError, list};

/// What becomes of a key of GARM's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMeaning {
    /// A field of pools says it, and what no file says is carried over to the pool that replaces
    /// the one that had it.
    Field(&'static str),
    /// Which entity the pool serves, which fields name by another word.
    Owner,
    /// GARM's own: its ids, times, counts, and names of what is referred to by id.
    Garms,
}

/// Every key, in GARM's order.
pub const POOL_KEYS: &[(&str, KeyMeaning)] = &[
    ("runner_prefix", KeyMeaning::Field("runner_prefix")),
    ("id", KeyMeaning::Garms),
    ("provider_name", KeyMeaning::Field("provider")),
    ("max_runners", KeyMeaning::Field("max_runners")),
    ("min_idle_runners", KeyMeaning::Field("min_idle_runners")),
    ("image", KeyMeaning::Field("image")),
    ("flavor", KeyMeaning::Field("instance_type")),
    ("os_type", KeyMeaning::Field("os_type")),
    ("os_arch", KeyMeaning::Field("os_arch")),
    ("tags", KeyMeaning::Field("labels")),
    ("enabled", KeyMeaning::Field("enabled")),
    ("instances", KeyMeaning::Garms),
    ("enable_shell", KeyMeaning::Field("enable_shell")),
    ("generation", KeyMeaning::Garms),
    ("repo_id", KeyMeaning::Owner),
    ("repo_name", KeyMeaning::Owner),
    ("org_id", KeyMeaning::Owner),
    ("org_name", KeyMeaning::Owner),
    ("enterprise_id", KeyMeaning::Owner),
    ("enterprise_name", KeyMeaning::Owner),
    ("forge_instance_id", KeyMeaning::Owner),
    ("endpoint", KeyMeaning::Owner),
    ("runner_bootstrap_timeout", KeyMeaning::Field("bootstrap_timeout")),
    ("created_at", KeyMeaning::Garms),
    ("updated_at", KeyMeaning::Garms),
    ("extra_specs", KeyMeaning::Field("extra_specs")),
    ("github-runner-group", KeyMeaning::Field("runner_group")),
    ("priority", KeyMeaning::Field("priority")),
    ("template_id", KeyMeaning::Field("template")),
    ("template_name", KeyMeaning::Garms),
    ("proxy_id", KeyMeaning::Field("proxy")),
    ("proxy_name", KeyMeaning::Garms),
];

/// What a list of pools has that nothing here can say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownPoolData {
    /// Keys that are not in [`POOL_KEYS`].
    pub keys: BTreeSet<String>,
    /// How many pools serve a whole server, which is none of our kinds of entity.
    pub of_servers: usize,
}

/// `GET /pools` once more, for what [`super::pools`] passes over.
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
    fn every_key_that_is_kept_as_a_field_is_one() {
        for (key, kept) in POOL_KEYS {
            if let KeyMeaning::Field(name) = kept {
                assert!(field(name).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn what_a_later_garm_adds_is_found() {
        let body = br#"[{"id":"a","org_id":"o","spot":true,"tags":[]},{"id":"b","forge_instance_id":"f"}]"#;
        let expected = UnknownPoolData { keys: BTreeSet::from(["spot".to_owned()]), of_servers: 1 };
        assert_eq!(unknown(body), Ok(expected));
    }
}
