//! The keys of GARM's pools, and what each comes to here. A key that is not in this table is one
//! that a later GARM has added: `import` says so, and a test finds it in recorded answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;

use super::{Misread, list};

/// What becomes of a key of GARM's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// A field of pools says it, and what no file says is carried over to the pool that replaces
    /// the one that had it.
    Field(&'static str),
    /// Which entity the pool serves, which fields name by another word.
    Owner,
    /// GARM's own: its ids, times, counts, and names of what is referred to by id.
    Garms,
}

/// Every key, in GARM's order.
pub const POOL_KEYS: &[(&str, Kept)] = &[
    ("runner_prefix", Kept::Field("runner_prefix")),
    ("id", Kept::Garms),
    ("provider_name", Kept::Field("provider")),
    ("max_runners", Kept::Field("max_runners")),
    ("min_idle_runners", Kept::Field("min_idle_runners")),
    ("image", Kept::Field("image")),
    ("flavor", Kept::Field("instance_type")),
    ("os_type", Kept::Field("os_type")),
    ("os_arch", Kept::Field("os_arch")),
    ("tags", Kept::Field("labels")),
    ("enabled", Kept::Field("enabled")),
    ("instances", Kept::Garms),
    ("enable_shell", Kept::Field("enable_shell")),
    ("generation", Kept::Garms),
    ("repo_id", Kept::Owner),
    ("repo_name", Kept::Owner),
    ("org_id", Kept::Owner),
    ("org_name", Kept::Owner),
    ("enterprise_id", Kept::Owner),
    ("enterprise_name", Kept::Owner),
    ("forge_instance_id", Kept::Owner),
    ("endpoint", Kept::Owner),
    ("runner_bootstrap_timeout", Kept::Field("bootstrap_timeout")),
    ("created_at", Kept::Garms),
    ("updated_at", Kept::Garms),
    ("extra_specs", Kept::Field("extra_specs")),
    ("github-runner-group", Kept::Field("runner_group")),
    ("priority", Kept::Field("priority")),
    ("template_id", Kept::Field("template")),
    ("template_name", Kept::Garms),
    ("proxy_id", Kept::Field("proxy")),
    ("proxy_name", Kept::Garms),
];

/// What a list of pools has that nothing here can say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Keys that are not in [`POOL_KEYS`].
    pub keys: BTreeSet<String>,
    /// How many pools serve a whole server, which is none of our kinds of entity.
    pub of_servers: usize,
}

/// `GET /pools` once more, for what [`super::pools`] passes over.
pub(in crate::garm) fn unknown(body: &[u8]) -> Result<Unknown, Misread> {
    let mut found = Unknown::default();
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
            if let Kept::Field(name) = kept {
                assert!(field(name).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn what_a_later_garm_adds_is_found() {
        let body = br#"[{"id":"a","org_id":"o","spot":true,"tags":[]},{"id":"b","forge_instance_id":"f"}]"#;
        let expected = Unknown { keys: BTreeSet::from(["spot".to_owned()]), of_servers: 1 };
        assert_eq!(unknown(body), Ok(expected));
    }
}
