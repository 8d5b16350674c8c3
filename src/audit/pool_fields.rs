//! The fields of a pool that a write can set: which of them GARM did not store as requested, and how
//! the audit log shows them.

use serde_json::{Map, Value};

use super::shrink;
use crate::domain::label::Labels;
use crate::domain::pool::{NO_PROXY, Pool, PoolChange, PoolDetail, PoolSpec};
use crate::plan::are_same_specs;

/// A field of a pool.
struct AuditedField {
    /// Its name in pool files.
    key: &'static str,
    /// The value that a change requests, if it changes the field.
    requested: fn(&PoolChange) -> Option<Value>,
    /// The value in GARM.
    stored: fn(&PoolSpec) -> Value,
}

macro_rules! plain {
    ($key:literal, $field:ident) => {
        AuditedField {
            key: $key,
            requested: |change| change.$field.clone().map(Value::from),
            stored: |spec| Value::from(spec.$field.clone()),
        }
    };
}

const FIELDS: [AuditedField; 16] = [
    AuditedField {
        key: "labels",
        requested: |change| change.labels.as_ref().map(labels),
        stored: |spec| labels(&spec.labels),
    },
    plain!("enabled", enabled),
    plain!("max_runners", max_runners),
    plain!("min_idle_runners", min_idle_runners),
    plain!("image", image),
    plain!("instance_type", flavor),
    plain!("os_type", os_type),
    plain!("os_arch", os_arch),
    plain!("runner_prefix", runner_prefix),
    plain!("runner_group", runner_group),
    plain!("bootstrap_timeout", bootstrap_timeout_min),
    plain!("priority", priority),
    AuditedField {
        key: "template",
        requested: |change| change.template_id.map(Value::from),
        stored: |spec| spec.template_id.map_or(Value::Null, Value::from),
    },
    AuditedField {
        key: "proxy",
        requested: |change| change.proxy_id.map(|id| proxy((id != NO_PROXY).then_some(id))),
        stored: |spec| proxy(spec.proxy_id),
    },
    plain!("enable_shell", enable_shell),
    AuditedField {
        key: SPECS,
        requested: |change| change.extra_specs.clone().map(Value::Object),
        stored: |spec| Value::Object(spec.extra_specs.clone()),
    },
];

/// The key of the field that may contain secrets, and is therefore recorded as a digest only.
pub const SPECS: &str = "extra_specs";

fn proxy(id: Option<u64>) -> Value {
    id.map_or(Value::Null, Value::from)
}

/// GARM ignores the case of labels and returns the spelling that it saw first.
fn labels(labels: &Labels) -> Value {
    labels.keys().collect::<Vec<_>>().into()
}

/// The keys of the requested fields that `spec` does not have as requested. `extra_specs` are
/// compared by meaning, because PostgreSQL changes their order and the spelling of numbers.
pub fn missing(change: &PoolChange, spec: &PoolSpec) -> Vec<&'static str> {
    let differs = |field: &&AuditedField| match (field.key, &change.extra_specs) {
        (SPECS, Some(requested)) => !are_same_specs(requested, &spec.extra_specs),
        _ => (field.requested)(change).is_some_and(|value| value != (field.stored)(spec)),
    };
    FIELDS.iter().filter(differs).map(|field| field.key).collect()
}

/// Drops `extra_specs` from the change if they mean the same as those in GARM. On PostgreSQL,
/// writing them again would make every runner outdated.
pub fn without_same_specs(change: PoolChange, spec: &PoolSpec) -> PoolChange {
    let extra_specs = change.extra_specs.filter(|specs| !are_same_specs(specs, &spec.extra_specs));
    PoolChange { extra_specs, ..change }
}

/// The keys of the fields that a new pool does not have as requested, as far as `pool` was read.
pub fn missing_of_new(requested: &PoolSpec, pool: &Pool) -> Vec<&'static str> {
    let mut change = whole(requested);
    if pool.detail == PoolDetail::Listed {
        change.extra_specs = None;
    }
    let mut fields = missing(&change, &pool.spec);
    if requested.provider != pool.spec.provider {
        fields.push("provider");
    }
    fields
}

/// A change of every field of a spec, without the fields that a POST leaves out.
fn whole(spec: &PoolSpec) -> PoolChange {
    PoolChange {
        labels: Some(spec.labels.clone()),
        enabled: Some(spec.enabled),
        max_runners: Some(spec.max_runners),
        min_idle_runners: Some(spec.min_idle_runners),
        image: Some(spec.image.clone()),
        flavor: Some(spec.flavor.clone()),
        os_type: Some(spec.os_type.clone()),
        os_arch: Some(spec.os_arch.clone()),
        runner_prefix: Some(spec.runner_prefix.clone()),
        runner_group: Some(spec.runner_group.clone()).filter(|group| !group.is_empty()),
        bootstrap_timeout_min: Some(spec.bootstrap_timeout_min),
        priority: Some(spec.priority),
        template_id: spec.template_id,
        proxy_id: spec.proxy_id,
        enable_shell: Some(spec.enable_shell),
        extra_specs: Some(spec.extra_specs.clone()),
    }
}

/// The present values of the requested fields, for the audit log.
pub fn before(change: &PoolChange, spec: &PoolSpec) -> Value {
    image(|field| (field.requested)(change).map(|_| (field.stored)(spec)))
}

/// The requested values, for the audit log.
pub fn after(change: &PoolChange) -> Value {
    image(|field| (field.requested)(change))
}

/// All fields of a pool, for the audit log.
pub fn all(spec: &PoolSpec) -> Value {
    let mut all = image(|field| Some((field.stored)(spec)).filter(|value| !value.is_null()));
    all["provider"] = spec.provider.clone().into();
    all
}

fn image(value: impl Fn(&AuditedField) -> Option<Value>) -> Value {
    let mut map = Map::new();
    for field in &FIELDS {
        if let Some(value) = value(field) {
            let shown = if field.key == SPECS { shrink(&value) } else { value };
            map.insert(field.key.to_owned(), shown);
        }
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::field::{self, Mutability};

    #[test]
    fn every_field_that_garm_changes_in_place_is_recorded() {
        let is_stored =
            |kind: Mutability| matches!(kind, Mutability::Update | Mutability::UpdateAndOutdate);
        let fields = field::FIELDS.iter().filter(|field| is_stored(field.mutability));
        let stored = fields.map(|field| field.key);
        let recorded: BTreeSet<_> = FIELDS.iter().map(|field| field.key).collect();
        assert_eq!(recorded, stored.chain(["min_idle_runners"]).collect());
    }
}
