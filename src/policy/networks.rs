//! Which networks a pool's runners are put into, by the keys of `extra_specs` that choose them (R8).

use serde_json::{Map, Value};

use crate::config::NetworkRule;
use crate::domain::glob;
use crate::domain::text::{code, count};

/// What is wrong, what to do, and the top-level key that is to blame, where one is.
type NetworkProblem = (String, String, Option<String>);

/// What is wrong with `extra_specs` under a rule, once for each key of the rule.
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
                "`extra_specs` lacks {}, which `policy.networks` requires of provider {}: without it the provider picks the network",
                code(key),
                code(provider)
            );
            (message, format!("give it; {allowed}"), None)
        });
    }
    let bad: Vec<&String> =
        values.iter().filter(|it| !rule.allow.iter().any(|glob| glob::matches(glob, it))).collect();
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
    let is_bad = |it: &&String| {
        let alone = Map::from_iter(specs.get_key_value(*it).map(|(k, v)| (k.clone(), v.clone())));
        let mut named = Vec::new();
        found(&alone, key).into_iter().for_each(|it| spread(it, &mut named));
        named.contains(first)
    };
    let blamed = specs.keys().find(is_bad).cloned();
    Some((message, allowed, blamed))
}

/// Every value at this path. Providers are Go programs that read keys without regard to case, so
/// that `Subnet_ID` is `subnet_id` to them; a list on the way stands for each of its entries; and a
/// path with dots may be one key.
fn found<'v>(specs: &'v Map<String, Value>, path: &str) -> Vec<&'v Value> {
    let named = |name: &str| {
        let name = folded(name);
        specs.iter().filter(move |(key, _)| folded(key) == name).map(|it| it.1)
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
        Value::Array(items) => items.iter().for_each(|it| below(it, path, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// As Go's JSON compares names: also the Kelvin sign is a `k`, and the long s an `s`.
pub(super) fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

/// The networks that a value names: a text, each of a list, and anything else as it is written,
/// which no sensible glob allows. Null and nothing are no choice.
fn spread(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => all.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|it| spread(it, all)),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => all.push(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The messages for one key that allows `ci-*` and must be there.
    fn check(key: &str, specs: Value, expected: &[&str]) {
        let rule = NetworkRule {
            provider: "aws".into(),
            keys: vec![key.into()],
            allow: vec!["ci-*".into()],
            required: true,
        };
        let Value::Object(specs) = specs else { panic!("{specs} is no object") };
        let got = violations(&specs, &rule);
        let bad: Vec<String> = got
            .iter()
            .map(|it| match it.0.split_once(" puts runners into ") {
                Some((_, rest)) => rest.split(", which").next().unwrap().to_owned(),
                None => "absent".into(),
            })
            .collect();
        assert_eq!(bad, expected, "{key} in {specs:?}");
    }

    #[test]
    fn a_network_is_found_wherever_its_key_leads() {
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
    fn case_and_odd_letters_hide_nothing() {
        check("subnet_id", json!({ "subnet_id": "ci-a", "Subnet_ID": "prod-a" }), &["`prod-a`"]);
        check("network", json!({ "networ\u{212a}": "prod-a" }), &["`prod-a`"]);
        check("subnet", json!({ "\u{17f}ubnet": "prod-a" }), &["`prod-a`"]);
    }

    #[test]
    fn what_is_no_text_is_no_allowed_network() {
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
