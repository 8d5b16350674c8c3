//! The fields of a pool that a write can set: which of them GARM has not stored as requested, and
//! how the audit log shows them.

use serde_json::{Map, Value};

use super::shrink;
use crate::domain::field::stored_fields;
use crate::domain::pool::{Pool, PoolChange, PoolDetail, PoolSpec};
use crate::domain::stored_field::{LEVEL, StoredField};
use crate::plan::are_same_specs;

/// The key of the field that may contain secrets, and is therefore recorded as a digest only.
pub const SPECS: &str = "extra_specs";

/// All fields that a change can request, by their names in the pool files.
fn fields() -> impl Iterator<Item = (&'static str, &'static StoredField)> {
    stored_fields().chain([("min_idle_runners", &LEVEL)])
}

/// The keys of the requested fields that `spec` does not have as requested. `extra_specs` are
/// compared by meaning, because PostgreSQL changes their order and the spelling of numbers.
pub fn missing(change: &PoolChange, spec: &PoolSpec) -> Vec<&'static str> {
    let differs = |(key, stored): &(&str, &StoredField)| match (*key, &change.extra_specs) {
        (SPECS, Some(requested)) => !are_same_specs(requested, &spec.extra_specs),
        _ => (stored.requested)(change).is_some_and(|requested| requested != (stored.live)(spec)),
    };
    fields().filter(differs).map(|(key, _)| key).collect()
}

/// Drops `extra_specs` from the change if they mean the same as those in GARM. On PostgreSQL,
/// writing them again would make every runner outdated.
pub fn without_same_specs(change: PoolChange, spec: &PoolSpec) -> PoolChange {
    let is_same = |requested: &Map<String, Value>| are_same_specs(requested, &spec.extra_specs);
    let extra_specs = change.extra_specs.filter(|requested| !is_same(requested));
    PoolChange { extra_specs, ..change }
}

/// The keys of the fields that a new pool does not have as requested. If `pool` comes from a list,
/// `extra_specs` are not compared.
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

/// A change that sets every field of a spec, except empty and absent ones, which a POST leaves out.
fn whole(spec: &PoolSpec) -> PoolChange {
    let mut change = PoolChange::default();
    for (_, stored) in fields() {
        let value = (stored.live)(spec);
        if !value.is_null() && value != "" {
            (stored.request)(spec, &mut change);
        }
    }
    change
}

/// The current values of the requested fields, for the audit log.
pub fn before(change: &PoolChange, spec: &PoolSpec) -> Value {
    image(|stored| (stored.requested)(change).map(|_| (stored.live)(spec)))
}

/// The requested values, for the audit log.
pub fn after(change: &PoolChange) -> Value {
    image(|stored| (stored.requested)(change))
}

/// All fields of a pool, for the audit log.
pub fn all(spec: &PoolSpec) -> Value {
    let mut all = image(|stored| Some((stored.live)(spec)).filter(|value| !value.is_null()));
    all["provider"] = spec.provider.clone().into();
    all
}

fn image(value: impl Fn(&StoredField) -> Option<Value>) -> Value {
    let mut map = Map::new();
    for (key, stored) in fields() {
        if let Some(value) = value(stored) {
            let shown = if key == SPECS { shrink(&value) } else { value };
            map.insert(key.to_owned(), shown);
        }
    }
    Value::Object(map)
}
