//! The desired state that the files declare, complete: defaults are merged and everything that a
//! plan needs is present.

use std::ops::Deref;
use std::time::Duration;

use serde_json::{Map, Value};

use super::credential::DesiredCredential;
use super::entity::EntityRef;
use super::label::Labels;
use super::name::{FleetName, GarmName, GroupName, PoolKind, PoolName};
use super::price::Price;

/// The scaling policy of one pool, which `watch` follows. Source: R1, R2 and DESIGN §5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePolicy {
    /// Lower bound on all runners of the pool, busy ones included.
    pub min_runners: u32,
    /// Upper bound on all runners of the pool. At least 1 and at least `min_runners`.
    pub max_runners: u32,
    /// Runners to keep idle, however many are busy. At most `max_runners`.
    pub min_idle_runners: u32,
    /// Scale up when *more than* this many jobs have waited for `scale_up_delay`.
    pub scale_up_threshold: u32,
    /// How long those jobs must have waited.
    pub scale_up_delay: Duration,
    /// How many queued jobs may stay without a runner while scaling up.
    pub scale_up_target: u32,
    /// How long a runner above the minimum may be idle before it is removed.
    pub scale_down_delay: Duration,
    /// The longest that a job waits before a runner is started for it; `None` for `off`.
    pub max_queue_wait: Option<Duration>,
    /// How long a new runner may take to become idle.
    pub boot_grace: Duration,
    /// How long a failed runner is kept for inspection.
    pub failed_runner_grace: Duration,
    /// A job queued for longer than this causes no scaling.
    pub stale_job_age: Duration,
    /// Whether `watch` controls the level.
    pub autoscale: bool,
    /// What a runner costs; among pools of equal priority, the cheaper is used first, and a pool
    /// without a price last.
    pub price: Option<Price>,
    /// The group whose `max_runners` the pool shares with others, if it is in one.
    pub group: Option<GroupLimit>,
}

/// A limit that several pools have together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLimit {
    pub name: GroupName,
    /// Upper bound on all runners of all its pools, at least 1.
    pub max_runners: u32,
    /// The GARMs of its pools, in order, if there are several; otherwise empty.
    pub garms: Vec<GarmName>,
}

impl ScalePolicy {
    /// The level below which a pool must not fall: `min_idle_runners`, or the runners missing from
    /// `min_runners` after counting `active` ones and those about to pick up a job (`covered`),
    /// whichever is more.
    pub fn floor(&self, active: u32, covered: u32) -> u32 {
        self.min_idle_runners.max(self.min_runners.saturating_sub(active + covered))
    }
}

/// What a pool file declares about a pool, with the defaults merged, whether or not `plan` can work
/// with it: all but the entity, the provider and the image.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolSettings {
    pub name: PoolName,
    /// Whether GARM has it as a pool or as a scale set.
    pub kind: PoolKind,
    /// The name by which workflows request a scale set, if it is not the pool's.
    pub scale_set_name: Option<String>,
    /// The size of the VMs, which GARM calls `flavor`.
    pub instance_type: String,
    /// The pool's labels and those of the defaults, without the owner mark.
    pub labels: Labels,
    /// The operating system: `linux` or `windows`.
    pub os_type: String,
    pub os_arch: String,
    /// `None` leaves it as it is in GARM.
    pub enabled: Option<bool>,
    /// First part of the runners' names.
    pub runner_prefix: String,
    /// GitHub's runner group, empty for the default group; `None` leaves it as it is in GARM.
    pub runner_group: Option<String>,
    /// Minutes after which GARM gives up on a runner that has not reported.
    pub bootstrap_timeout_min: u32,
    /// The pool with the higher priority is used first.
    pub priority: u32,
    /// Name of an install template; `None` leaves it as it is in GARM.
    pub template: Option<String>,
    /// Name of a proxy in GARM, empty for none; `None` leaves it as it is in GARM.
    pub proxy: Option<String>,
    /// Shell access to runners through GARM's agent.
    pub enable_shell: bool,
    /// Provider-specific settings, merged with the defaults by top-level key.
    pub extra_specs: Map<String, Value>,
    pub scale: ScalePolicy,
    /// The pool to adopt: GARM's id of a pool that was created by hand, or the former name of a
    /// pool of this fleet.
    pub adopt: Option<String>,
}

impl PoolSettings {
    /// The name by which workflows request the scale set; `None` for a pool.
    pub fn requested_as(&self) -> Option<&str> {
        match self.kind {
            PoolKind::Pool => None,
            PoolKind::ScaleSet => {
                Some(self.scale_set_name.as_deref().unwrap_or(self.name.as_str()))
            }
        }
    }

    /// Whether the pool is, or may be, enabled: if the file does not manage `enabled`, GARM
    /// decides.
    pub fn may_be_enabled(&self) -> bool {
        self.enabled != Some(false)
    }

    /// Whether `watch` sets `max_runners` in GARM, below that of the file: the pool shares the
    /// `max_runners` of a group.
    pub fn shares_limit(&self) -> bool {
        self.scale.group.is_some() && self.scale.autoscale && self.may_be_enabled()
    }

    /// The level of a new pool, and of a pool that does not autoscale.
    pub fn plain_level(&self) -> u32 {
        self.scale.min_runners.max(self.scale.min_idle_runners)
    }
}

/// The desired state of one pool. Its settings are read as if they were its own fields.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredPool {
    /// The organization, repository or enterprise whose jobs it serves.
    pub entity: EntityRef,
    /// Name of the provider in GARM's configuration.
    pub provider: String,
    /// Image, in the provider's terms.
    pub image: String,
    pub settings: PoolSettings,
}

impl Deref for DesiredPool {
    type Target = PoolSettings;

    fn deref(&self) -> &PoolSettings {
        &self.settings
    }
}

/// GARM's own settings, as the fleet file declares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControllerSettings {
    /// `minimum_job_age_backoff`; `None` leaves it as it is in GARM.
    pub minimum_job_age_backoff: Option<Duration>,
    /// Whether this fleet sets them for all fleets on this GARM.
    pub shared: bool,
}

/// Whether the files that were read declare the whole fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole fleet: pools of this fleet that are not declared are to be deleted.
    Whole,
    /// One file of several: nothing is deleted.
    Part,
}

/// The desired state of a fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The owner of the pools.
    pub fleet: FleetName,
    pub controller: ControllerSettings,
    /// GitHub Apps that GARM should use.
    pub credentials: Vec<DesiredCredential>,
    /// The declared pools, sorted by name.
    pub pools: Vec<DesiredPool>,
    /// Whether pools that are not declared are to be deleted.
    pub scope: Scope,
}

/// How much longer than `scale_up_delay` GARM's own backoff must be for a pool's policy to act
/// first.
pub const BACKOFF_MARGIN: Duration = Duration::from_mins(2);

/// Whether GARM's `minimum_job_age_backoff` leaves scaling to a policy with this `scale_up_delay`,
/// so that GARM's own reaction is only the safety net. Source: DESIGN §5.
pub fn leaves_scaling_to_us(backoff: Duration, scale_up_delay: Duration) -> bool {
    backoff >= scale_up_delay.saturating_add(BACKOFF_MARGIN)
}
