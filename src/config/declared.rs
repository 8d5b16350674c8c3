//! A pool as the files declare it, with the defaults merged; it may lack fields that only `plan`
//! needs.

use serde_json::{Map, Value};

use crate::domain::desired::{DesiredPool, ScalePolicy};
use crate::domain::entity::EntityRef;
use crate::domain::label::Labels;
use crate::domain::name::PoolName;

#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredPool {
    pub name: PoolName,
    /// Required by `plan`.
    pub entity: Option<EntityRef>,
    /// Name of the provider in GARM's configuration; required by `plan`.
    pub provider: Option<String>,
    /// Image, in the provider's terms; required by `plan`.
    pub image: Option<String>,
    /// GARM calls it `flavor`.
    pub instance_type: String,
    /// Its own labels and those of `defaults`.
    pub labels: Labels,
    /// `linux` or `windows`.
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
    /// Provider-specific settings, merged with the defaults.
    pub extra_specs: Map<String, Value>,
    pub scale: ScalePolicy,
    pub adopt: Option<String>,
}

impl DeclaredPool {
    /// Whether the pool is, or may be, enabled: if the file does not manage `enabled`, GARM
    /// decides.
    pub fn may_be_enabled(&self) -> bool {
        self.enabled != Some(false)
    }

    /// The keys of fields that `plan` needs and that are not set.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.provider.is_none() {
            missing.push("provider");
        }
        if self.image.is_none() {
            missing.push("image");
        }
        if self.entity.is_none() {
            missing.push("organization");
        }
        missing
    }

    /// The pool as `plan` uses it; `None` while a field is [`Self::missing`].
    pub fn complete(&self) -> Option<DesiredPool> {
        Some(DesiredPool {
            name: self.name.clone(),
            entity: self.entity.clone()?,
            provider: self.provider.clone()?,
            image: self.image.clone()?,
            instance_type: self.instance_type.clone(),
            labels: self.labels.clone(),
            os_type: self.os_type.clone(),
            os_arch: self.os_arch.clone(),
            enabled: self.enabled,
            runner_prefix: self.runner_prefix.clone(),
            runner_group: self.runner_group.clone(),
            bootstrap_timeout_min: self.bootstrap_timeout_min,
            priority: self.priority,
            template: self.template.clone(),
            proxy: self.proxy.clone(),
            enable_shell: self.enable_shell,
            extra_specs: self.extra_specs.clone(),
            scale: self.scale.clone(),
            adopt: self.adopt.clone(),
        })
    }
}
