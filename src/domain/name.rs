//! Names and ids, each with its own type so that they cannot be mixed up.

use std::fmt;
use std::sync::Arc;

/// The longest pool name: together with the longest fleet name and the longest prefix, the owner
/// label still has at most 64 characters, the width of GARM's column in MySQL and PostgreSQL.
pub const POOL_NAME_MAX: usize = 28;

/// The longest fleet name; see [`POOL_NAME_MAX`].
pub const FLEET_NAME_MAX: usize = 20;

/// The name of a pool: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, 1 to 28 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(String);

/// The name of a fleet, which owns pools in GARM: `[a-z0-9-]`, 1 to 20 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetName(String);

impl PoolName {
    /// Returns an error that says which rule `text` breaks.
    pub fn new(text: &str) -> Result<Self, String> {
        let ends_well = |c: Option<char>| c.is_some_and(|c| c != '-');
        if text.is_empty() {
            return Err("a pool name cannot be empty".into());
        }
        if text.chars().count() > POOL_NAME_MAX {
            return Err(format!("a pool name can have at most {POOL_NAME_MAX} characters"));
        }
        check_characters(text, "a pool name")?;
        if !ends_well(text.chars().next()) || !ends_well(text.chars().last()) {
            return Err("a pool name must start and end with a letter or digit".into());
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FleetName {
    /// Returns an error that says which rule `text` breaks.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a fleet name cannot be empty".into());
        }
        if text.chars().count() > FLEET_NAME_MAX {
            return Err(format!("a fleet name can have at most {FLEET_NAME_MAX} characters"));
        }
        check_characters(text, "a fleet name")?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_characters(text: &str, what: &str) -> Result<(), String> {
    match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        None => Ok(()),
        Some(c) if c.is_ascii_uppercase() => Err(format!(
            "{what} must be lower case, since GARM ignores the case of labels: `{}`",
            c.to_ascii_lowercase()
        )),
        Some(c) => Err(format!(
            "{what} can contain only `a`-`z`, `0`-`9` and `-`, not `{}`",
            c.escape_debug()
        )),
    }
}

/// An identifier that GARM assigns; it is compared, never interpreted. Clones share one string: a
/// fleet has ten thousand runners, and many places refer to each one's pool.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts any string, since GARM assigns it.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// GARM's id of a pool, a UUID, or of a scale set, a number.
    PoolId
);
identifier!(
    /// GARM's id of an entity, a UUID.
    EntityId
);
identifier!(
    /// The name of a runner, which is also the name of its instance in GARM.
    RunnerName
);

/// Whether it is a pool, whose jobs GARM learns of by webhooks, or a scale set, to which GitHub
/// assigns jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolKind {
    /// GARM's own pool: webhooks report its jobs, and GARM creates runners that match their labels.
    #[default]
    Pool,
    /// A runner scale set: GitHub assigns jobs to it and tells GARM how many.
    ScaleSet,
}

impl PoolKind {
    pub const ALL: [Self; 2] = [Self::Pool, Self::ScaleSet];

    /// The kind with this word, if there is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// The word in files and JSON: `pool` or `scale_set`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::ScaleSet => "scale_set",
        }
    }

    /// The noun in messages: `pool` or `scale set`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::ScaleSet => "scale set",
        }
    }
}

impl PoolId {
    /// The kind of pool that has this id: GARM numbers its scale sets and gives its pools UUIDs.
    pub fn kind(&self) -> PoolKind {
        let is_number = !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { PoolKind::ScaleSet } else { PoolKind::Pool }
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FleetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_names_follow_the_pattern_of_the_design() {
        for good in ["a", "0", "default", "linux-x64", "a--b", &"x".repeat(28)] {
            assert_eq!(PoolName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a b", "é", &"x".repeat(29), "a/b", "a\u{202e}"] {
            assert!(PoolName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_number_is_the_id_of_a_scale_set() {
        for (id, kind) in [
            ("7", PoolKind::ScaleSet),
            ("018f6f9e-0000-7000-8000-000000000001", PoolKind::Pool),
            ("12345678-", PoolKind::Pool),
            ("", PoolKind::Pool),
        ] {
            assert_eq!(PoolId::new(id).kind(), kind, "{id:?}");
        }
    }

    #[test]
    fn fleet_names_follow_the_pattern_of_the_design() {
        for good in ["a", "acme", "-", &"x".repeat(20)] {
            assert_eq!(FleetName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "Acme", "a.b", &"x".repeat(21)] {
            assert!(FleetName::new(bad).is_err(), "{bad:?}");
        }
    }
}
