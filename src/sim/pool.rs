//! The row of a pool, and the table of tags.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::row_key::{EntityRowKey, InstanceRowKey};

/// The key of a tag's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TagRowKey(usize);

#[derive(Debug, Clone)]
pub(crate) struct PoolRow {
    pub(crate) id: String,
    pub(crate) entity: EntityRowKey,
    /// Never changes: a PUT of another one returns 200 and does nothing (GARM.md §0.5).
    pub(crate) provider: String,
    pub(crate) max_runners: u64,
    pub(crate) min_idle: u64,
    pub(crate) prefix: String,
    pub(crate) image: String,
    pub(crate) flavor: String,
    pub(crate) os_type: String,
    pub(crate) os_arch: String,
    pub(crate) tags: Vec<TagRowKey>,
    pub(crate) is_enabled: bool,
    /// The bootstrap timeout in minutes; 0 means 20.
    pub(crate) timeout: u64,
    /// As written; absent if never set (GARM.md §a).
    pub(crate) extra_specs: Option<String>,
    pub(crate) group: String,
    pub(crate) priority: u64,
    pub(crate) template: u64,
    /// The id of the proxy; 0 if there is none.
    pub(crate) proxy: u64,
    pub(crate) has_shell: bool,
    pub(crate) generation: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) instances: BTreeSet<InstanceRowKey>,
    /// The pool in the cache of GARM's loops.
    pub(crate) cached: CachedPool,
}

/// A pool in the cache of GARM's loops, which events update in their order of arrival. After two
/// writes within a few milliseconds the cache can keep the older one for good (GARM.md §0.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedPool {
    pub(crate) is_enabled: bool,
    pub(crate) min_idle: u64,
    pub(crate) max_runners: u64,
    pub(crate) tags: Vec<TagRowKey>,
}

impl PoolRow {
    /// Minutes after which a silent runner is removed.
    pub(crate) fn timeout_minutes(&self) -> u64 {
        if self.timeout == 0 { 20 } else { self.timeout }
    }

    /// The cache entry once this row's event has arrived.
    pub(crate) fn to_cached(&self) -> CachedPool {
        CachedPool {
            is_enabled: self.is_enabled,
            min_idle: self.min_idle,
            max_runners: self.max_runners,
            tags: self.tags.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct TagRow {
    pub(crate) id: String,
    pub(crate) name: String,
    lower: String,
}

/// Every tag that any pool has ever had. GARM keeps a tag's first spelling forever and for all
/// pools (GARM.md §0.4, §c).
#[derive(Debug, Clone, Default)]
pub(crate) struct Tags {
    rows: Vec<TagRow>,
    by_lower: HashMap<String, TagRowKey>,
}

impl Tags {
    pub(crate) fn get(&self, key: TagRowKey) -> &TagRow {
        &self.rows[key.0]
    }

    /// The tag with this name, ignoring case; added with this spelling and id if there is none.
    pub(crate) fn find_or_add(&mut self, name: &str, id: impl FnOnce() -> String) -> TagRowKey {
        let lower = name.to_ascii_lowercase();
        if let Some(key) = self.by_lower.get(&lower) {
            return *key;
        }
        let key = TagRowKey(self.rows.len());
        self.rows.push(TagRow { id: id(), name: name.to_owned(), lower: lower.clone() });
        self.by_lower.insert(lower, key);
        key
    }

    /// Whether a pool with these tags serves a job with these labels. GARM counts the pool's tags
    /// among the labels, so a duplicate label matches no pool.
    pub(crate) fn serve(&self, tags: &[TagRowKey], labels: &LowercaseLabels) -> bool {
        let hits = tags.iter().filter(|id| labels.0.contains(&self.get(**id).lower)).count();
        !labels.0.is_empty() && hits == labels.0.len()
    }

    /// The names, as GARM spells them.
    pub(crate) fn names(&self, tags: &[TagRowKey]) -> Vec<String> {
        tags.iter().map(|id| self.get(*id).name.clone()).collect()
    }
}

/// A job's labels in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LowercaseLabels(Vec<String>);

impl LowercaseLabels {
    pub(crate) fn new(labels: &[String]) -> Self {
        Self(labels.iter().map(|label| label.to_lowercase()).collect())
    }
}
