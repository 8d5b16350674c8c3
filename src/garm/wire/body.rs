//! The bodies of POST and PUT requests for a pool or a scale set.

use serde_json::{Value, json};

use super::pool::DEFAULT_GROUP;
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

/// The body of `POST /…/scalesets`: that of a pool with a name, without a priority, and with
/// `labels` instead of `tags`.
pub(in crate::garm) fn scale_set_body(name: &str, spec: &PoolSpec) -> Value {
    let mut body = create_body(spec);
    let map = body.as_object_mut().expect("written as an object above");
    map.insert("name".into(), json!(name));
    let labels = map.remove("tags").expect("written above");
    map.insert("labels".into(), labels);
    map.remove("priority");
    body
}

/// The body of `PUT /scalesets/ID`. GARM cannot change the labels of a scale set, which has no
/// priority either. The default runner group is sent by its name, because an empty one means
/// "unchanged".
pub(in crate::garm) fn scale_set_change_body(change: &PoolChange) -> Value {
    let mut body = change_body(change);
    let map = body.as_object_mut().expect("written as an object above");
    map.remove("tags");
    map.remove("priority");
    map.remove("github-runner-group");
    if let Some(group) = &change.runner_group {
        let group = if group.is_empty() { DEFAULT_GROUP } else { group };
        map.insert("runner_group".into(), json!(group));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_scale_set_has_its_own_keys() {
        let change = PoolChange {
            labels: Some(["x"].into_iter().collect()),
            priority: Some(1),
            runner_group: Some(String::new()),
            max_runners: Some(0),
            ..PoolChange::default()
        };
        let expected = json!({ "runner_group": "Default", "max_runners": 0 });
        assert_eq!(scale_set_change_body(&change), expected);
    }
}
