//! Names and ids, each with its own type so that they cannot be mixed up.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest pool name: together with the longest fleet name and the longest prefix, the owner
/// label still has at most 64 characters, the width of GARM's column in MySQL and PostgreSQL.
pub const POOL_NAME_MAX: usize = 28;

/// The longest fleet name; see [`POOL_NAME_MAX`].
pub const FLEET_NAME_MAX: usize = 20;

/// The longest name of a GARM: the default name of its lease, `runnerctl-FLEET-GARM`, then has at
/// most 63 characters, as a lease in Kubernetes must.
pub const GARM_NAME_MAX: usize = 32;

/// The name of a pool: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, 1 to 28 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(String);

/// The name of a fleet, which owns pools in GARM: `[a-z0-9-]`, 1 to 20 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetName(String);

/// The name of a GARM in `garms`: `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, 1 to 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GarmName(String);

/// The name of a group of pools: plain text, since only the fleet file has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PoolName {
    /// Returns an error that says which rule `text` breaks.
    pub fn new(text: &str) -> Result<Self, String> {
        check_characters(text, "a pool name", POOL_NAME_MAX, OF_LABELS)?;
        check_ends(text, "a pool name")?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FleetName {
    /// Returns an error that says which rule `text` breaks.
    pub fn new(text: &str) -> Result<Self, String> {
        check_characters(text, "a fleet name", FLEET_NAME_MAX, OF_LABELS)?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl GarmName {
    /// Returns an error that says which rule `text` breaks.
    pub fn new(text: &str) -> Result<Self, String> {
        check_characters(text, "the name of a GARM", GARM_NAME_MAX, "")?;
        check_ends(text, "the name of a GARM")?;
        Ok(Self(text.to_owned()))
    }

    /// The name of the GARM of `garm:` beside `garms:`.
    pub fn default_name() -> Self {
        Self("default".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of this GARM's own file where the files name one for all: `audit.jsonl` becomes
    /// `audit.NAME.jsonl`.
    pub fn in_file_name(&self, path: &Path) -> PathBuf {
        let (Some(stem), Some(extension)) = (path.file_stem(), path.extension()) else {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{self}"));
            return name.into();
        };
        let mut name = stem.to_owned();
        name.push(format!(".{self}."));
        name.push(extension);
        path.with_file_name(name)
    }
}

fn check_ends(text: &str, what: &str) -> Result<(), String> {
    if text.starts_with('-') || text.ends_with('-') {
        return Err(format!("{what} must start and end with a letter or digit"));
    }
    Ok(())
}

/// Why names that become part of a label are in lower case.
const OF_LABELS: &str = ", since GARM ignores the case of labels";

/// `lower` is the reason for lower case.
fn check_characters(text: &str, what: &str, max: usize, lower: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("{what} cannot be empty"));
    }
    if text.chars().count() > max {
        return Err(format!("{what} can have at most {max} characters"));
    }
    match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        None => Ok(()),
        Some(c) if c.is_ascii_uppercase() => {
            Err(format!("{what} must be lower case{lower}: `{}`", c.to_ascii_lowercase()))
        }
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

impl fmt::Display for GarmName {
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

    #[test]
    fn names_of_garms_follow_the_pattern_of_pool_names() {
        for good in ["a", "eu-1", "default", &"x".repeat(32)] {
            assert_eq!(GarmName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "EU", "a.b", "a/b", &"x".repeat(33)] {
            assert!(GarmName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_name_of_a_garm_precedes_the_extension_of_its_files() {
        let east = GarmName::new("east").unwrap();
        for (shared, own) in [
            ("/var/log/audit.jsonl", "/var/log/audit.east.jsonl"),
            ("audit", "audit.east"),
            ("a.b/audit", "a.b/audit.east"),
            ("a.tar.gz", "a.tar.east.gz"),
            (".hidden", ".hidden.east"),
        ] {
            assert_eq!(east.in_file_name(Path::new(shared)), PathBuf::from(own));
        }
    }
}
