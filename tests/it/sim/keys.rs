//! Compares the JSON keys of the simulator with those in recorded responses of a real GARM: the
//! same fleet is built in the simulator, and each kind of document must have the same keys.

use std::collections::BTreeSet;
use std::time::Duration;

use runnerctl::sim::{GarmEvent, JobBatch, SimConfig, World};
use serde_json::{Value, json};

use super::asked::{Asked, draft};

/// Every key of a document with its path; the items of a list count as one.
fn key_paths(value: &Value, way: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let way = format!("{way}.{key}");
                key_paths(value, &way, found);
                found.insert(way);
            }
        }
        Value::Array(items) => {
            for item in items {
                key_paths(item, &format!("{way}[]"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn keys_of<'a>(documents: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for document in documents {
        key_paths(document, "", &mut found);
    }
    // `extra_specs` are the pool's own.
    found.retain(|it| !it.contains(".extra_specs."));
    found
}

fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/garm/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["body"].take()
}

/// What the simulated events of one kind say.
fn payloads(events: &[GarmEvent], kind: &str, operation: &str) -> Vec<Value> {
    events
        .iter()
        .filter(|it| it.entity_type == kind && it.operation == operation)
        .map(|it| serde_json::from_str::<Value>(&it.to_json()).unwrap()["payload"].take())
        .collect()
}

fn recorded_events(file: &str, kind: &str, operation: &str) -> Vec<Value> {
    let path = format!("{}/tests/garm/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|it| serde_json::from_str::<Value>(it).unwrap())
        .filter(|it| it["entity-type"] == kind && it["operation"] == operation)
        .map(|mut it| it["payload"].take())
        .collect()
}

/// The recorded fleet: a pool with three runners and three jobs, of which one is still queued, an
/// unused pool of a repository, and a pool whose provider fails.
fn as_recorded() -> (Asked, Value) {
    let mut world = World::new(SimConfig { backoff: 86_400, ..SimConfig::default() });
    world.watch_events();
    let mut asked = Asked(world);
    let organization = asked.get("/organizations")[0]["id"].as_str().unwrap().to_owned();
    let repository = asked.get("/repositories")[0]["id"].as_str().unwrap().to_owned();
    let pools = format!("/organizations/{organization}/pools");
    let more = json!({
        "enabled": true, "min_idle_runners": 3, "extra_specs": { "disable_updates": true }
    });
    let pool = asked.ask("POST", &pools, &draft(&["self-hosted", "linux"], more));
    let unused = draft(&["gpu"], json!({}));
    let unused = asked.ask("POST", &format!("/repositories/{repository}/pools"), &unused);
    let specs = json!({ "sim_create_fail_rate": 1.0 });
    let more = json!({ "enabled": true, "min_idle_runners": 1, "extra_specs": specs });
    asked.ask("POST", &pools, &draft(&["broken"], more));
    asked.0.advance(Duration::from_secs(18));
    // One of the three stays idle, one job stays queued.
    let long = Duration::from_secs(600);
    asked.0.queue_jobs(&JobBatch::new(2, &["linux"]).lasting(long));
    asked.0.queue_jobs(&JobBatch::new(1, &["linux"]).held());
    asked.0.advance(Duration::from_millis(20));
    let unused = format!("/pools/{}", unused["id"].as_str().unwrap());
    asked.ask("PUT", &unused, &json!({ "max_runners": 2 }));
    asked.ask("DELETE", &unused, &Value::Null);
    (asked, pool)
}

/// The same keys on both sides.
fn check(what: &str, recorded: &BTreeSet<String>, simulated: &BTreeSet<String>) {
    let missing: Vec<_> = recorded.difference(simulated).collect();
    let extra: Vec<_> = simulated.difference(recorded).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{what}: missing {missing:?}, extra {extra:?}");
}

#[test]
fn every_list_has_the_keys_of_the_recorded_one() {
    let (mut asked, _) = as_recorded();
    let lists = [
        ("controller", "/controller"),
        ("providers", "/providers"),
        ("organizations", "/organizations"),
        ("repositories", "/repositories"),
        ("enterprises", "/enterprises"),
        ("scalesets", "/scalesets"),
        ("templates", "/templates"),
        ("endpoints", "/github/endpoints"),
        ("credentials", "/github/credentials"),
        ("instances", "/instances"),
        ("jobs", "/jobs"),
    ];
    for (name, path) in lists {
        let mut simulated = keys_of([&asked.get(path)]);
        // The failing runner was recorded between two attempts, when its fault was cleared.
        simulated.remove("[].provider_fault");
        check(name, &keys_of([&recorded(name)]), &simulated);
    }
}

#[test]
fn a_pool_has_the_keys_of_the_recorded_one() {
    let (mut asked, pool) = as_recorded();
    let path = format!("/pools/{}", pool["id"].as_str().unwrap());
    let alone = asked.get(&path);
    check("pool", &keys_of([&recorded("pool")]), &keys_of([&alone]));
    let changed = asked.ask("PUT", &path, &json!({ "max_runners": 6 }));
    check("pool_update", &keys_of([&recorded("pool_update")]), &keys_of([&changed]));
    // The recorded list also has a repository's pool, which is deleted here.
    let mut listed = keys_of([&recorded("pools")]);
    listed.retain(|it| !it.contains("repo_"));
    check("pools", &listed, &keys_of([&asked.get("/pools")]));
}

#[test]
fn an_instance_has_the_keys_of_the_recorded_one() {
    let (mut asked, _) = as_recorded();
    for (name, phase) in [("instance_active", "active"), ("instance_idle", "idle")] {
        let all = asked.get("/instances");
        let one = all.as_array().unwrap().iter().find(|it| it["runner_status"] == phase).unwrap();
        let path = format!("/instances/{}", one["name"].as_str().unwrap());
        check(name, &keys_of([&recorded(name)]), &keys_of([&asked.get(&path)]));
    }
}

#[test]
fn every_event_has_the_keys_of_the_recorded_one() {
    let (mut asked, pool) = as_recorded();
    let path = format!("/pools/{}", pool["id"].as_str().unwrap());
    asked.ask("PUT", &path, &json!({ "max_runners": 6, "min_idle_runners": 1 }));
    let all = asked.get("/instances");
    let idle = all.as_array().unwrap().iter().find(|it| it["runner_status"] == "idle").unwrap();
    let name = idle["name"].as_str().unwrap().to_owned();
    asked.ask("DELETE", &format!("/instances/{name}"), &Value::Null);
    asked.0.advance(Duration::from_secs(10));
    let events = asked.0.take_events();
    for (kind, operation) in [
        ("pool", "create"),
        ("pool", "update"),
        ("pool", "delete"),
        ("instance", "create"),
        ("instance", "update"),
        ("instance", "delete"),
        ("job", "create"),
        ("job", "update"),
    ] {
        let simulated = payloads(&events, kind, operation);
        let recorded = recorded_events("events", kind, operation);
        assert!(!simulated.is_empty() && !recorded.is_empty(), "{kind} {operation}");
        check(&format!("{kind} {operation}"), &keys_of(&recorded), &keys_of(&simulated));
    }
}

#[test]
fn a_scale_set_and_its_events_have_the_keys_of_the_recorded_ones() {
    let mut world = World::new(SimConfig::default());
    world.watch_events();
    let mut asked = Asked(world);
    let path = format!("/organizations/{}/scalesets", asked.organization());
    let more = json!({ "name": "gpu", "labels": ["gpu"], "enabled": true, "extra_specs": {} });
    let set = asked.ask("POST", &path, &draft(&[], more));
    let path = format!("/scalesets/{}", set["id"]);
    asked.put(&path, &json!({ "extended_state": "oops", "max_runners": 4 }));
    asked.wait(10);
    asked.queue(1, "gpu", 20);
    asked.seconds_until(|it| it.states(&path) == ["running/active"]);
    check("scale_set", &keys_of([&recorded("scale_set")]), &keys_of([&asked.get(&path)]));
    asked.seconds_until(|it| it.states(&path).is_empty());
    asked.put(&path, &json!({ "enabled": false, "max_runners": 0 }));
    asked.wait(3);
    asked.ask("DELETE", &path, &Value::Null);
    let events = asked.0.take_events();
    for (kind, operation) in [
        ("scaleset", "create"),
        ("scaleset", "update"),
        ("scaleset", "delete"),
        ("instance", "create"),
        ("instance", "update"),
        ("instance", "delete"),
        ("job", "create"),
        ("job", "update"),
    ] {
        let simulated = payloads(&events, kind, operation);
        let mut recorded = keys_of(&recorded_events("scale_sets", kind, operation));
        let mut simulated = keys_of(&simulated);
        // They were set and left by the recorded ones before.
        for later in [".extended_state", ".conclusion"] {
            if operation != "update" {
                recorded.remove(later);
                simulated.remove(later);
            }
        }
        check(&format!("{kind} {operation}"), &recorded, &simulated);
    }
}

#[test]
fn the_simulator_returns_every_recorded_error() {
    let (mut asked, pool) = as_recorded();
    let path = format!("/pools/{}", pool["id"].as_str().unwrap());
    let pools = format!("/organizations/{}/pools", pool["org_id"].as_str().unwrap());
    let unknown = "/pools/3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    let mut draft = json!({
        "provider_name": "nope", "image": "i", "flavor": "f", "os_type": "linux",
        "os_arch": "amd64", "tags": ["x"], "max_runners": 1,
    });
    let bad_provider = asked.ask("POST", &pools, &draft);
    draft["tags"] = json!([]);
    let no_tags = asked.ask("POST", &pools, &draft);
    let cases = [
        ("pool_create_bad_provider", bad_provider),
        ("pool_create_no_tags", no_tags),
        ("pool_delete_not_empty", asked.ask("DELETE", &path, &Value::Null)),
        ("pool_get_bad_id", asked.get("/pools/bad")),
        ("pool_get_unknown", asked.get(unknown)),
        ("pool_update_min_over_max", asked.ask("PUT", &path, &json!({ "min_idle_runners": 99 }))),
        ("pool_update_unknown_template", asked.ask("PUT", &path, &json!({ "template_id": 999 }))),
        ("login_wrong_password", asked.ask("POST", "/auth/login", &json!({ "username": "x" }))),
    ];
    for (name, simulated) in cases {
        assert_eq!(simulated, recorded(name), "{name}");
    }
}
