//! Arbitrary fleets and manifests, built from few names so that they refer to one another.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::build::*;
use crate::domain::credential::{Auth, Credential, DesiredCredential};
use crate::domain::desired::{Desired, DesiredPool, Scope};
use crate::domain::entity::Entity;
use crate::domain::fleet::Fleet;
use crate::domain::label::OwnerMark;
use crate::domain::name::{PoolId, PoolKind};
use crate::domain::pool::{Pool, ScaleSetState};
use crate::domain::runner::Runner;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Part of every value that must not be shown.
pub(crate) const SECRET: &str = "hunter2";

fn entities() -> Vec<Entity> {
    vec![organization("org-1", "acme", "github.com"), organization("org-2", "beta", "github.com")]
}

/// Manifests and a fleet that share names.
pub(crate) fn some_case() -> impl Strategy<Value = (Desired, Fleet)> {
    (some_desired(), some_fleet())
}

/// One declared pool, and a few pools with its labels, many of them as an interrupted create leaves
/// them.
pub(crate) fn some_twins() -> impl Strategy<Value = (Desired, Fleet)> {
    let labels = vec![owned("a"), owned("a"), owned("b"), retired("a"), replacement("a")];
    let twin =
        (some_live(), select(labels), any::<bool>()).prop_map(|((mut pool, _), mark, unused)| {
            pool.spec.labels = ["linux", "a", &mark].into_iter().collect();
            if unused {
                pool.spec.enabled = false;
                pool.spec.min_idle_runners = 0;
            }
            pool
        });
    let whole = prop::bool::weighted(0.2);
    (some_pool("a"), vec(twin, 1..5), whole).prop_map(|(declared, twins, whole)| {
        let mut read = Fleet { entities: entities(), proxies: proxies(), ..fleet() };
        for (number, mut twin) in twins.into_iter().enumerate() {
            twin.id = PoolId::new(format!("pool-{number}"));
            twin.spec.scale_set_name = None;
            twin.scale_set = None;
            twin.spec.max_runners = twin.spec.max_runners.max(1);
            read.pools.push(twin);
        }
        let scope = if whole { Scope::Whole } else { Scope::Part };
        (Desired { scope, ..desired([declared]) }, read)
    })
}

/// Credentials as GARM may list them: with any mark, kind and endpoint, or not requested.
fn some_credentials() -> impl Strategy<Value = Option<Vec<Credential>>> {
    let marks = select(vec!["", "by hand", "runnerctl=acme", "runnerctl=other app=1", "1x", "2y"]);
    let one = (marks, any::<bool>(), prop::bool::weighted(0.8));
    let all = vec(one, 0..3).prop_map(|all| {
        let of = |((id, name), (mark, is_app, is_here)): ((u64, &str), (&str, bool, bool))| {
            let description = match mark {
                "1x" => app(name, 1, 'x').mark(&acme()),
                "2y" => app(name, 2, 'y').mark(&acme()),
                other => other.to_owned(),
            };
            let mut it = credential(id, name, &description);
            it.auth = if is_app { Auth::App } else { Auth::Other("pat".to_owned()) };
            it.endpoint = if is_here { "github.com" } else { "ghes" }.to_owned();
            it
        };
        (1..).zip(["App-A", "app-b", "old"]).zip(all).map(of).collect()
    });
    prop::option::weighted(0.8, all)
}

fn some_apps() -> impl Strategy<Value = Vec<DesiredCredential>> {
    let one =
        |name| (1..3_u64, select(vec!['x', 'y'])).prop_map(move |ids| app(name, ids.0, ids.1));
    let names = subsequence(vec!["app-a", "app-b", "app-c"], 0..=3);
    names.prop_flat_map(move |names| names.into_iter().map(one).collect::<Vec<_>>())
}

fn some_desired() -> impl Strategy<Value = Desired> {
    let names = subsequence(NAMES.to_vec(), 0..=NAMES.len());
    let pools = names.prop_flat_map(|names| names.into_iter().map(some_pool).collect::<Vec<_>>());
    (pools, some_apps(), any::<bool>()).prop_map(|(pools, credentials, whole)| Desired {
        credentials,
        scope: if whole { Scope::Whole } else { Scope::Part },
        ..desired(pools)
    })
}

fn some_pool(name: &'static str) -> impl Strategy<Value = DesiredPool> {
    let adopt = prop_oneof![
        6 => Just(None),
        1 => select(NAMES.to_vec()).prop_map(|name| Some(name.to_owned())),
        1 => (0..5_usize).prop_map(|number| Some(format!("pool-{number}"))),
        1 => (0..5_usize).prop_map(|number| Some(number.to_string())),
    ];
    let set = prop::option::weighted(0.35, prop::option::weighted(0.2, select(NAMES.to_vec())));
    let numbers = (1..5_u32, 0..5_u32, 0..5_u32);
    let words = (some_provider(), some_organization(), 1..3_u32, 0..3_u32);
    let enabled = prop_oneof![8 => Just(Some(true)), 2 => Just(Some(false)), 3 => Just(None)];
    let alone =
        (select(vec![None, Some(""), Some("group")]), select(vec![None, Some(""), Some("squid")]));
    (numbers, words, any::<bool>(), (enabled, alone), adopt, set).prop_map(
        move |(
            (max, min, idle),
            (provider, organization, image, secret),
            autoscale,
            (enabled, (group, proxy)),
            adopt,
            set,
        )| {
            let mut it = pool(name);
            it.settings.runner_group = group.map(str::to_owned);
            it.settings.proxy = proxy.map(str::to_owned);
            it.settings.scale.max_runners = max;
            it.settings.scale.min_runners = min.min(max);
            it.settings.scale.min_idle_runners = idle.min(max);
            it.settings.scale.autoscale = autoscale;
            it.provider = provider.to_owned();
            it.entity.name = organization.to_owned();
            it.image = format!("ami-{image}");
            it.settings.extra_specs.extend(some_specs(secret));
            it.settings.enabled = enabled;
            it.settings.adopt = adopt;
            if let Some(requested) = set {
                it.settings.kind = PoolKind::ScaleSet;
                // Two of one name are a problem in the files.
                it.settings.scale_set_name = requested.map(|other| format!("{name}-{other}"));
            }
            it
        },
    )
}

fn some_provider() -> impl Strategy<Value = &'static str> {
    prop_oneof![5 => Just("aws"), 1 => Just("gcp")]
}

fn some_organization() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => Just("acme"), 1 => Just("beta"), 1 => Just("gone")]
}

fn some_specs(secret: u32) -> serde_json::Map<String, serde_json::Value> {
    let specs = match secret {
        0 => serde_json::json!({}),
        1 => serde_json::json!({ "token": SECRET, "subnet": "a" }),
        _ => serde_json::json!({ "token": [SECRET], "subnet": "b" }),
    };
    specs.as_object().cloned().unwrap_or_default()
}

fn some_labels() -> impl Strategy<Value = Vec<String>> {
    let name = || select(NAMES.to_vec());
    prop_oneof![
        2 => Just(vec![]),
        10 => name().prop_map(|name| vec![owned(name)]),
        2 => name().prop_map(|name| vec![retired(name)]),
        2 => name().prop_map(|name| vec![replacement(name)]),
        1 => name().prop_map(|name| vec![format!("runnerctl=other/{name}")]),
        1 => (name(), name()).prop_map(|(a, b)| vec![owned(a), retired(b)]),
        1 => (name(), name()).prop_map(|(a, b)| vec![owned(a), owned(b)]),
        1 => name().prop_map(|name| vec![owned(name), "runnerctl=other/x".to_owned()]),
        1 => Just(vec!["runnerctl=acme".to_owned()]),
    ]
}

fn some_live() -> impl Strategy<Value = (Pool, Vec<Runner>)> {
    let numbers = (1..5_u32, 0..5_u32, 1..3_u32, 0..3_u32, 0..3_i64);
    let runners = vec(select(vec!["idle", "active", "failed", "pending", "terminated"]), 0..4);
    let place = (some_provider(), select(vec!["acme", "beta"]));
    let set = prop::bool::weighted(0.3);
    (select(NAMES.to_vec()), some_labels(), numbers, place, (any::<bool>(), set), runners).prop_map(
        |(
            name,
            labels,
            (max, level, image, secret, age),
            (provider, organization),
            (enabled, is_set),
            runners,
        )| {
            let mut it = live(&pool(name));
            it.spec.labels = ["linux", name].into_iter().map(str::to_owned).chain(labels).collect();
            it.spec.max_runners = max;
            it.spec.min_idle_runners = level.min(max);
            it.spec.image = format!("ami-{image}");
            it.spec.extra_specs = some_specs(secret);
            it.spec.provider = provider.to_owned();
            it.spec.enabled = enabled;
            it.spec.runner_group = if image == 1 { "group" } else { "" }.to_owned();
            it.spec.proxy_id = Some(u64::from(secret)).filter(|id| *id > 0);
            it.entity = key(if organization == "acme" { "org-1" } else { "org-2" });
            it.entity_name = organization.to_owned();
            it.created_at = at(-3600 - age);
            if is_set
                && it.spec.labels.marks().iter().all(|mark| matches!(mark, OwnerMark::Owned { .. }))
            {
                let owner = it.spec.labels.marks().first().map(|mark| mark.pool().to_owned());
                let requested = owner.filter(|pool| !pool.is_empty());
                let requested = requested.unwrap_or_else(|| name.to_owned());
                // Some have the name that a file may declare for them.
                it.spec.scale_set_name =
                    Some(if secret == 2 { format!("{requested}-a") } else { requested });
                it.scale_set = Some(ScaleSetState::default());
                it.spec.priority = 0;
                it.spec.max_runners = if age == 2 { 0 } else { max };
                it.spec.min_idle_runners = level.min(it.spec.max_runners);
            }
            let runners = runners.iter().enumerate().map(|(n, status)| runner(&it, n, status));
            (it.clone(), runners.collect())
        },
    )
}

fn some_fleet() -> impl Strategy<Value = Fleet> {
    let labels = vec(select(vec!["linux", "a", "b", "c", "d"]), 0..3);
    let jobs = vec((labels, select(vec!["org-1", "org-2"])), 0..6);
    let parts = (vec(some_live(), 0..6), jobs, some_credentials(), prop::bool::ANY);
    parts.prop_map(|(pools, jobs, credentials, short)| {
        let mut read = Fleet { entities: entities(), credentials, proxies: proxies(), ..fleet() };
        for (number, (mut pool, mut runners)) in pools.into_iter().enumerate() {
            // GitHub has one scale set of a name.
            if read.pools.iter().any(|other| other.spec.scale_set_name == pool.spec.scale_set_name)
            {
                pool.spec.scale_set_name = None;
                pool.scale_set = None;
                pool.spec.max_runners = pool.spec.max_runners.max(1);
            }
            pool.id = PoolId::new(match pool.spec.kind() {
                PoolKind::Pool => format!("pool-{number}"),
                PoolKind::ScaleSet => number.to_string(),
            });
            for runner in &mut runners {
                runner.pool = Some(pool.id.clone());
                runner.id = format!("{}-{}", pool.id, runner.id);
            }
            read.pools.push(pool);
            read.runners.extend(runners);
        }
        for (id, (labels, entity)) in (0..).zip(jobs) {
            let mut job = queued_job(id, &labels);
            job.entities = vec![key(entity)];
            read.jobs.push(job);
        }
        if short {
            read.controller.backoff = std::time::Duration::from_secs(30);
        }
        read
    })
}
