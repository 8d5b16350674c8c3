//! Labels: sets that ignore case, as GARM does (GARM.md §c), and the reserved labels that mark the
//! owner of a pool.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::name::{FleetName, PoolName};

/// Prefix of the label that marks a pool in force as owned by a fleet.
pub const OWNED_PREFIX: &str = "runnerctl=";

/// Prefix of the label on a pool that a replace has retired and is draining.
pub const RETIRED_PREFIX: &str = "runnerctl-old=";

/// Prefix of the label on a pool that a replace has created but not yet put in force.
pub const REPLACEMENT_PREFIX: &str = "runnerctl-new=";

/// A set of labels that ignores case but keeps the first spelling of each. Clones share one set
/// until one of them changes.
#[derive(Debug, Clone, Default)]
pub struct Labels(Arc<BTreeMap<String, String>>);

impl Labels {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a label; an equal one that is already in the set keeps its spelling.
    pub fn insert(&mut self, label: impl Into<String>) {
        let label = label.into();
        Arc::make_mut(&mut self.0).entry(label.to_lowercase()).or_insert(label);
    }

    /// Removes a label and returns whether it was there.
    pub fn remove(&mut self, label: &str) -> bool {
        Arc::make_mut(&mut self.0).remove(&label.to_lowercase()).is_some()
    }

    /// Whether the label is in the set, without regard to case.
    pub fn contains(&self, label: &str) -> bool {
        self.0.contains_key(&label.to_lowercase())
    }

    /// Whether the set has every label in `wanted`: the matching rule of GARM and GitHub.
    pub fn covers(&self, wanted: &Labels) -> bool {
        wanted.0.keys().all(|key| self.0.contains_key(key))
    }

    /// The labels as spelled, in the order of their lower-case forms.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// The lower-case forms, in order; two sets are compared by these.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All reserved labels in the set, of any owner.
    pub fn marks(&self) -> Vec<OwnerMark> {
        self.keys().filter_map(OwnerMark::parse).collect()
    }

    /// The user's labels with `mark` as the only reserved label.
    pub fn with_mark(&self, mark: &OwnerMark) -> Labels {
        let mut labels = self.without_marks();
        labels.insert(mark.to_string());
        labels
    }

    /// The user's labels: the set without reserved ones.
    pub fn without_marks(&self) -> Labels {
        self.iter().filter(|label| !is_reserved(label)).collect()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for key in self.0.keys() {
            key.hash(state);
        }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return std::cmp::Ordering::Equal;
        }
        self.0.keys().cmp(other.0.keys())
    }
}

impl<S: Into<String>> FromIterator<S> for Labels {
    fn from_iter<I: IntoIterator<Item = S>>(labels: I) -> Self {
        let mut set = Self::new();
        for label in labels {
            set.insert(label);
        }
        set
    }
}

/// Whether only `runnerctl` may set this label.
pub fn is_reserved(label: &str) -> bool {
    let label = label.to_lowercase();
    [OWNED_PREFIX, RETIRED_PREFIX, REPLACEMENT_PREFIX]
        .iter()
        .any(|prefix| label.starts_with(prefix))
}

/// Prefixes of the labels that GARM gives each runner in addition to its pool's.
pub const GARM_PREFIXES: [&str; 2] = ["runner-controller-id=", "runner-pool-id="];

/// Whether only GARM may set this label.
pub fn is_garms(label: &str) -> bool {
    let label = label.to_lowercase();
    GARM_PREFIXES.iter().any(|prefix| label.starts_with(prefix))
}

/// A parsed reserved label, which marks the owner of a pool. Fleet and pool are plain strings:
/// another tool, or another version, may have written a name that we would refuse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerMark {
    /// `runnerctl=<fleet>/<pool>`: the pool in force under this name.
    Owned {
        fleet: String,
        /// The pool's name in the fleet.
        pool: String,
    },
    /// `runnerctl-old=<fleet>/<pool>`: retired by a replace; it is drained and deleted.
    Retired {
        fleet: String,
        /// The pool's former name in the fleet.
        pool: String,
    },
    /// `runnerctl-new=<fleet>/<pool>`: created by a replace, disabled and not yet in force.
    Replacement {
        fleet: String,
        /// The pool's future name in the fleet.
        pool: String,
    },
}

impl OwnerMark {
    pub fn owned(fleet: &FleetName, pool: &PoolName) -> Self {
        Self::Owned { fleet: fleet.to_string(), pool: pool.to_string() }
    }

    pub fn retired(fleet: &FleetName, pool: &PoolName) -> Self {
        Self::Retired { fleet: fleet.to_string(), pool: pool.to_string() }
    }

    pub fn replacement(fleet: &FleetName, pool: &PoolName) -> Self {
        Self::Replacement { fleet: fleet.to_string(), pool: pool.to_string() }
    }

    /// Parses a label; `None` if it is not a reserved one. A reserved label without `/` has an
    /// empty pool name, so that its owner is still recognized.
    pub fn parse(label: &str) -> Option<Self> {
        let label = label.to_lowercase();
        let split = |rest: &str| {
            let (fleet, pool) = rest.split_once('/').unwrap_or((rest, ""));
            (fleet.to_owned(), pool.to_owned())
        };
        if let Some(rest) = label.strip_prefix(OWNED_PREFIX) {
            let (fleet, pool) = split(rest);
            return Some(Self::Owned { fleet, pool });
        }
        if let Some(rest) = label.strip_prefix(REPLACEMENT_PREFIX) {
            let (fleet, pool) = split(rest);
            return Some(Self::Replacement { fleet, pool });
        }
        let (fleet, pool) = split(label.strip_prefix(RETIRED_PREFIX)?);
        Some(Self::Retired { fleet, pool })
    }

    pub fn fleet(&self) -> &str {
        match self {
            Self::Owned { fleet, .. }
            | Self::Retired { fleet, .. }
            | Self::Replacement { fleet, .. } => fleet,
        }
    }

    /// The pool's name in the fleet; may be empty.
    pub fn pool(&self) -> &str {
        match self {
            Self::Owned { pool, .. }
            | Self::Retired { pool, .. }
            | Self::Replacement { pool, .. } => pool,
        }
    }
}

impl fmt::Display for OwnerMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owned { fleet, pool } => write!(f, "{OWNED_PREFIX}{fleet}/{pool}"),
            Self::Retired { fleet, pool } => write!(f, "{RETIRED_PREFIX}{fleet}/{pool}"),
            Self::Replacement { fleet, pool } => write!(f, "{REPLACEMENT_PREFIX}{fleet}/{pool}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_ignore_case_and_order() {
        let a: Labels = ["Linux", "x64"].into_iter().collect();
        let b: Labels = ["X64", "linux", "LINUX"].into_iter().collect();
        assert_eq!(a, b);
        assert_eq!(a.iter().collect::<Vec<_>>(), ["Linux", "x64"]);
    }

    #[test]
    fn a_pool_covers_a_job_that_requests_fewer_labels() {
        let pool: Labels = ["self-hosted", "Linux", "gpu"].into_iter().collect();
        assert!(pool.covers(&["linux", "GPU"].into_iter().collect()));
        assert!(!pool.covers(&["linux", "arm64"].into_iter().collect()));
        assert!(pool.covers(&Labels::new()));
    }

    #[test]
    fn no_mark_is_longer_than_64_characters() {
        let fleet = FleetName::new(&"f".repeat(20)).unwrap();
        let pool = PoolName::new(&"p".repeat(28)).unwrap();
        let of = [OwnerMark::owned, OwnerMark::retired, OwnerMark::replacement];
        for mark in of.map(|make| make(&fleet, &pool)) {
            assert!(mark.to_string().len() <= 64, "{mark}");
            assert_eq!(OwnerMark::parse(&mark.to_string()), Some(mark));
        }
    }

    #[test]
    fn marks_parse_in_any_case_and_form() {
        let parse = |text| {
            OwnerMark::parse(text).map(|mark| (mark.fleet().to_owned(), mark.pool().to_owned()))
        };
        assert_eq!(parse("RunnerCtl=Acme/Default"), Some(("acme".into(), "default".into())));
        assert_eq!(parse("runnerctl=acme"), Some(("acme".into(), String::new())));
        assert_eq!(parse("runnerctl-old=a/b"), Some(("a".into(), "b".into())));
        assert_eq!(parse("runnerctl-new=a/b"), Some(("a".into(), "b".into())));
        assert_eq!(parse("runnerctl"), None);
        assert!(is_reserved("RunnerCtl-New=x"));
        assert!(is_reserved("RUNNERCTL-OLD=x"));
        assert!(!is_reserved("runnerctl-pool"));
    }
}
