//! A pool as it stands in GARM, and the two ways to ask for another one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::entity::EntityKey;
use super::label::{Labels, OwnerMark};
use super::name::{FleetName, PoolId, PoolName};

/// A pool whose row was last written this long after it was made has been written to again. GARM
/// itself finishes the row of a new pool within a millisecond; our own next write comes after 250.
const WRITTEN_AGAIN: SignedDuration = SignedDuration::from_millis(200);

/// What GARM stores of a pool and a caller can choose.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolSpec {
    /// Name of the provider in GARM's configuration. Fixed at creation.
    pub provider: String,
    /// Image, in the provider's terms.
    pub image: String,
    /// GARM's word for the instance type, in the provider's terms.
    pub flavor: String,
    /// `linux` or `windows`; GARM stores any text on update.
    pub os_type: String,
    /// `amd64`, `arm64`, …
    pub os_arch: String,
    /// GARM's tags, reserved ones included.
    pub labels: Labels,
    /// A disabled pool creates nothing; its runners still take jobs.
    pub enabled: bool,
    /// GARM holds this against *all* instances, also those being deleted.
    pub max_runners: u32,
    /// The level: GARM compares it with what it counts as idle.
    pub min_idle_runners: u32,
    /// First part of runner names.
    pub runner_prefix: String,
    /// GitHub's runner group; empty for the default one.
    pub runner_group: String,
    /// Minutes until GARM gives a silent runner up.
    pub bootstrap_timeout_min: u32,
    /// Higher is served first.
    pub priority: u32,
    /// GARM's install template; absent for the system one.
    pub template_id: Option<u64>,
    /// The proxy that runners use; absent for none. GARM knows proxies since after v0.2.1.
    pub proxy_id: Option<u64>,
    /// Shell access through GARM's agent.
    pub enable_shell: bool,
    /// The provider's own settings. Absent, `null` and `{}` are one: empty.
    pub extra_specs: Map<String, Value>,
}

/// How much of a pool an answer of GARM's carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolDetail {
    /// All that can be chosen.
    Whole,
    /// As in GARM's lists, which leave `extra_specs` out: they are empty here, and unknown.
    Listed,
}

/// A state of what GARM's lists leave out of a pool: two rows of one pool with equal editions have
/// equal `extra_specs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecsVersion {
    /// `generation`, which grows with every change of `extra_specs` (GARM.md §b).
    Generation(u64),
    /// Before GARM 0.2: when the row was last written, for whatever reason.
    UpdatedAt(Timestamp),
}

/// A pool as GARM reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// GARM's id.
    pub id: PoolId,
    /// The entity whose jobs it serves.
    pub entity: EntityKey,
    /// The entity's name, as GARM spells it.
    pub entity_name: String,
    /// GARM's name of the GitHub endpoint, empty if it did not say.
    pub endpoint: String,
    /// What can be chosen.
    pub spec: PoolSpec,
    /// Whether `spec.extra_specs` are known.
    pub detail: PoolDetail,
    /// Grows by one with each change that makes older runners outdated. Absent before GARM 0.2.
    pub generation: Option<u64>,
    /// When it was created, on GARM's clock.
    pub created_at: Timestamp,
    /// When its row was last written, on GARM's clock.
    pub updated_at: Timestamp,
}

impl Pool {
    /// Which state of its `extra_specs` this row goes with.
    pub fn specs_version(&self) -> SpecsVersion {
        self.generation.map_or(SpecsVersion::UpdatedAt(self.updated_at), SpecsVersion::Generation)
    }

    /// Takes `extra_specs` over, which a list has left out.
    pub fn complete(&mut self, extra_specs: Map<String, Value>) {
        self.spec.extra_specs = extra_specs;
        self.detail = PoolDetail::Whole;
    }

    /// Whether the pool bears exactly this mark.
    pub fn bears(&self, mark: &OwnerMark) -> bool {
        self.spec.labels.contains(&mark.to_string())
    }

    /// Whether a create of some fleet was interrupted before its last write, which enables the pool:
    /// it has not been written to since it was made.
    pub fn is_unfinished(&self) -> bool {
        let written_after = self.updated_at.duration_since(self.created_at);
        !self.spec.enabled
            && self.spec.min_idle_runners == 0
            && !self.spec.labels.marks().is_empty()
            && written_after < WRITTEN_AGAIN
    }

    /// Whether any reserved label of this fleet is on the pool. Only such pools are ever touched.
    pub fn is_owned_by(&self, fleet: &FleetName) -> bool {
        self.spec.labels.marks().iter().any(|it| it.fleet() == fleet.as_str())
    }

    /// Whether a replace has retired the pool.
    pub fn is_retired(&self) -> bool {
        self.spec.labels.marks().iter().any(|it| matches!(it, OwnerMark::Retired { .. }))
    }

    /// The name under which this fleet owns the pool, if it does: the one in force.
    pub fn owned_name(&self, fleet: &FleetName) -> Option<PoolName> {
        self.spec.labels.marks().iter().find_map(|mark| match mark {
            OwnerMark::Owned { fleet: of, pool } if of == fleet.as_str() => {
                PoolName::new(pool).ok()
            }
            OwnerMark::Owned { .. } | OwnerMark::Retired { .. } | OwnerMark::Replacement { .. } => {
                None
            }
        })
    }
}

/// A partial update: what is absent stays as it is. GARM reads an empty set of labels and any empty
/// text but the runner group's as "unchanged" (GARM.md §b), so those are never put in here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolChange {
    /// The whole new set of labels.
    pub labels: Option<Labels>,
    /// Switch the pool on or off.
    pub enabled: Option<bool>,
    /// New upper bound; checked by GARM against the level, so both go together when both change.
    pub max_runners: Option<u32>,
    /// New level.
    pub min_idle_runners: Option<u32>,
    /// New image.
    pub image: Option<String>,
    /// New flavor.
    pub flavor: Option<String>,
    /// New operating system.
    pub os_type: Option<String>,
    /// New architecture.
    pub os_arch: Option<String>,
    /// New prefix.
    pub runner_prefix: Option<String>,
    /// New runner group; empty for the default one.
    pub runner_group: Option<String>,
    /// New time-out in minutes, not 0.
    pub bootstrap_timeout_min: Option<u32>,
    /// New priority.
    pub priority: Option<u32>,
    /// New template.
    pub template_id: Option<u64>,
    /// New proxy; [`NO_PROXY`] for none.
    pub proxy_id: Option<u64>,
    /// Shell access on or off.
    pub enable_shell: Option<bool>,
    /// The whole new map; empty clears it.
    pub extra_specs: Option<Map<String, Value>>,
}

/// What GARM takes for "no proxy" in a change.
pub const NO_PROXY: u64 = 0;

impl PoolChange {
    /// Whether nothing would be asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The spec that GARM should answer with after this change: what a reply is compared with.
    pub fn applied_to(&self, spec: &PoolSpec) -> PoolSpec {
        let or = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
        PoolSpec {
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
                .map_or(spec.proxy_id, |id| Some(id).filter(|it| *it != NO_PROXY)),
            enable_shell: self.enable_shell.unwrap_or(spec.enable_shell),
            extra_specs: self.extra_specs.clone().unwrap_or_else(|| spec.extra_specs.clone()),
        }
    }
}
