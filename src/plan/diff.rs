//! The differences between an existing pool and the desired one.
//!
//! The table of fields ([`crate::domain::field`]) says which fields there are, how they are read
//! and requested, and what changing them means.

use std::collections::BTreeSet;

use serde_json::Value;

use super::specs;
use super::step::{FieldChange, ShownValue};
use crate::domain::field::{self, Mutability};
use crate::domain::name::PoolKind;
use crate::domain::pool::{PoolChange, PoolSpec};
use crate::domain::stored_field::StoredField;

/// What sets the level of a pool; it decides how a saved plan remembers a change of the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelOwner {
    /// The files: it is a number like any other.
    Manifest,
    /// `watch`: it changes between two runs.
    Scaler,
}

/// The fields that differ, and the request that makes the pool as desired.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    pub(super) changes: Vec<FieldChange>,
    pub(super) change: PoolChange,
}

/// All fields that are compared here, which are those that GARM changes in place, except
/// `extra_specs` and the level.
fn compared() -> impl Iterator<Item = (&'static str, &'static StoredField)> {
    field::stored_fields().filter(|(key, _)| *key != "extra_specs")
}

/// Those that GARM changes in place for this kind of pool.
fn compared_of(kind: PoolKind) -> impl Iterator<Item = (&'static str, &'static StoredField)> {
    let is_stored = move |key: &str| match kind {
        PoolKind::Pool => true,
        PoolKind::ScaleSet => !matches!(key, "labels" | "priority"),
    };
    compared().filter(move |(key, _)| is_stored(key))
}

/// What must change for `live` to become `wanted`. The provider is not compared: GARM never changes
/// it.
pub(super) fn difference(
    live: &PoolSpec,
    wanted: &PoolSpec,
    level: LevelOwner,
    show: &BTreeSet<&str>,
) -> Difference {
    let mut found = Difference::default();
    for (key, stored) in compared_of(wanted.kind()) {
        if (stored.live)(live) != (stored.live)(wanted) {
            let before = shown((stored.shown)(live));
            let after = shown((stored.shown)(wanted));
            found.changes.push(FieldChange { field: key.to_owned(), before, after });
            (stored.request)(wanted, &mut found.change);
        }
    }
    if !specs::are_same(&live.extra_specs, &wanted.extra_specs) {
        found.changes.extend(specs::changes(&live.extra_specs, &wanted.extra_specs, show));
        found.change.extra_specs = Some(wanted.extra_specs.clone());
    }
    if live.min_idle_runners != wanted.min_idle_runners {
        found.changes.push(FieldChange {
            field: "min_idle_runners".to_owned(),
            before: level_shown(live.min_idle_runners, level),
            after: level_shown(wanted.min_idle_runners, level),
        });
        found.change.min_idle_runners = Some(wanted.min_idle_runners);
    }
    found
}

/// The fields beside provider and entity that no write changes in place, as `live` has them and as
/// they are wanted. The reserved label of a scale set is not compared: an adopted one has none.
pub(super) fn fixed(live: &PoolSpec, wanted: &PoolSpec) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut add = |field: &str, before: Value, after: Value| {
        let field = field.to_owned();
        changes.push(FieldChange { field, before: shown(before), after: shown(after) });
    };
    if live.kind() != wanted.kind() {
        add("kind", live.kind().word().into(), wanted.kind().word().into());
    }
    if live.scale_set_name != wanted.scale_set_name {
        let name = |spec: &PoolSpec| spec.scale_set_name.clone().into();
        add("scale_set_name", name(live), name(wanted));
    }
    if (live.kind(), wanted.kind()) == (PoolKind::ScaleSet, PoolKind::ScaleSet)
        && live.labels.without_marks() != wanted.labels.without_marks()
    {
        let labels =
            |spec: &PoolSpec| spec.labels.without_marks().iter().collect::<Vec<_>>().into();
        add("labels", labels(live), labels(wanted));
    }
    changes
}

/// All fields of a pool to be created, except those that are left to GARM.
pub(super) fn whole(spec: &PoolSpec, show: &BTreeSet<&str>) -> Vec<FieldChange> {
    let change = |field: &str, after| FieldChange {
        field: field.to_owned(),
        before: ShownValue::Absent,
        after,
    };
    let mut changes = Vec::new();
    if let Some(name) = &spec.scale_set_name {
        changes.push(change("kind", shown(spec.kind().word().into())));
        changes.push(change("scale_set_name", shown(name.clone().into())));
    }
    changes.push(change("provider", shown(spec.provider.clone().into())));
    let has_priority = spec.kind() == PoolKind::Pool;
    changes.extend(
        compared()
            .filter(|(key, _)| has_priority || *key != "priority")
            .map(|(key, stored)| change(key, shown((stored.shown)(spec))))
            .filter(|change| change.after != ShownValue::Absent),
    );
    changes.extend(specs::changes(&serde_json::Map::new(), &spec.extra_specs, show));
    changes.push(change("min_idle_runners", ShownValue::Value(spec.min_idle_runners.into())));
    changes
}

/// The fields that would have to become empty. GARM reads an empty string as "unchanged" (GARM.md
/// §b), so the plan would never converge. Only the runner group can be cleared.
pub(super) fn cannot_clear(live: &PoolSpec, wanted: &PoolSpec) -> Vec<&'static str> {
    let is_empty = |value: Value| value.as_str().is_some_and(str::is_empty);
    compared()
        .filter(|(_, stored)| is_empty((stored.live)(wanted)) && !is_empty((stored.live)(live)))
        .map(|(key, _)| key)
        .filter(|key| *key != "runner_group")
        .collect()
}

/// Whether GARM never changes this field of a scale set.
pub(super) fn is_fixed_in_a_scale_set(key: &str) -> bool {
    key == "labels"
        || field::field(key).is_some_and(|field| matches!(field.mutability, Mutability::Replace))
}

/// Whether changing this field makes existing runners outdated (`generation`).
pub(super) fn outdates(field: &str) -> bool {
    let key = field.split_once('.').map_or(field, |(key, _)| key);
    field::field(key)
        .is_some_and(|field| matches!(field.mutability, Mutability::UpdateAndOutdate(_)))
}

/// `null`, and the empty string that GARM uses for "none", are shown as absent.
fn shown(value: Value) -> ShownValue {
    match value {
        Value::Null => ShownValue::Absent,
        Value::String(text) if text.is_empty() => ShownValue::Absent,
        value => ShownValue::Value(value),
    }
}

fn level_shown(level: u32, owner: LevelOwner) -> ShownValue {
    match owner {
        LevelOwner::Manifest => ShownValue::Value(level.into()),
        LevelOwner::Scaler => ShownValue::Level(level),
    }
}
