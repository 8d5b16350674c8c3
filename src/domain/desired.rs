//! What the manifests ask for, complete: defaults merged, everything that a plan needs present.

use std::time::Duration;

use serde_json::{Map, Value};

use super::credential::DesiredCredential;
use super::entity::EntityRef;
use super::label::Labels;
use super::name::{FleetName, PoolName};

/// The scaling policy of one pool: what `watch` steers by. Source: R1, R2 and DESIGN §5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePolicy {
    /// Floor on all runners of the pool, busy ones included.
    pub min_runners: u32,
    /// Ceiling on all runners of the pool. At least 1, at least `min_runners`.
    pub max_runners: u32,
    /// Runners kept idle whatever is busy. At most `max_runners`.
    pub min_idle_runners: u32,
    /// Pressure starts when *more than* this many jobs have waited.
    pub scale_up_threshold: u32,
    /// For how long they must have waited.
    pub scale_up_delay: Duration,
    /// How many queued jobs may stay unserved under pressure.
    pub scale_up_target: u32,
    /// How long a runner may be idle beyond the floor.
    pub scale_down_delay: Duration,
    /// No job waits longer than this for a runner to be started; absent for `off`.
    pub max_queue_wait: Option<Duration>,
    /// How long a runner may take to become idle.
    pub boot_grace: Duration,
    /// How long a failed runner is kept to be looked at.
    pub failed_runner_grace: Duration,
    /// A job queued longer than this is not scaled for.
    pub stale_job_age: Duration,
    /// Whether `watch` owns the level.
    pub autoscale: bool,
}

/// One pool, as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredPool {
    /// Its name in the fleet.
    pub name: PoolName,
    /// Whose jobs it serves.
    pub entity: EntityRef,
    /// Name of the provider in GARM's configuration.
    pub provider: String,
    /// Image, in the provider's terms.
    pub image: String,
    /// GARM's flavor.
    pub instance_type: String,
    /// The pool's labels, without the mark.
    pub labels: Labels,
    /// `linux`, `windows`.
    pub os_type: String,
    /// `amd64`, `arm64`, …
    pub os_arch: String,
    /// Whether it takes part at all; absent: left as it is in GARM.
    pub enabled: Option<bool>,
    /// First part of runner names.
    pub runner_prefix: String,
    /// GitHub's runner group, empty for the default one; absent: left alone.
    pub runner_group: Option<String>,
    /// Minutes until GARM gives a silent runner up.
    pub bootstrap_timeout_min: u32,
    /// Higher is served first.
    pub priority: u32,
    /// Name of an install template; absent: left alone.
    pub template: Option<String>,
    /// Name of a proxy of GARM's, empty for none; absent: left alone.
    pub proxy: Option<String>,
    /// Shell access through GARM's agent.
    pub enable_shell: bool,
    /// The provider's own settings.
    pub extra_specs: Map<String, Value>,
    /// How it scales.
    pub scale: ScalePolicy,
    /// A pool to take over: GARM's id of one made by hand, or the old name of one of ours.
    pub adopt: Option<String>,
}

impl DesiredPool {
    /// Whether the file lets the pool take part: GARM decides where the file leaves it alone.
    pub fn may_be_enabled(&self) -> bool {
        self.enabled != Some(false)
    }

    /// The level of a new pool, and of one that does not autoscale.
    pub fn plain_level(&self) -> u32 {
        self.scale.min_runners.max(self.scale.min_idle_runners)
    }
}

/// What the fleet file says about GARM itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControllerSettings {
    /// `minimum_job_age_backoff`; absent: left alone.
    pub minimum_job_age_backoff: Option<Duration>,
    /// This fleet decides for all fleets on the GARM.
    pub shared: bool,
}

/// How much of the fleet the manifests that were read speak for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of it: an owned pool that is not declared is to be deleted.
    Whole,
    /// A file of it: nothing is deleted.
    Part,
}

/// The whole of what is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Whose pools these are.
    pub fleet: FleetName,
    /// GARM itself.
    pub controller: ControllerSettings,
    /// GitHub Apps that GARM is to use.
    pub credentials: Vec<DesiredCredential>,
    /// The pools, by name.
    pub pools: Vec<DesiredPool>,
    /// Whether what is absent is to go.
    pub scope: Scope,
}

/// How much longer than `scale_up_delay` GARM's own backoff has to be for a policy to act first.
pub const BACKOFF_MARGIN: Duration = Duration::from_mins(2);

/// Whether GARM's `minimum_job_age_backoff` leaves scaling to a policy with this `scale_up_delay`,
/// so that GARM's own reaction is the safety net behind it. Source: DESIGN §5.
pub fn leaves_scaling_to_us(backoff: Duration, scale_up_delay: Duration) -> bool {
    backoff >= scale_up_delay.saturating_add(BACKOFF_MARGIN)
}
