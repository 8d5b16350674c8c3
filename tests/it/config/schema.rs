//! The JSON Schema and the decoder agree: each accepts what the other accepts, except for the few
//! rules that a schema cannot express ([`is_gap`]).

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use runnerctl::config::{Manifest, Severity, SourceFile, load, load_policy, schema};
use runnerctl::domain::field::FIELDS;
use serde_json::{Value, json};

use crate::support::processors::take_processor;

static POOL_FILE: LazyLock<Validator> = LazyLock::new(|| validator("pool_file"));
static POLICY_FILE: LazyLock<Validator> = LazyLock::new(|| validator("policy_file"));
static FLEET_FILE: LazyLock<Validator> = LazyLock::new(|| validator("fleet_file"));

fn validator(which: &str) -> Validator {
    let mut document = schema();
    document["oneOf"] = json!([{ "$ref": format!("#/$defs/{which}") }]);
    jsonschema::validator_for(&document).expect("the schema is valid")
}

/// JSON is YAML, so one text serves both.
fn source(document: &Value) -> SourceFile {
    SourceFile { path: "a.yaml".into(), text: document.to_string(), folder: None }
}

/// Whether the decoder accepts a file, apart from errors that depend on several values, which a
/// schema cannot express.
fn is_accepted(manifest: &Manifest) -> bool {
    let is_leaf = |code: &str| !code.starts_with("RC05") || code == "RC0503" || code == "RC0513";
    !manifest.problems.iter().any(|it| it.severity == Severity::Error && is_leaf(it.code.text()))
}

fn pool_file(document: &Value) -> (bool, bool) {
    (is_accepted(&load(None, &[source(document)])), POOL_FILE.is_valid(document))
}

fn fleet_file(document: &Value) -> (bool, bool) {
    (is_accepted(&load(Some(&source(document)), &[])), FLEET_FILE.is_valid(document))
}

fn policy_file(document: &Value) -> (bool, bool) {
    let (policy, problems) = load_policy(&source(document));
    let is_good = policy.is_some() && problems.iter().all(|it| it.severity != Severity::Error);
    (is_good, POLICY_FILE.is_valid(document))
}

fn pool_with(key: &str, value: &Value) -> Value {
    let mut pool = json!({ "name": "a", "max_runners": 100_000, "instance_type": "m5.large" });
    pool[key] = value.clone();
    json!({ "pools": [pool] })
}

/// Sections with keys that exclude some of those in [`fleet`].
fn other_sections() -> Vec<(&'static str, Value)> {
    let leader =
        |engine: &str, settings: Value| ("watch", json!({ "leader": { engine: settings } }));
    let tls = json!({ "ca": "ca.pem", "cert": "c.pem", "key": "k.pem" });
    let etcd = json!({
        "name": "acme", "endpoints": ["https://etcd:2379"], "username": "u",
        "password": "env:ETCD", "tls": tls
    });
    let kubernetes = json!({
        "name": "acme", "namespace": "ci", "server": "https://k8s", "token": "env:K8S", "ca": "ca.pem"
    });
    vec![
        ("runner_mtls", json!({ "signer": "https://signer.example.com", "ca": "ca.pem" })),
        leader("postgresql", json!({ "name": "acme", "url": "env:DB", "tls": tls })),
        leader("etcd", etcd),
        leader("kubernetes", kubernetes),
    ]
}

/// A fleet file with all other keys.
fn fleet() -> Value {
    json!({
        "fleet": "acme",
        "garm": {
            "url": "https://garm.example.com", "insecure_http": false, "username": "admin",
            "password": "env:GARM",
            "tls": { "ca": "ca.pem", "cert": "c.pem", "key": "k.pem" },
            "backend": ["10.0.0.1:9997"],
            "probe_runner_cert": { "cert": "c.pem", "key": "k.pem" },
            "crls": ["operators.crl"]
        },
        "garms": {
            "eu-1": { "url": "https://eu.example.com", "password": "env:EU", "crls": ["eu.crl"] },
            "us": { "url": "http://us", "insecure_http": true, "password": "env:US" }
        },
        "controller": { "minimum_job_age_backoff": "5m", "shared": true },
        "defaults": { "organization": "acme", "provider": "aws", "image": "ami-1" },
        "watch": {
            "listen": "127.0.0.1:9477", "resync": "30s", "audit": "a.jsonl",
            "audit_key": "file:key", "previous_audit_keys": ["file:old"], "audit_required": true,
            "audit_rotate": { "max_size_mib": 64, "every": "1d", "keep": 400 },
            "audit_anchor": {
                "key": "file:anchor", "every": "5m", "file": "/mnt/a.jsonl",
                "webhook": "https://hooks.example.com/anchor", "alerts": true
            },
            "tls": { "cert": "c", "key": "k", "client_ca": "ca" }
        },
        "alerts": [{ "name": "A", "when": "queue_depth", "above": 20, "for": "5m", "notify": ["r"] }],
        "receivers": {
            "r": { "alertmanager": { "url": "http://alertmanager:9093" } },
            "w": { "webhook": { "url": "https://hooks.example.com/x?y=z" } }
        },
        "policy": {
            "networks": {
                "aws": { "keys": ["subnet_id"], "allow": ["subnet-*"], "required": true },
                "must_not_reach": ["db.example.com:5432"]
            },
            "extra_specs": { "allow_keys": ["a"], "show": ["a"] },
            "allowed_providers": ["aws"], "allowed_instance_types": ["m5.*"],
            "allowed_images": ["ami-*"], "allowed_labels": ["*"], "allowed_entities": ["acme"],
            "allowed_runner_groups": ["ci-*"], "allowed_templates": ["linux"],
            "max_total_runners": 100, "forbid_enable_shell": true, "protected_pools": ["prod-*"],
            "require_mtls": true, "accept": ["R8"]
        },
        "runner_mtls": { "cert": "c.pem", "key": "vault:secret/runner#key", "ca": "ca.pem" },
        "credentials": [{
            "name": "app", "endpoint": "github.com", "app_id": 1, "installation_id": 2,
            "private_key": "exec:op read x"
        }]
    })
}

/// The same with one section besides the required ones: less content makes the test faster.
fn part_of_fleet(section: &str) -> Value {
    with_section(section, &fleet()[section])
}

/// A fleet file with this section besides the required ones.
fn with_section(section: &str, content: &Value) -> Value {
    let mut part = json!({
        "fleet": "acme",
        "garm": { "url": "https://garm.example.com", "password": "env:GARM" },
        "receivers": { "r": { "alertmanager": { "url": "http://alertmanager:9093" } } }
    });
    part[section] = content.clone();
    part
}

/// Values of every kind, valid and invalid.
fn probes() -> Vec<Value> {
    let mut probes = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(100_000),
        json!(100_001),
        json!(4_294_967_295_u64),
        json!(4_294_967_296_u64),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1.5),
        json!([]),
        json!(["a"]),
        json!(["a", "a", "A"]),
        json!([1]),
        json!([""]),
        json!(["RunnerCtl=a/b"]),
        json!(["runnerctl-old=a"]),
        json!(["runnerctl"]),
        json!(["Runner-Controller-Id=x"]),
        json!(["runner-pool-id=x"]),
        json!(["runner-pool"]),
        json!(["a, b"]),
        json!(["a,"]),
        json!(["${{ a }}"]),
        json!(["R8", "R3"]),
        json!(["R1"]),
        json!(["10.0.0.1:1", "[::1]:65535"]),
        json!([{}]),
        json!({}),
        json!({ "a": null, "b": [1, { "c": "d" }] }),
        json!({ "exec": ["op", "read", "op://a b/c"] }),
        json!({ "exec": [] }),
        json!({ "exec": [""] }),
        json!({ "exec": [1] }),
        json!({ "exec": "op read" }),
        json!({ "exec": " " }),
        json!({ "exec": "a", "x": 1 }),
        json!({ "cert": "a" }),
        json!({ "cert": "a", "key": "b" }),
        json!({ "url": "https://a" }),
        json!({ "alertmanager": { "url": "https://a" }, "webhook": { "url": "https://a" } }),
    ];
    probes.extend(TEXTS.iter().map(|it| json!(it)));
    probes.push(json!("x".repeat(49)));
    probes.push(json!("x".repeat(50)));
    probes.push(json!("x".repeat(64)));
    probes.push(json!("x".repeat(65)));
    probes.push(json!(format!("{0}/{0}", "x".repeat(100))));
    probes.push(json!("é".repeat(1_024)));
    probes.push(json!("é".repeat(1_025)));
    probes
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    " a",
    "a ",
    "a b",
    "A",
    "-",
    "a-",
    "0",
    "no",
    "true",
    "off",
    "a\nb",
    "a\u{7f}",
    "a\u{85}b",
    "é",
    "\u{a0}",
    "acme/app",
    "acme/app/x",
    "/app",
    "acme/",
    "linux",
    "windows",
    "macos",
    "amd64",
    "i386",
    "unmanaged",
    "Unmanaged",
    "a,b",
    "${{ a }}",
    "a${B}",
    "$a",
    "~",
    "~/a",
    "./~/a",
    "file:~/a",
    "file:$A/b",
    "file:${A}/b",
    "vault:a/${B}#c",
    "https://a/${B}",
    "https://a/$B",
    "Linux",
    "x/y z",
    "queue_depth",
    "R3",
    "30s",
    "0s",
    "00s",
    "10m",
    "1h30m",
    "30m1h",
    "1m1m",
    "1d1h1m1s",
    "30d",
    "31d",
    "030d",
    "720h",
    "721h",
    "43200m",
    "43201m",
    "2592000s",
    "2592001s",
    "30",
    "1.5h",
    "1 h",
    "-5s",
    "s",
    "5w",
    "5S",
    "60s",
    "90s",
    "120s",
    "59s",
    "0m",
    "1m60s",
    "1m30s",
    "4s",
    "5s",
    "05s",
    "0h5s",
    "0h4s",
    "9223372036s",
    "9223372037s",
    "106751d",
    "106752d",
    "https://a",
    "http://a",
    "http://127.0.0.1",
    "http://127.0.0.1:0",
    "http://127.0.0.1:65535/",
    "http://127.0.0.1:65536",
    "http://127.0.0.256",
    "http://localhost:1/x",
    "http://localhost.a",
    "http://[::1]:1",
    "http://[::2]",
    "https://[fd00::1]/x",
    "https://a@b",
    "https://a?b",
    "https://a#b",
    "https://a b",
    "https://a/b c",
    "https://",
    "ftp://a",
    "HTTPS://a",
    "https:/a",
    "127.0.0.1:9477",
    "127.0.0.1",
    "0.0.0.0:1",
    "[::]:1",
    "[::1]:0",
    ":1",
    "a:1",
    "256.0.0.1:1",
    "01.0.0.1:1",
    "a.example.com:65535",
    "a:65536",
    "a:0",
    "a:01",
    "a:b",
    "env:A",
    "env:_a1",
    "env:1a",
    "env:",
    "env:a b",
    "env: A",
    "ENV:A",
    "file:x",
    "file:",
    "file: x",
    "file:x ",
    "file:a b",
    "vault:a/b#c",
    "vault:a#b",
    "vault:a/b",
    "vault:/a/b#c",
    "vault:a//b#c",
    "vault:a/../b#c",
    "vault:a/b#",
    "vault:a/b#c#d",
    "vault:a/b?c#d",
    "vault:a/..b#c",
    "vault: a/b#c",
    "vault:a/b #c",
    "exec:a",
    "exec:a b",
    "exec:",
    "exec: ",
    "exec: a",
    "hunter2",
];

/// Whether this is a value that the decoder refuses and the schema accepts, because it cannot
/// express the rule.
fn is_gap(value: &Value) -> bool {
    // Sums of durations beyond the limit, and hosts that are valid in form only.
    matches!(value.as_str(), Some("30d1s" | "http://127.0.0.256" | "https://127.0.0.256"))
}

fn agree(what: &str, value: &Value, (decoder, schema): (bool, bool)) {
    assert!(!decoder || schema, "{what}: only the decoder takes {value}");
    assert!(decoder || !schema || is_gap(value), "{what}: only the schema takes {value}");
}

#[test]
fn every_pool_field_takes_the_same_in_pools_and_in_defaults() {
    take_processor();
    for field in FIELDS {
        for value in probes() {
            agree(field.key, &value, pool_file(&pool_with(field.key, &value)));
            let mut document = part_of_fleet("defaults");
            document["defaults"] = json!({ field.key: value });
            agree(&format!("defaults.{}", field.key), &value, fleet_file(&document));
        }
    }
}

#[test]
fn every_value_of_the_fleet_file_takes_the_same() {
    take_processor();
    let whole = fleet();
    assert_eq!(fleet_file(&whole), (true, true));
    let own = whole.as_object().expect("a mapping").iter();
    let own = own.map(|(section, content)| (section.as_str(), content.clone()));
    for (section, content) in own.chain(other_sections()) {
        every_value_takes_the_same(section, &content);
    }
}

fn every_value_takes_the_same(section: &str, content: &Value) {
    let document = with_section(section, content);
    assert_eq!(fleet_file(&document), (true, true), "{document}");
    let mut paths = Vec::new();
    collect(content, format!("/{section}"), &mut paths);
    for path in &paths {
        for value in probes() {
            let mut changed = document.clone();
            *changed.pointer_mut(path).expect("the path is the document's own") = value.clone();
            agree(path, &value, fleet_file(&changed));
        }
        // And without the key, and with an unknown key beside it.
        let (parent, key) = path.rsplit_once('/').expect("paths begin with a slash");
        let mut changed = document.clone();
        if let Some(Value::Object(map)) = changed.pointer_mut(parent) {
            map.remove(key);
            agree(path, &json!("(removed)"), fleet_file(&changed));
        }
        if let Some(Value::Object(map)) = changed.pointer_mut(parent) {
            map.insert("colour".into(), json!({}));
            agree(parent, &json!("(colour)"), fleet_file(&changed));
        }
    }
}

#[test]
fn plain_http_beyond_loopback_needs_insecure_http_in_both() {
    let garm = |url: &str, permission: Option<Value>| {
        let mut document = part_of_fleet("fleet");
        document["garm"]["url"] = json!(url);
        if let Some(permission) = permission {
            document["garm"]["insecure_http"] = permission;
        }
        fleet_file(&document)
    };
    for (url, needs_permission) in [
        ("http://garm:9997", true),
        ("http://10.0.0.1/base", true),
        ("http://localhost.example.com", true),
        ("http://127.0.0.1.example.com", true),
        ("http://[::ffff:127.0.0.1]:1", true),
        ("http://127.1", true),
        ("http://127.0.0.1:9997", false),
        ("http://localhost", false),
        ("http://[::1]/base", false),
        ("https://garm.example.com", false),
    ] {
        assert_eq!(garm(url, Some(json!(true))), (true, true), "{url}");
        for permission in [None, Some(json!(false))] {
            assert_eq!(garm(url, permission), (!needs_permission, !needs_permission), "{url}");
        }
        for invalid in [json!("true"), json!(1), json!(null)] {
            assert_eq!(garm(url, Some(invalid)), (false, false), "{url}");
        }
    }
    for invalid in ["http://a:b@garm", "http://garm?x", "ftp://garm", "http://garm:0", "http://"] {
        assert_eq!(garm(invalid, Some(json!(true))), (false, false), "{invalid}");
    }
}

#[test]
fn every_value_of_a_policy_file_takes_the_same() {
    take_processor();
    let document = json!({ "policy": fleet()["policy"] });
    assert_eq!(policy_file(&document), (true, true));
    let mut paths = Vec::new();
    collect(&document, String::new(), &mut paths);
    assert!(paths.len() > 10, "{paths:?}");
    for path in &paths {
        for value in probes() {
            let mut changed = document.clone();
            *changed.pointer_mut(path).expect("the path is the document's own") = value.clone();
            agree(path, &value, policy_file(&changed));
        }
        let (parent, _) = path.rsplit_once('/').expect("paths begin with a slash");
        let mut changed = document.clone();
        if let Some(Value::Object(map)) = changed.pointer_mut(parent) {
            map.insert("colour".into(), json!({}));
            agree(parent, &json!("(colour)"), policy_file(&changed));
        }
    }
    for other in [json!({}), json!({ "pools": [] }), json!({ "policy": {}, "fleet": "acme" })] {
        assert_eq!(policy_file(&other), (false, false), "{other}");
    }
}

#[test]
fn the_examples_policy_is_one_and_nothing_else() {
    let text = include_str!("../../../examples/policy.yaml");
    let whole = jsonschema::validator_for(&schema()).unwrap();
    let document: Value = serde_yaml::from_str(text).unwrap();
    assert!(whole.is_valid(&document) && POLICY_FILE.is_valid(&document));
    assert!(!POOL_FILE.is_valid(&document) && !FLEET_FILE.is_valid(&document));
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                collect(value, format!("{path}/{key}"), paths);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, format!("{path}/{index}"), paths);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    if !path.is_empty() {
        paths.push(path);
    }
}

#[test]
fn whole_files_are_refused_by_both() {
    for document in [
        json!({}),
        json!([]),
        json!(null),
        json!("pools"),
        json!({ "pools": null }),
        json!({ "pools": {} }),
        json!({ "pools": [null] }),
        json!({ "pools": [], "fleet": "acme" }),
        json!({ "pools": [{ "name": "a", "organization": "a", "enterprise": "b" }] }),
    ] {
        assert_eq!(pool_file(&document), (false, false), "{document}");
    }
    assert_eq!(pool_file(&json!({ "pools": [] })), (true, true));
    assert_eq!(fleet_file(&json!({ "fleet": "a" })), (false, false));
}

#[test]
fn the_root_takes_either_kind_of_file_and_nothing_else() {
    let root = jsonschema::validator_for(&schema()).expect("the schema is valid");
    assert!(root.is_valid(&fleet()) && root.is_valid(&json!({ "pools": [] })));
    assert!(!root.is_valid(&json!({})) && !root.is_valid(&json!({ "pools": [], "fleet": "a" })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn durations_agree_but_for_sums(text in "0{0,2}[0-9]{0,4}[dhms]([0-9]{1,5}[dhms]){0,3}") {
        for key in ["scale_up_delay", "max_queue_wait", "bootstrap_timeout"] {
            let value = json!(text);
            let (decoder, schema) = pool_file(&pool_with(key, &value));
            prop_assert!(!decoder || schema, "{key}: only the decoder takes {text}");
            let is_sum = text.chars().filter(char::is_ascii_alphabetic).count() > 1;
            prop_assert!(decoder || !schema || is_sum, "{key}: only the schema takes {text}");
        }
    }

    #[test]
    fn seconds_of_whole_minutes_agree(seconds in 0_u32..3_000_000, zeros in 0_usize..3) {
        let text = format!("{}{seconds}s", "0".repeat(zeros));
        let (decoder, schema) = pool_file(&pool_with("bootstrap_timeout", &json!(text)));
        prop_assert_eq!(decoder, schema, "{}", text);
    }

    #[test]
    fn texts_agree(text in "\\PC{0,6}|[ a-z\\x00-\\xff]{0,6}") {
        for key in ["image", "name", "organization", "repository"] {
            let (decoder, schema) = pool_file(&pool_with(key, &json!(text)));
            prop_assert_eq!(decoder, schema, "{} {:?}", key, text);
        }
        let (decoder, schema) = pool_file(&pool_with("labels", &json!([text])));
        prop_assert_eq!(decoder, schema, "labels {:?}", text);
    }

    #[test]
    fn references_agree(text in "(env|file|vault|exec|https|x):[a-c/#.? %_1-]{0,12}") {
        let mut document = part_of_fleet("garm");
        document["garm"]["password"] = json!(text);
        let (decoder, schema) = fleet_file(&document);
        prop_assert_eq!(decoder, schema, "{}", text);
    }

    #[test]
    fn urls_that_the_decoder_takes_the_schema_takes(text in "https?://[a-c0-9.:\\[\\]@/?#_-]{0,20}") {
        let mut document = fleet();
        document["garm"]["url"] = json!(text);
        document["receivers"]["w"]["webhook"]["url"] = json!(text);
        let (decoder, schema) = fleet_file(&document);
        prop_assert!(!decoder || schema, "only the decoder takes {text}");
    }
}
