//! The basis of a plan: GARM's lists omit `extra_specs`, and a plan must know them.

use std::sync::Arc;
use std::time::Duration;

use runnerctl::domain::desired::Desired;
use runnerctl::domain::entity::{EntityKind, EntityRef};
use runnerctl::domain::fleet::Fleet;
use runnerctl::domain::name::PoolKind;
use runnerctl::domain::pool::{PoolDetail, PoolSpec};
use runnerctl::garm::{Method, Request, ResponseFuture, Transport, TransportError};
use runnerctl::host::clock::Clock;
use runnerctl::plan::{Operation, PlanOptions, plan};
use runnerctl::reconcile::read_fleet::{DeclaredIdentity, FleetRequest, SpecsRequest, read_fleet};
use serde_json::{Value, json};

use super::converge;
use crate::support::apply::{ApplyRig, fleet, name};

fn specs(value: &Value) -> serde_json::Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn claim(pool: &str, adopt: Option<&str>) -> DeclaredIdentity {
    let entity = EntityRef { kind: EntityKind::Organization, name: organization(), endpoint: None };
    DeclaredIdentity {
        name: name(pool),
        adopt: adopt.map(str::to_owned),
        entity: Some(entity),
        provider: Some("sim".into()),
        os_type: "linux".to_owned(),
    }
}

/// The organization of a new world.
fn organization() -> String {
    runnerctl::sim::SimConfig::default().organizations[0].clone()
}

async fn read(rig: &ApplyRig, claims: Vec<DeclaredIdentity>) -> Fleet {
    let ask = FleetRequest {
        kinds: vec![EntityKind::Organization],
        specs: SpecsRequest::Declared { fleet: fleet(), pools: claims },
        ..FleetRequest::default()
    };
    rig.forget();
    read_fleet(&rig.client, &ask, &Clock::Real).await.unwrap()
}

/// The reads since the last `forget`.
fn reads(rig: &ApplyRig) -> Vec<String> {
    rig.memory.with(|world| world.requests().iter().map(|it| it.path.clone()).collect())
}

#[tokio::test(start_paused = true)]
async fn extra_specs_of_our_pools_are_read_with_their_entity_in_place_of_the_list() {
    let rig = ApplyRig::new().await;
    let zone = json!({ "zone": "b" });
    let ours = PoolSpec { extra_specs: specs(&zone), ..rig.spec("ours") };
    let plain = rig.spec("plain");
    let foreign = PoolSpec { labels: ["x"].into_iter().collect(), ..ours.clone() };
    let hand = rig.make(&foreign).await;
    for spec in [&ours, &plain, &foreign] {
        rig.make(spec).await;
    }
    let by_hand = hand.id.to_string().to_uppercase();
    let claims = vec![claim("ours", None), claim("plain", None), claim("new", Some(&by_hand))];
    let found = read(&rig, claims).await;
    let told: Vec<(PoolDetail, Value)> = found
        .pools
        .iter()
        .map(|it| (it.detail, Value::Object(it.spec.extra_specs.clone())))
        .collect();
    let whole = |value: &Value| (PoolDetail::Whole, value.clone());
    // A read of the entity also returns those of its other pools.
    assert_eq!(told, [whole(&zone), whole(&zone), whole(&json!({})), whole(&zone)]);
    assert_eq!(found.entities.len(), 1);
    let entity = format!("/organizations/{}", rig.entity.id);
    let expected = ["/controller-info", "/pools", "/scalesets", &entity, "/instances", "/jobs"];
    assert_eq!(reads(&rig), expected);
}

#[tokio::test(start_paused = true)]
async fn without_pools_of_ours_nothing_is_read_but_the_lists() {
    let rig = ApplyRig::new().await;
    rig.make(&PoolSpec { labels: ["x"].into_iter().collect(), ..rig.spec("x") }).await;
    let found = read(&rig, vec![claim("new", None)]).await;
    assert_eq!(found.pools[0].detail, PoolDetail::Listed);
    let expected =
        ["/controller-info", "/pools", "/scalesets", "/organizations", "/instances", "/jobs"];
    assert_eq!(reads(&rig), expected);
}

/// Carries out every POST of a pool but never answers it.
struct LostPosts(Arc<dyn Transport>);

impl Transport for LostPosts {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let is_lost = request.method == Method::Post && request.path.ends_with("/pools");
        let answer = self.0.send(request);
        Box::pin(async move {
            let answer = answer.await;
            if is_lost { Err(TransportError::Timeout(Duration::from_secs(30))) } else { answer }
        })
    }

    fn address(&self) -> String {
        self.0.address()
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_with_extra_specs_is_ours_though_its_post_was_not_answered() {
    let rig = ApplyRig::new().await;
    let spec = PoolSpec { extra_specs: specs(&json!({ "a": 1 })), ..rig.spec("ours") };
    let door = Arc::new(LostPosts(rig.door()));
    let told = rig.apply_through(door, vec![rig.create_as("ours", spec)]).await;
    assert_eq!(told, ["ours create done"]);
}

/// Declares pools and scale sets by name, and creates them as a plan wants them.
async fn make_all(rig: &ApplyRig, names: &[(String, PoolKind)]) -> Desired {
    let declare = |(name, kind): &(String, PoolKind)| {
        let mut pool = converge::declared(name, &mut converge::Dice(1));
        pool.settings.kind = *kind;
        pool
    };
    let desired = converge::whole_fleet(names.iter().map(declare).collect());
    for step in converge::planned(rig, &desired).await.steps {
        let Operation::Create(creation) = step.work else { panic!("{step:#?}") };
        rig.client.create_pool(&creation.entity, &creation.spec).await.unwrap();
    }
    desired
}

/// `count` names of this kind.
fn named(kind: PoolKind, count: usize) -> Vec<(String, PoolKind)> {
    (0..count).map(|number| (format!("{}-{number}", kind.word().replace('_', "-")), kind)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_500_scale_sets_beside_500_pools_needs_one_request_more() {
    let pools = named(PoolKind::Pool, 500);
    let all = [pools.clone(), named(PoolKind::ScaleSet, 500)].concat();
    let mut asked = Vec::new();
    for names in [pools, all] {
        let rig = ApplyRig::new().await;
        let desired = make_all(&rig, &names).await;
        let claims = names.iter().map(|(name, _)| claim(name, None)).collect();
        let began = std::time::Instant::now();
        let found = read(&rig, claims).await;
        let steps = plan(&desired, &found, &PlanOptions::default()).steps;
        // A tenth of that in a debug build; quadratic work would take longer.
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!((found.pools.len(), steps), (names.len(), vec![]));
        let id = rig.entity.id.to_string();
        asked.push(reads(&rig).iter().map(|path| path.replace(&id, "ID")).collect::<Vec<_>>());
    }
    // Whether there are scale sets is known only from their list: it is the one request more.
    let expected =
        ["/controller-info", "/pools", "/scalesets", "/organizations/ID", "/instances", "/jobs"];
    assert_eq!(asked, [expected, expected]);
}
