//! A pure model of carrying out a plan: small writes, each of which may be the last one before an
//! interruption.

use super::build::acme;
use crate::domain::credential::{Auth, Credential, DesiredCredential};
use crate::domain::fleet::Fleet;
use crate::domain::label::{Labels, OwnerMark};
use crate::domain::name::{PoolId, PoolKind, PoolName};
use crate::domain::pool::{Pool, PoolChange, PoolDetail, PoolSpec, ScaleSetState};
use crate::plan::{Creation, Operation, Plan};

#[derive(Debug, Clone)]
pub(crate) enum Write {
    Backoff(u64),
    Credential(Option<u64>, DesiredCredential),
    /// The pool as it is made first: disabled, at level 0.
    Post(Creation),
    /// The pool that a replace creates, under its own label.
    PostReplacement(Creation),
    /// The rest of a create: found by its labels, like the real one.
    Enable(Creation),
    /// The rest of the creation of a replacement, found in the same way.
    Promote(Creation),
    Put(PoolId, PoolChange),
    /// The write that begins to drain a pool.
    Off(PoolId),
    /// Removes idle runners at once, and busy ones when their jobs are over.
    Drain(PoolId),
    Delete(PoolId),
    /// Delete, if it is still disabled, empty and at level 0.
    DeleteLeftover(PoolId),
}

/// The writes of a plan, in order.
pub(crate) fn writes(plan: &Plan) -> Vec<Write> {
    plan.steps.iter().flat_map(|step| of(&step.work)).collect()
}

fn of(work: &Operation) -> Vec<Write> {
    let create =
        |creation: &Creation| [Write::Post(creation.clone()), Write::Enable(creation.clone())];
    let retire = |id: &PoolId| {
        let (off, drain) = (Write::Off(id.clone()), Write::Drain(id.clone()));
        let delete = Write::Delete(id.clone());
        match id.kind() {
            PoolKind::Pool => vec![off, drain, delete],
            PoolKind::ScaleSet => {
                let disable = PoolChange { enabled: Some(false), ..PoolChange::default() };
                vec![off, drain, Write::Put(id.clone(), disable), delete]
            }
        }
    };
    match work {
        Operation::Nothing | Operation::Shown(_) => vec![],
        Operation::Credential { id, wanted } => vec![Write::Credential(*id, wanted.clone())],
        Operation::Controller { backoff_s } => vec![Write::Backoff(*backoff_s)],
        Operation::Create(creation) => create(creation).into(),
        Operation::Change { id, change } => vec![Write::Put(id.clone(), change.clone())],
        Operation::Promote(it) => vec![Write::Put(it.id.clone(), it.change.clone())],
        Operation::Replace { old, retired_labels, new, successor } => {
            let relabel = match old.kind() {
                PoolKind::Pool => {
                    PoolChange { labels: Some(retired_labels.clone()), ..PoolChange::default() }
                }
                PoolKind::ScaleSet => PoolChange {
                    max_runners: Some(0),
                    min_idle_runners: Some(0),
                    ..PoolChange::default()
                },
            };
            let relabel = Write::Put(old.clone(), relabel);
            let mut writes = match successor {
                Some(it) => vec![relabel, Write::Put(it.id.clone(), it.change.clone())],
                None => {
                    vec![Write::PostReplacement(new.clone()), relabel, Write::Promote(new.clone())]
                }
            };
            writes.extend(retire(old));
            writes
        }
        Operation::Rebuild { old, new, .. } => [retire(old), create(new).into()].concat(),
        Operation::Retire { id, .. } => retire(id),
        Operation::RemoveLeftover { id } => vec![Write::DeleteLeftover(id.clone())],
    }
}

pub(crate) fn carry_out(fleet: &mut Fleet, write: &Write) {
    match write {
        Write::Credential(id, wanted) => credential(fleet, *id, wanted),
        Write::Backoff(seconds) => {
            fleet.controller.backoff = std::time::Duration::from_secs(*seconds);
        }
        Write::Post(creation) => post(fleet, creation, creation.spec.labels.clone()),
        Write::PostReplacement(creation) => post(fleet, creation, waiting(creation)),
        Write::Promote(creation) => {
            let labels = waiting(creation);
            let is_it = |pool: &&mut Pool| {
                pool.spec.labels == labels
                    && pool.entity == creation.entity
                    && pool.spec.provider == creation.spec.provider
                    && pool.kind() == creation.spec.kind()
            };
            let made = fleet.pools.iter_mut().find(is_it).expect("posted before");
            let template_id = made.spec.template_id;
            put(made, PoolSpec { template_id, ..creation.spec.clone() });
        }
        Write::Enable(creation) => {
            let is_it = |pool: &&mut Pool| {
                pool.spec.labels == creation.spec.labels && pool.kind() == creation.spec.kind()
            };
            let made = fleet.pools.iter_mut().find(is_it);
            let made = made.expect("posted before");
            let enabled = creation.spec.enabled;
            let min_idle_runners = creation.spec.min_idle_runners;
            put(made, PoolSpec { enabled, min_idle_runners, ..made.spec.clone() });
        }
        Write::Put(id, change) => {
            let latest = fleet.pools.iter().map(|pool| pool.updated_at).max();
            let pool =
                fleet.pools.iter_mut().find(|pool| pool.id == *id).expect("a pool of the plan");
            let spec = change.applied_to(&pool.spec);
            assert!(spec.min_idle_runners <= spec.max_runners, "GARM refuses {change:?}");
            let is_set = pool.kind() == PoolKind::ScaleSet;
            assert!(!is_set || change.labels.is_none(), "GARM ignores {change:?}");
            // The writer sends nothing if the pool already matches.
            if spec == pool.spec {
                return;
            }
            pool.spec = spec;
            pool.updated_at = latest.expect("there is a pool") + std::time::Duration::from_secs(1);
        }
        Write::Off(id) => switch_off(fleet, id),
        Write::Drain(id) => fleet.runners.retain(|runner| runner.pool.as_ref() != Some(id)),
        Write::Delete(id) => {
            assert_eq!(fleet.runners_of(id).count(), 0, "GARM refuses: pool has runners");
            let is_enabled = fleet.pool(id).is_some_and(|pool| pool.spec.enabled);
            assert!(!is_enabled, "GARM refuses to delete an enabled scale set");
            fleet.pools.retain(|pool| pool.id != *id);
        }
        Write::DeleteLeftover(id) => {
            let pool = fleet.pool(id).expect("a pool of the plan");
            assert!(!pool.spec.enabled && pool.spec.min_idle_runners == 0);
            assert_eq!(fleet.runners_of(id).count(), 0);
            fleet.pools.retain(|pool| pool.id != *id);
        }
    }
}

fn switch_off(fleet: &mut Fleet, id: &PoolId) {
    let spec = &fleet.pool(id).expect("a pool of the plan").spec;
    let is_drained = spec.enabled || spec.max_runners == 0;
    let change = PoolChange {
        enabled: (id.kind() == PoolKind::Pool).then_some(false),
        max_runners: (id.kind() == PoolKind::ScaleSet && is_drained).then_some(0),
        min_idle_runners: Some(0),
        ..PoolChange::default()
    };
    carry_out(fleet, &Write::Put(id.clone(), change));
}

/// The last write to a new pool. The writer sends nothing if the pool already matches.
fn put(made: &mut Pool, spec: PoolSpec) {
    if made.spec != spec {
        made.spec = spec;
        made.updated_at = made.created_at + std::time::Duration::from_millis(250);
    }
}

fn credential(fleet: &mut Fleet, id: Option<u64>, wanted: &DesiredCredential) {
    let mark = wanted.mark(&acme());
    let all = fleet.credentials.as_mut().expect("read, or there would be no step");
    match id {
        Some(id) => {
            let there =
                all.iter_mut().find(|credential| credential.id == id).expect("one of the plan");
            assert_eq!((&there.auth, &there.endpoint), (&Auth::App, &wanted.endpoint));
            there.description = mark;
        }
        None => {
            assert!(
                all.iter().all(|credential| !credential.is_named(&wanted.name)),
                "GARM refuses: duplicate"
            );
            all.push(Credential {
                id: all.len() as u64 + 100,
                name: wanted.name.clone(),
                description: mark,
                endpoint: wanted.endpoint.clone(),
                auth: Auth::App,
            });
        }
    }
}

/// The labels of a pool that waits to replace another one.
fn waiting(creation: &Creation) -> Labels {
    // The labels of a scale set never change.
    if creation.spec.kind() == PoolKind::ScaleSet {
        return creation.spec.labels.clone();
    }
    let marks = creation.spec.labels.marks();
    let name = PoolName::new(marks.first().expect("marked").pool()).expect("a name");
    creation.spec.labels.with_mark(&OwnerMark::replacement(&acme(), &name))
}

fn post(fleet: &mut Fleet, creation: &Creation, labels: Labels) {
    let entity = fleet.entities.iter().find(|entity| entity.key == creation.entity).expect("known");
    let number = fleet.pools.len();
    let name = &creation.spec.scale_set_name;
    let has_name = |pool: &Pool| {
        pool.spec.scale_set_name == *name
            && pool.entity == creation.entity
            && pool.spec.runner_group == creation.spec.runner_group
    };
    assert!(name.is_none() || !fleet.pools.iter().any(has_name), "GitHub refuses {name:?}");
    // GARM assigns its own template.
    let template_id = creation.spec.template_id.or(Some(1));
    let pool = Pool {
        id: match creation.spec.kind() {
            PoolKind::Pool => PoolId::new(format!("made-{number}-{}", creation.spec.runner_prefix)),
            PoolKind::ScaleSet => {
                let numbers = fleet.pools.iter().filter_map(|pool| pool.id.as_str().parse().ok());
                PoolId::new((numbers.max().unwrap_or(0_u64) + 1).to_string())
            }
        },
        entity: creation.entity.clone(),
        entity_name: entity.name.clone(),
        endpoint: entity.endpoint.clone(),
        spec: PoolSpec {
            enabled: false,
            min_idle_runners: 0,
            labels,
            template_id,
            ..creation.spec.clone()
        },
        detail: PoolDetail::Whole,
        scale_set: creation.spec.scale_set_name.as_ref().map(|_| ScaleSetState::default()),
        generation: Some(0),
        created_at: fleet.observed_at,
        updated_at: fleet.observed_at,
    };
    fleet.pools.push(pool);
}
