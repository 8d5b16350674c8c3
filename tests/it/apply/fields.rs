//! Everything that GARM stores of a pool survives its replacement.

use runnerctl::config::{Manifest, SourceFile, has_error, load};
use runnerctl::domain::desired::{Desired, Scope};
use runnerctl::domain::fleet::Fleet;
use runnerctl::domain::name::FleetName;
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::garm::{KeyMeaning, POOL_KEYS};
use runnerctl::host::clock::Clock;
use runnerctl::plan::{self, Action, plan};
use runnerctl::reconcile::read_fleet::{DeclaredIdentity, FleetRequest, SpecsRequest, read_fleet};
use runnerctl::sim::ApiRequest;
use serde_json::{Value, json};

use crate::support::apply::{ApplyRig, change};

/// The JSON of a successful answer.
fn ask(rig: &ApplyRig, method: &str, path: &str, body: &Value) -> Value {
    rig.memory.with(|world| {
        let token = format!("Bearer {}", world.admin_token());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let authorization = Some(token.as_str());
        let reply = world.handle(ApiRequest { method, path, authorization, body: body.as_bytes() });
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        serde_json::from_str(&reply.body).unwrap_or(Value::Null)
    })
}

/// A pool of the fleet that sets every field that GARM accepts.
fn whole(rig: &ApplyRig) -> Value {
    let proxy = json!({ "name": "squid", "http_proxy": "http://10.0.0.1:3128" });
    ask(rig, "POST", "/proxies", &proxy);
    let body = json!({
        "provider_name": "sim", "image": "ubuntu:24.04", "flavor": "small", "os_type": "linux",
        "os_arch": "arm64", "tags": ["arm", "runnerctl=acme/arm"], "max_runners": 5,
        "min_idle_runners": 1, "enabled": true, "priority": 7, "runner_prefix": "odd",
        "runner_bootstrap_timeout": 25, "enable_shell": true, "github-runner-group": "builders",
        "proxy_id": 1, "template_id": 2, "extra_specs": { "disk": 20 },
    });
    let made = ask(rig, "POST", &format!("/organizations/{}/pools", rig.entity.id), &body);
    ask(rig, "GET", &format!("/pools/{}", made["id"].as_str().unwrap()), &Value::Null)
}

fn declared(pool: &str) -> (Manifest, Desired) {
    let source =
        |path: &str, text: &str| SourceFile { path: path.into(), text: text.into(), folder: None };
    let fleet = "fleet: acme\ngarm: { url: https://garm.example.com, password: env:P }\n";
    let pools = source("pools.yaml", &format!("pools: [{{ name: arm, {pool} }}]\n"));
    let manifest = load(Some(&source("runnerctl.yaml", fleet)), &[pools]);
    assert!(!has_error(&manifest.problems), "{:#?}", manifest.problems);
    let desired = manifest.complete(Scope::Whole).unwrap();
    (manifest, desired)
}

async fn read(rig: &ApplyRig, manifest: &Manifest) -> Fleet {
    let claim = |it: &runnerctl::config::DeclaredPool| DeclaredIdentity {
        name: it.name.clone(),
        adopt: it.adopt.clone(),
        entity: it.entity.clone(),
        provider: it.provider.clone(),
        os_type: it.os_type.clone(),
    };
    let ask = FleetRequest {
        kinds: vec![rig.entity.kind],
        specs: SpecsRequest::Declared {
            fleet: FleetName::new("acme").unwrap(),
            pools: manifest.pools.iter().map(claim).collect(),
        },
        ..FleetRequest::default()
    };
    read_fleet(&rig.client, &ask, &Clock::Real).await.unwrap()
}

/// Fields with a default in the files are declared as they are; the others are left alone.
const MANAGED: &str = "organization: acme, image: 'ubuntu:24.04', instance_type: small, \
    labels: [arm], os_arch: arm64, max_runners: 5, min_idle_runners: 1, autoscale: false, \
    priority: 7, runner_prefix: odd, bootstrap_timeout: 25m, enable_shell: true, \
    extra_specs: { disk: 20 }, enabled: unmanaged";

#[tokio::test(start_paused = true)]
async fn a_replace_carries_over_every_key_that_garm_has_of_a_pool() {
    let rig = ApplyRig::new().await;
    let old = whole(&rig);
    let (manifest, desired) = declared(&format!("{MANAGED}, provider: sim2"));
    let made = plan(&desired, &read(&rig, &manifest).await, &plan::PlanOptions::default());
    assert_eq!(made.steps.iter().map(|it| it.action).collect::<Vec<_>>(), [Action::Replace]);
    assert_eq!(rig.apply(made.steps).await, ["arm replace done"]);
    let all = ask(&rig, "GET", "/pools", &Value::Null);
    let [new] = all.as_array().unwrap().as_slice() else { panic!("{all}") };
    let new = ask(&rig, "GET", &format!("/pools/{}", new["id"].as_str().unwrap()), &Value::Null);
    let names = |tags: &Value| {
        let mut names: Vec<String> =
            tags.as_array().unwrap().iter().map(|it| it["name"].to_string()).collect();
        names.sort();
        names
    };
    let mut kept = 0;
    for (key, value) in old.as_object().unwrap() {
        let how = POOL_KEYS.iter().find(|it| it.0 == key).map(|it| it.1);
        match (how, key.as_str()) {
            (Some(KeyMeaning::Internal), _) => {}
            (Some(KeyMeaning::Entity), _) => assert_eq!(&new[key], value, "{key}"),
            (Some(KeyMeaning::Field(_)), "provider_name") => assert_eq!(new[key], "sim2"),
            (Some(KeyMeaning::Field(_)), "tags") => assert_eq!(names(&new[key]), names(value)),
            (Some(KeyMeaning::Field(_)), _) => {
                assert_eq!(&new[key], value, "{key} is lost");
                kept += 1;
            }
            (None, _) => panic!("`{key}` of GARM's pools is neither a field nor GARM's own"),
        }
    }
    assert_eq!(kept, 15);
    let fields = POOL_KEYS.iter().filter(|it| matches!(it.1, KeyMeaning::Field(_))).count();
    assert_eq!(kept, fields - 2, "all but the provider and the labels");
    let left = plan(&desired, &read(&rig, &manifest).await, &plan::PlanOptions::default());
    assert!(left.is_empty(), "{:#?}", left.steps);
}

/// GARM keeps the template of the old system in an update, and refuses the combination in a POST.
#[tokio::test(start_paused = true)]
async fn a_change_of_the_system_and_a_replace_after_it_go_through() {
    let rig = ApplyRig::new().await;
    whole(&rig);
    for (also, expected) in [
        ("provider: sim, os_type: windows", "arm update done"),
        ("provider: sim2, os_type: windows", "arm replace done"),
    ] {
        let (manifest, desired) = declared(&format!("{MANAGED}, {also}"));
        let made = plan(&desired, &read(&rig, &manifest).await, &plan::PlanOptions::default());
        assert_eq!(rig.apply(made.steps).await, [expected]);
        let pool = ask(&rig, "GET", "/pools", &Value::Null)[0].take();
        assert_eq!((&pool["os_type"], &pool["template_id"]), (&json!("windows"), &json!(1)));
        let left = plan(&desired, &read(&rig, &manifest).await, &plan::PlanOptions::default());
        assert!(left.is_empty(), "{:#?}", left.steps);
    }
}

#[tokio::test(start_paused = true)]
async fn groups_and_proxies_are_taken_away_and_given_again() {
    let rig = ApplyRig::new().await;
    whole(&rig);
    for (also, group, proxy) in [
        ("runner_group: '', proxy: ''", Value::Null, Value::Null),
        ("runner_group: big, proxy: SQUID", json!("big"), json!(1)),
    ] {
        let (manifest, desired) = declared(&format!("{MANAGED}, provider: sim, {also}"));
        let mut fleet = read(&rig, &manifest).await;
        fleet.proxies = rig.client.proxies().await.unwrap();
        let made = plan(&desired, &fleet, &plan::PlanOptions::default());
        assert_eq!(rig.apply(made.steps).await, ["arm update done"]);
        let pool = ask(&rig, "GET", "/pools", &Value::Null)[0].take();
        assert_eq!((&pool["github-runner-group"], &pool["proxy_id"]), (&group, &proxy));
        fleet.pools = read(&rig, &manifest).await.pools;
        let left = plan(&desired, &fleet, &plan::PlanOptions::default());
        assert!(left.is_empty(), "{:#?}", left.steps);
    }
}

/// PostgreSQL returns `extra_specs` reordered and reformatted, and GARM takes equal ones for a
/// change that makes every runner outdated.
#[tokio::test(start_paused = true)]
async fn extra_specs_that_mean_the_same_are_never_sent() {
    let rig = ApplyRig::new().await;
    let specs = |text: &str| serde_json::from_str(text).unwrap();
    let stored = specs(r#"{"a":1.10,"n":12345678901234567890123,"z":100}"#);
    let pool = rig.make(&PoolSpec { extra_specs: stored, ..rig.spec("default") }).await;
    rig.forget();
    let asked = |image: Option<&str>| PoolChange {
        image: image.map(str::to_owned),
        extra_specs: Some(specs(r#"{"z":1e2,"n":12345678901234567890123,"a":1.1}"#)),
        ..PoolChange::default()
    };
    let told = rig.apply(vec![change("default", &pool.id, asked(Some("new")))]).await;
    assert_eq!(told, ["default update done"]);
    rig.apply(vec![change("default", &pool.id, asked(None))]).await;
    assert_eq!(rig.writes(), [format!(r#"PUT /pools/{} {{"image":"new"}}"#, pool.id)]);
}
