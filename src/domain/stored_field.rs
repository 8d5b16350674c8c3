//! How the fields of a pool that GARM changes in place are read and requested.
//!
//! The rows of [`super::field::FIELDS`] refer to these, so that a plan, the writer and the audit
//! log treat a new field without code of their own.

use std::time::Duration;

use serde_json::Value;

use super::duration;
use super::pool::{NO_PROXY, PoolChange, PoolSpec};

#[derive(Debug, Clone, Copy)]
pub struct StoredField {
    /// The value as it is compared and recorded: labels in lower case, durations in GARM's unit,
    /// and null for none.
    pub live: fn(&PoolSpec) -> Value,
    /// The value as a plan shows it.
    pub shown: fn(&PoolSpec) -> Value,
    /// The value that a change requests, in the form of `live`; `None` if it requests none.
    pub requested: fn(&PoolChange) -> Option<Value>,
    /// Makes the change request the value in the spec.
    pub request: fn(&PoolSpec, &mut PoolChange),
}

/// A field that has the same name and type in [`PoolSpec`] and [`PoolChange`].
macro_rules! stored {
    ($field:ident) => {
        $crate::domain::stored_field::StoredField {
            live: |spec| ::serde_json::Value::from(spec.$field.clone()),
            shown: |spec| ::serde_json::Value::from(spec.$field.clone()),
            requested: |change| change.$field.clone().map(::serde_json::Value::from),
            request: |spec, change| change.$field = Some(spec.$field.clone()),
        }
    };
}
pub(super) use stored;

/// `min_idle_runners` in GARM, which is the level and not the field of that name in the files.
pub const LEVEL: StoredField = stored!(min_idle_runners);

/// GARM ignores the case of labels and answers with the spelling that it received first.
pub(super) const LABELS: StoredField = StoredField {
    live: |spec| spec.labels.keys().collect::<Vec<_>>().into(),
    shown: |spec| spec.labels.iter().collect::<Vec<_>>().into(),
    requested: |change| {
        change.labels.as_ref().map(|labels| labels.keys().collect::<Vec<_>>().into())
    },
    request: |spec, change| change.labels = Some(spec.labels.clone()),
};

pub(super) const BOOTSTRAP_TIMEOUT: StoredField = StoredField {
    shown: |spec| {
        let minutes = u64::from(spec.bootstrap_timeout_min);
        duration::format(Duration::from_secs(minutes * 60)).into()
    },
    ..stored!(bootstrap_timeout_min)
};

pub(super) const TEMPLATE: StoredField = StoredField {
    live: |spec| spec.template_id.into(),
    shown: |spec| spec.template_id.into(),
    requested: |change| change.template_id.map(Value::from),
    request: |spec, change| change.template_id = spec.template_id,
};

pub(super) const PROXY: StoredField = StoredField {
    live: |spec| spec.proxy_id.into(),
    shown: |spec| spec.proxy_id.into(),
    requested: |change| change.proxy_id.map(|id| Some(id).filter(|id| *id != NO_PROXY).into()),
    request: |spec, change| change.proxy_id = Some(spec.proxy_id.unwrap_or(NO_PROXY)),
};
