//! A pool as the files declare it, with the defaults merged; it may lack fields that only `plan`
//! needs.

use std::ops::Deref;

use crate::domain::desired::{DesiredPool, PoolSettings};
use crate::domain::entity::EntityRef;
use crate::domain::name::GarmName;

/// A declared pool. Its settings are read as if they were its own fields.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredPool {
    /// The GARM that runs it; `None` if the fleet file has no `garms`.
    pub garm: Option<GarmName>,
    /// The entity whose jobs it serves. `plan` needs it.
    pub entity: Option<EntityRef>,
    /// Name of the provider in GARM's configuration; required by `plan`.
    pub provider: Option<String>,
    /// Image, in the provider's terms; required by `plan`.
    pub image: Option<String>,
    pub settings: PoolSettings,
}

impl Deref for DeclaredPool {
    type Target = PoolSettings;

    fn deref(&self) -> &PoolSettings {
        &self.settings
    }
}

impl DeclaredPool {
    /// The keys of fields that `plan` needs and that are not set.
    pub fn missing(&self) -> Vec<&'static str> {
        let fields = [
            ("provider", self.provider.is_none()),
            ("image", self.image.is_none()),
            ("organization", self.entity.is_none()),
        ];
        fields.into_iter().filter(|(_, is_missing)| *is_missing).map(|(key, _)| key).collect()
    }

    /// The proxy that the file names, if it names one.
    pub fn named_proxy(&self) -> Option<&str> {
        self.proxy.as_deref().filter(|proxy| !proxy.is_empty())
    }

    /// The pool as `plan` uses it; `None` while a field is [`Self::missing`].
    pub fn complete(&self) -> Option<DesiredPool> {
        Some(DesiredPool {
            entity: self.entity.clone()?,
            provider: self.provider.clone()?,
            image: self.image.clone()?,
            settings: self.settings.clone(),
        })
    }
}
