//! Checks the networks of a pool's runners, which certain keys of `extra_specs` select (R8).

use serde_json::{Map, Value};

use crate::config::NetworkRule;
use crate::domain::glob;
use crate::domain::text::{code, count};

/// The message, the help, and the top-level key that violates the rule, if there is one.
type NetworkProblem = (String, String, Option<String>);

/// The violations of a rule in `extra_specs`, at most one per key of the rule.
pub(super) fn violations(specs: &Map<String, Value>, rule: &NetworkRule) -> Vec<NetworkProblem> {
    rule.keys.iter().filter_map(|key| one(specs, key, rule)).collect()
}

fn one(specs: &Map<String, Value>, key: &str, rule: &NetworkRule) -> Option<NetworkProblem> {
    let provider = &rule.provider;
    let mut values = Vec::new();
    for found in found(specs, key) {
        spread(found, &mut values);
    }
    let allowed = match rule.allow.as_slice() {
        [] => "none is allowed".to_owned(),
        globs => {
            format!("allowed: {}", globs.iter().map(code).collect::<Vec<_>>().join(", "))
        }
    };
    if values.is_empty() {
        return rule.required.then(|| {
            let message = format!(
                "`extra_specs` is missing {}, which `policy.networks` requires for provider {}: without it the provider chooses the network",
                code(key),
                code(provider)
            );
            (message, format!("set it; {allowed}"), None)
        });
    }
    let bad: Vec<&String> = values
        .iter()
        .filter(|value| !rule.allow.iter().any(|glob| glob::matches(glob, value)))
        .collect();
    let first = bad.first()?;
    let more = match bad.len() {
        1 => String::new(),
        n => format!(" and {}", count(n - 1, "other network")),
    };
    let message = format!(
        "{} in `extra_specs` puts runners into {}{more}, which `policy.networks` does not allow for provider {}",
        code(key),
        code(first),
        code(provider)
    );
    let is_bad = |value: &&String| {
        let alone =
            Map::from_iter(specs.get_key_value(*value).map(|(k, v)| (k.clone(), v.clone())));
        let mut named = Vec::new();
        found(&alone, key).into_iter().for_each(|value| spread(value, &mut named));
        named.contains(first)
    };
    let blamed = specs.keys().find(is_bad).cloned();
    Some((message, allowed, blamed))
}

/// All values at this path. Providers are Go programs that ignore the case of keys, so `Subnet_ID`
/// means `subnet_id`. If there is a list on the path, all its entries are searched. A path with
/// dots may also be a single key.
fn found<'v>(specs: &'v Map<String, Value>, path: &str) -> Vec<&'v Value> {
    let named = |name: &str| {
        let name = folded(name);
        specs.iter().filter(move |(key, _)| folded(key) == name).map(|(_, value)| value)
    };
    let mut all: Vec<&Value> = named(path).collect();
    for (at, _) in path.match_indices('.') {
        for value in named(&path[..at]) {
            below(value, &path[at + 1..], &mut all);
        }
    }
    all
}

fn below<'v>(value: &'v Value, path: &str, all: &mut Vec<&'v Value>) {
    match value {
        Value::Object(map) => all.extend(found(map, path)),
        Value::Array(items) => items.iter().for_each(|item| below(item, path, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Folds case like Go's JSON: the Kelvin sign equals `k`, and the long s equals `s`.
pub(super) fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

/// Adds the networks that a value names: a string, each entry of a list, or any other value as
/// JSON, which no reasonable glob allows. `null` and empty strings name no network.
fn spread(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => all.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| spread(item, all)),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => all.push(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Checks one key that allows `ci-*` and is required.
    fn check(key: &str, specs: Value, expected: &[&str]) {
        let rule = NetworkRule {
            provider: "aws".into(),
            keys: vec![key.into()],
            allow: vec!["ci-*".into()],
            required: true,
        };
        let Value::Object(specs) = specs else { panic!("{specs} is not an object") };
        let got = violations(&specs, &rule);
        let bad: Vec<String> = got
            .iter()
            .map(|(message, ..)| match message.split_once(" puts runners into ") {
                Some((_, rest)) => rest.split(", which").next().unwrap().to_owned(),
                None => "absent".into(),
            })
            .collect();
        assert_eq!(bad, expected, "{key} in {specs:?}");
    }

    #[test]
    fn networks_are_found_at_every_form_of_the_path() {
        check("subnet_id", json!({ "subnet_id": "ci-a" }), &[]);
        check("subnet_id", json!({ "subnet_id": "prod-a" }), &["`prod-a`"]);
        check("net.subnet", json!({ "net": { "subnet": "prod-a" } }), &["`prod-a`"]);
        check("net.subnet", json!({ "net.subnet": "prod-a" }), &["`prod-a`"]);
        check("a.b.c", json!({ "a.b": { "c": "prod-a" } }), &["`prod-a`"]);
        check("a.b.c", json!({ "a": { "b.c": "prod-a" } }), &["`prod-a`"]);
        check(
            "nics.net",
            json!({ "nics": [{ "net": "ci-a" }, { "net": "prod-a" }] }),
            &["`prod-a`"],
        );
        check(
            "nets",
            json!({ "nets": ["ci-a", "prod-a", "prod-b"] }),
            &["`prod-a` and 1 other network"],
        );
    }

    #[test]
    fn letter_case_and_look_alike_letters_hide_nothing() {
        check("subnet_id", json!({ "subnet_id": "ci-a", "Subnet_ID": "prod-a" }), &["`prod-a`"]);
        check("network", json!({ "networ\u{212a}": "prod-a" }), &["`prod-a`"]);
        check("subnet", json!({ "\u{17f}ubnet": "prod-a" }), &["`prod-a`"]);
    }

    #[test]
    fn values_that_are_not_strings_are_not_allowed() {
        check("net", json!({ "net": 5 }), &["`5`"]);
        check("net", json!({ "net": { "id": "ci-a" } }), &[r#"`{"id":"ci-a"}`"#]);
    }

    #[test]
    fn a_required_key_may_not_be_absent_null_or_empty() {
        for specs in [json!({}), json!({ "net": null }), json!({ "net": "" }), json!({ "net": [] })]
        {
            check("net", specs, &["absent"]);
        }
    }
}
