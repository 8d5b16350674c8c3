//! The fields of a pool that can be asked for: what a reply lacks of them, and how the audit log
//! shows them.

use serde_json::{Map, Value};

use super::shrink;
use crate::domain::label::Labels;
use crate::domain::pool::{NO_PROXY, Pool, PoolChange, PoolDetail, PoolSpec};
use crate::plan::are_same_specs;

/// One field: its name in the manifests, what a change asks for it, and how it stands.
struct AuditedField {
    key: &'static str,
    asked: fn(&PoolChange) -> Option<Value>,
    live: fn(&PoolSpec) -> Value,
}

macro_rules! plain {
    ($key:literal, $field:ident) => {
        AuditedField {
            key: $key,
            asked: |it| it.$field.clone().map(Value::from),
            live: |it| Value::from(it.$field.clone()),
        }
    };
}

const FIELDS: [AuditedField; 16] = [
    AuditedField {
        key: "labels",
        asked: |it| it.labels.as_ref().map(labels),
        live: |it| labels(&it.labels),
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
        asked: |it| it.template_id.map(Value::from),
        live: |it| it.template_id.map_or(Value::Null, Value::from),
    },
    AuditedField {
        key: "proxy",
        asked: |it| it.proxy_id.map(|id| proxy(Some(id).filter(|it| *it != NO_PROXY))),
        live: |it| proxy(it.proxy_id),
    },
    plain!("enable_shell", enable_shell),
    AuditedField {
        key: SPECS,
        asked: |it| it.extra_specs.clone().map(Value::Object),
        live: |it| Value::Object(it.extra_specs.clone()),
    },
];

/// May hold secrets: shown by digest only.
pub const SPECS: &str = "extra_specs";

fn proxy(id: Option<u64>) -> Value {
    id.map_or(Value::Null, Value::from)
}

/// GARM folds the case of labels and answers with the spelling that it saw first.
fn labels(labels: &Labels) -> Value {
    labels.keys().collect::<Vec<_>>().into()
}

/// The asked fields that do not stand in `spec` as asked. `extra_specs` stand as asked when they
/// mean the same: PostgreSQL gives them back in another order, and numbers in another spelling.
pub fn missing(change: &PoolChange, spec: &PoolSpec) -> Vec<&'static str> {
    let differs = |it: &&AuditedField| match (it.key, &change.extra_specs) {
        (SPECS, Some(asked)) => !are_same_specs(asked, &spec.extra_specs),
        _ => (it.asked)(change).is_some_and(|asked| asked != (it.live)(spec)),
    };
    FIELDS.iter().filter(differs).map(|it| it.key).collect()
}

/// The change without `extra_specs` that mean what stands there: on PostgreSQL a write of the same
/// ones makes every runner outdated.
pub fn without_same_specs(change: PoolChange, spec: &PoolSpec) -> PoolChange {
    let is_same = |it: &Map<String, Value>| are_same_specs(it, &spec.extra_specs);
    let extra_specs = change.extra_specs.filter(|it| !is_same(it));
    PoolChange { extra_specs, ..change }
}

/// What of a whole new pool does not stand as asked, as far as `pool` was read.
pub fn missing_of_new(asked: &PoolSpec, pool: &Pool) -> Vec<&'static str> {
    let mut asked_fields = whole(asked);
    if pool.detail == PoolDetail::Listed {
        asked_fields.extra_specs = None;
    }
    let mut fields = missing(&asked_fields, &pool.spec);
    if asked.provider != pool.spec.provider {
        fields.push("provider");
    }
    fields
}

/// Every field of a spec as a change. What a POST leaves out is not asked.
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
        runner_group: Some(spec.runner_group.clone()).filter(|it| !it.is_empty()),
        bootstrap_timeout_min: Some(spec.bootstrap_timeout_min),
        priority: Some(spec.priority),
        template_id: spec.template_id,
        proxy_id: spec.proxy_id,
        enable_shell: Some(spec.enable_shell),
        extra_specs: Some(spec.extra_specs.clone()),
    }
}

/// The asked fields as they stand in `spec`, for the audit log.
pub fn before(change: &PoolChange, spec: &PoolSpec) -> Value {
    image(|it| (it.asked)(change).map(|_| (it.live)(spec)))
}

/// The asked fields as asked, for the audit log.
pub fn after(change: &PoolChange) -> Value {
    image(|it| (it.asked)(change))
}

/// A whole pool, for the audit log.
pub fn all(spec: &PoolSpec) -> Value {
    let mut all = image(|it| Some((it.live)(spec)).filter(|it| !it.is_null()));
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
            |it: Mutability| matches!(it, Mutability::Update | Mutability::UpdateAndOutdate);
        let stored = field::FIELDS.iter().filter(|it| is_stored(it.mutability)).map(|it| it.key);
        let recorded: BTreeSet<_> = FIELDS.iter().map(|it| it.key).collect();
        assert_eq!(recorded, stored.chain(["min_idle_runners"]).collect());
    }
}
