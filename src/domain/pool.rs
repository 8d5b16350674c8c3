//! Pools and scale sets as GARM stores them, and the changes that can be requested.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::entity::EntityKey;
use super::label::{Labels, OwnerMark};
use super::name::{FleetName, PoolId, PoolKind, PoolName};

/// A pool whose row was written this long after its creation has been written to again. GARM itself
/// finishes the row of a new pool within a millisecond, and our next write comes after 250 ms at
/// the earliest.
const WRITTEN_AGAIN: SignedDuration = SignedDuration::from_millis(200);

/// The fields of a pool that GARM stores and a caller can set.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolSpec {
    /// The name of a scale set, by which workflows request it; `None` for a pool. Unique in its
    /// runner group at GitHub.
    pub scale_set_name: Option<String>,
    /// Name of the provider in GARM's configuration. GARM never changes it.
    pub provider: String,
    pub image: String,
    /// The instance type, in the provider's terms.
    pub flavor: String,
    /// `linux` or `windows`; on an update GARM stores any string.
    pub os_type: String,
    pub os_arch: String,
    /// GARM's tags, including reserved labels.
    pub labels: Labels,
    /// A disabled pool starts no runners; its existing runners still take jobs.
    pub enabled: bool,
    /// GARM counts *all* instances against this, including those being deleted.
    pub max_runners: u32,
    /// The level: GARM compares it with the number of runners that count as idle.
    pub min_idle_runners: u32,
    /// First part of the runners' names.
    pub runner_prefix: String,
    /// GitHub's runner group; empty for the default group.
    pub runner_group: String,
    /// Minutes after which GARM gives up on a runner that has not reported.
    pub bootstrap_timeout_min: u32,
    /// The pool with the higher priority is used first; 0 for a scale set, which has none.
    pub priority: u32,
    /// Install template; `None` for the one that ships with GARM.
    pub template_id: Option<u64>,
    /// The proxy that runners use, if any. Versions of GARM up to v0.2.1 have no proxies.
    pub proxy_id: Option<u64>,
    /// Shell access to runners through GARM's agent.
    pub enable_shell: bool,
    /// Provider-specific settings. Absent, `null` and `{}` all mean empty.
    pub extra_specs: Map<String, Value>,
}

impl PoolSpec {
    /// Whether it describes a pool or a scale set.
    pub fn kind(&self) -> PoolKind {
        if self.scale_set_name.is_some() { PoolKind::ScaleSet } else { PoolKind::Pool }
    }
}

/// What GARM knows about a scale set besides its settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScaleSetState {
    /// The jobs that GitHub has assigned to the scale set, running ones included (GARM.md
    /// §scale-sets).
    pub desired_runner_count: u32,
    /// GitHub's id of the scale set; 0 if GARM did not say.
    pub github_id: u64,
}

/// How much of a pool GARM's answer contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolDetail {
    Whole,
    /// All fields but `extra_specs`, which GARM's lists leave out: they are empty here, but
    /// unknown.
    Listed,
}

/// Identifies a version of `extra_specs`: two rows of one pool with equal versions have equal
/// `extra_specs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecsVersion {
    /// `generation`, which grows with every change of `extra_specs` (GARM.md §b).
    Generation(u64),
    /// When the row was last written, for GARM before 0.2.
    UpdatedAt(Timestamp),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    pub id: PoolId,
    pub entity: EntityKey,
    /// The name of the entity as GARM spells it.
    pub entity_name: String,
    /// GARM's name for the GitHub endpoint; empty if GARM did not say.
    pub endpoint: String,
    pub spec: PoolSpec,
    /// Whether `spec.extra_specs` was read; lists omit it.
    pub detail: PoolDetail,
    /// For a scale set, what GitHub has told GARM; `None` for a pool.
    pub scale_set: Option<ScaleSetState>,
    /// Grows by one with each change that makes existing runners outdated. `None` before GARM 0.2.
    pub generation: Option<u64>,
    /// When the row was created, on GARM's clock.
    pub created_at: Timestamp,
    /// When its row was last written, by GARM's clock.
    pub updated_at: Timestamp,
}

impl Pool {
    /// Whether it is a pool or a scale set.
    pub fn kind(&self) -> PoolKind {
        self.id.kind()
    }

    /// The version of `extra_specs` that this row belongs to.
    pub fn specs_version(&self) -> SpecsVersion {
        self.generation.map_or(SpecsVersion::UpdatedAt(self.updated_at), SpecsVersion::Generation)
    }

    /// Fills in the `extra_specs` that a list left out.
    pub fn complete(&mut self, extra_specs: Map<String, Value>) {
        self.spec.extra_specs = extra_specs;
        self.detail = PoolDetail::Whole;
    }

    /// The reserved labels that count. The labels of a scale set never change, so one of a fleet that
    /// may have no runners counts as retired: no file declares that, and it is how a scale set is
    /// drained.
    pub fn marks(&self) -> Vec<OwnerMark> {
        let mut marks = self.spec.labels.marks();
        if self.kind() == PoolKind::ScaleSet && self.spec.max_runners == 0 {
            for mark in &mut marks {
                if let OwnerMark::Owned { fleet, pool } = mark {
                    *mark = OwnerMark::Retired {
                        fleet: std::mem::take(fleet),
                        pool: std::mem::take(pool),
                    };
                }
            }
        }
        marks
    }

    /// Whether it is a scale set without a reserved label, which only `adopt` can make a fleet's.
    pub fn is_unmarked_scale_set(&self) -> bool {
        self.kind() == PoolKind::ScaleSet && self.spec.labels.marks().is_empty()
    }

    /// Whether the pool has exactly this mark.
    pub fn bears(&self, mark: &OwnerMark) -> bool {
        self.spec.labels.contains(&mark.to_string())
    }

    /// What the jobs of a scale set ask for: its labels and its name, which GitHub treats as a label.
    /// `None` for a pool.
    pub fn asked_for(&self) -> Option<Labels> {
        let name = self.spec.scale_set_name.as_deref()?;
        let mut labels = self.spec.labels.clone();
        labels.insert(name);
        Some(labels)
    }

    /// Whether a create, by any fleet, was interrupted before its last write, which enables the
    /// pool: the pool has not been written to since its creation.
    pub fn is_unfinished(&self) -> bool {
        let written_after = self.updated_at.duration_since(self.created_at);
        !self.spec.enabled
            && self.spec.min_idle_runners == 0
            && !self.spec.labels.marks().is_empty()
            && written_after < WRITTEN_AGAIN
    }

    /// Whether the pool has any reserved label of this fleet. No other pools are ever changed.
    pub fn is_owned_by(&self, fleet: &FleetName) -> bool {
        self.spec.labels.marks().iter().any(|mark| mark.fleet() == fleet.as_str())
    }

    /// Whether a replace has retired the pool, or has begun to drain the scale set.
    pub fn is_retired(&self) -> bool {
        self.kind() == PoolKind::ScaleSet && self.spec.max_runners == 0
            || self.marks().iter().any(|mark| matches!(mark, OwnerMark::Retired { .. }))
    }

    /// The name under which the pool is in force for this fleet, if it is.
    pub fn owned_name(&self, fleet: &FleetName) -> Option<PoolName> {
        self.marks().iter().find_map(|mark| match mark {
            OwnerMark::Owned { fleet: of, pool } if of == fleet.as_str() => {
                PoolName::new(pool).ok()
            }
            OwnerMark::Owned { .. } | OwnerMark::Retired { .. } | OwnerMark::Replacement { .. } => {
                None
            }
        })
    }
}

/// A partial update: `None` leaves a field as it is. GARM reads an empty set of labels, and any
/// empty string except that of the runner group, as "unchanged" (GARM.md §b), so callers never set
/// those.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolChange {
    /// The complete new set of labels.
    pub labels: Option<Labels>,
    pub enabled: Option<bool>,
    /// GARM checks it against the level, so the two go together if both change.
    pub max_runners: Option<u32>,
    pub min_idle_runners: Option<u32>,
    pub image: Option<String>,
    pub flavor: Option<String>,
    pub os_type: Option<String>,
    pub os_arch: Option<String>,
    pub runner_prefix: Option<String>,
    /// Empty for the default group.
    pub runner_group: Option<String>,
    /// The timeout in minutes, at least 1.
    pub bootstrap_timeout_min: Option<u32>,
    pub priority: Option<u32>,
    pub template_id: Option<u64>,
    /// The id of the proxy; [`NO_PROXY`] removes it.
    pub proxy_id: Option<u64>,
    pub enable_shell: Option<bool>,
    /// The complete new map; empty clears it.
    pub extra_specs: Option<Map<String, Value>>,
}

/// The id that means "no proxy" in a change.
pub const NO_PROXY: u64 = 0;

impl PoolChange {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The spec that GARM should return after this change; a reply is compared with it.
    pub fn applied_to(&self, spec: &PoolSpec) -> PoolSpec {
        let or = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
        PoolSpec {
            scale_set_name: spec.scale_set_name.clone(),
            provider: spec.provider.clone(),
            image: or(&self.image, &spec.image),
            flavor: or(&self.flavor, &spec.flavor),
            os_type: or(&self.os_type, &spec.os_type),
            os_arch: or(&self.os_arch, &spec.os_arch),
            labels: self.labels.clone().unwrap_or_else(|| spec.labels.clone()),
            enabled: self.enabled.unwrap_or(spec.enabled),
            max_runners: self.max_runners.unwrap_or(spec.max_runners),
            min_idle_runners: self.min_idle_runners.unwrap_or(spec.min_idle_runners),
            runner_prefix: or(&self.runner_prefix, &spec.runner_prefix),
            runner_group: or(&self.runner_group, &spec.runner_group),
            bootstrap_timeout_min: self.bootstrap_timeout_min.unwrap_or(spec.bootstrap_timeout_min),
            priority: self.priority.unwrap_or(spec.priority),
            template_id: self.template_id.or(spec.template_id),
            proxy_id: self
                .proxy_id
                .map_or(spec.proxy_id, |id| Some(id).filter(|id| *id != NO_PROXY)),
            enable_shell: self.enable_shell.unwrap_or(spec.enable_shell),
            extra_specs: self.extra_specs.clone().unwrap_or_else(|| spec.extra_specs.clone()),
        }
    }
}
