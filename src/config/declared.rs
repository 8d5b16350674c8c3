//! A pool as the files declare it, defaults merged: complete but for what only `plan` needs.

use serde_json::{Map, Value};

use crate::domain::desired::{DesiredPool, ScalePolicy};
use crate::domain::entity::EntityRef;
use crate::domain::label::Labels;
use crate::domain::name::PoolName;

/// One declared pool.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredPool {
    /// Its name in the fleet.
    pub name: PoolName,
    /// Whose jobs it serves; `plan` needs it.
    pub entity: Option<EntityRef>,
    /// Name of the provider in GARM's configuration; `plan` needs it.
    pub provider: Option<String>,
    /// Image, in the provider's terms; `plan` needs it.
    pub image: Option<String>,
    /// GARM's flavor.
    pub instance_type: String,
    /// Its own labels and those of `defaults`.
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
    /// The provider's own settings, merged.
    pub extra_specs: Map<String, Value>,
    /// How it scales.
    pub scale: ScalePolicy,
    /// A pool to take over.
    pub adopt: Option<String>,
}

impl DeclaredPool {
    /// Whether the file lets the pool take part: GARM decides where the file leaves it alone.
    pub fn may_be_enabled(&self) -> bool {
        self.enabled != Some(false)
    }

    /// What `plan` still needs, in the words of the files.
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

    /// The pool as `plan` takes it; nothing while something is [`Self::missing`].
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
