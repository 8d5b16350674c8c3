//! The bodies of POST and PUT requests for a pool.

use serde_json::{Value, json};

use crate::domain::pool::{PoolChange, PoolSpec};

/// The body of `POST /…/pools`, with every field.
pub(in crate::garm) fn create_body(spec: &PoolSpec) -> Value {
    let mut body = json!({
        "provider_name": spec.provider,
        "image": spec.image,
        "flavor": spec.flavor,
        "os_type": spec.os_type,
        "os_arch": spec.os_arch,
        "tags": spec.labels.iter().collect::<Vec<_>>(),
        "enabled": spec.enabled,
        "max_runners": spec.max_runners,
        "min_idle_runners": spec.min_idle_runners,
        "runner_prefix": spec.runner_prefix,
        "runner_bootstrap_timeout": spec.bootstrap_timeout_min,
        "priority": spec.priority,
        "enable_shell": spec.enable_shell,
    });
    let map = body.as_object_mut().expect("written as an object above");
    if !spec.runner_group.is_empty() {
        map.insert("github-runner-group".into(), json!(spec.runner_group));
    }
    if let Some(id) = spec.template_id {
        map.insert("template_id".into(), json!(id));
    }
    if let Some(id) = spec.proxy_id {
        map.insert("proxy_id".into(), json!(id));
    }
    if !spec.extra_specs.is_empty() {
        map.insert("extra_specs".into(), Value::Object(spec.extra_specs.clone()));
    }
    body
}

/// The body of `PUT /pools/ID`: only what changes.
pub(in crate::garm) fn change_body(change: &PoolChange) -> Value {
    let entries = [
        ("tags", change.labels.as_ref().map(|labels| json!(labels.iter().collect::<Vec<_>>()))),
        ("enabled", change.enabled.map(Value::from)),
        ("max_runners", change.max_runners.map(Value::from)),
        ("min_idle_runners", change.min_idle_runners.map(Value::from)),
        ("image", change.image.clone().map(Value::from)),
        ("flavor", change.flavor.clone().map(Value::from)),
        ("os_type", change.os_type.clone().map(Value::from)),
        ("os_arch", change.os_arch.clone().map(Value::from)),
        ("runner_prefix", change.runner_prefix.clone().map(Value::from)),
        ("github-runner-group", change.runner_group.clone().map(Value::from)),
        ("runner_bootstrap_timeout", change.bootstrap_timeout_min.map(Value::from)),
        ("priority", change.priority.map(Value::from)),
        ("template_id", change.template_id.map(Value::from)),
        ("proxy_id", change.proxy_id.map(Value::from)),
        ("enable_shell", change.enable_shell.map(Value::from)),
        ("extra_specs", change.extra_specs.clone().map(Value::Object)),
    ];
    Value::Object(
        entries
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key.to_owned(), value)))
            .collect(),
    )
}
