//! The differences between an existing pool and the desired one.
//!
//! One row per field that GARM stores; the table of fields ([`crate::domain::field`]) says what
//! changing a field means.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::specs;
use super::step::{FieldChange, ShownValue};
use crate::domain::duration;
use crate::domain::field::{self, Mutability};
use crate::domain::pool::{NO_PROXY, PoolChange, PoolSpec};

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

struct Column {
    key: &'static str,
    value: fn(&PoolSpec) -> Value,
    ask: fn(&PoolSpec, &mut PoolChange),
}

impl Column {
    /// Labels are a set that ignores case: their spelling is shown but not compared.
    fn is_same(&self, live: &PoolSpec, wanted: &PoolSpec) -> bool {
        match self.key {
            "labels" => live.labels == wanted.labels,
            _ => (self.value)(live) == (self.value)(wanted),
        }
    }
}

/// All fields that GARM changes in place, except `extra_specs` and the level, in the order of the
/// table of fields.
const COLUMNS: &[Column] = &[
    Column {
        key: "max_runners",
        value: |it| it.max_runners.into(),
        ask: |it, change| change.max_runners = Some(it.max_runners),
    },
    Column {
        key: "instance_type",
        value: |it| it.flavor.clone().into(),
        ask: |it, change| change.flavor = Some(it.flavor.clone()),
    },
    Column {
        key: "image",
        value: |it| it.image.clone().into(),
        ask: |it, change| change.image = Some(it.image.clone()),
    },
    Column {
        key: "labels",
        value: |it| it.labels.iter().collect::<Vec<_>>().into(),
        ask: |it, change| change.labels = Some(it.labels.clone()),
    },
    Column {
        key: "os_type",
        value: |it| it.os_type.clone().into(),
        ask: |it, change| change.os_type = Some(it.os_type.clone()),
    },
    Column {
        key: "os_arch",
        value: |it| it.os_arch.clone().into(),
        ask: |it, change| change.os_arch = Some(it.os_arch.clone()),
    },
    Column {
        key: "enabled",
        value: |it| it.enabled.into(),
        ask: |it, change| change.enabled = Some(it.enabled),
    },
    Column {
        key: "runner_prefix",
        value: |it| it.runner_prefix.clone().into(),
        ask: |it, change| change.runner_prefix = Some(it.runner_prefix.clone()),
    },
    Column {
        key: "runner_group",
        value: |it| it.runner_group.clone().into(),
        ask: |it, change| change.runner_group = Some(it.runner_group.clone()),
    },
    Column {
        key: "bootstrap_timeout",
        value: |it| minutes(it.bootstrap_timeout_min).into(),
        ask: |it, change| change.bootstrap_timeout_min = Some(it.bootstrap_timeout_min),
    },
    Column {
        key: "priority",
        value: |it| it.priority.into(),
        ask: |it, change| change.priority = Some(it.priority),
    },
    Column {
        key: "template",
        value: |it| it.template_id.map_or(Value::Null, |id| json!(id)),
        ask: |it, change| change.template_id = it.template_id,
    },
    Column {
        key: "proxy",
        value: |it| it.proxy_id.map_or(Value::Null, |id| json!(id)),
        ask: |it, change| change.proxy_id = Some(it.proxy_id.unwrap_or(NO_PROXY)),
    },
    Column {
        key: "enable_shell",
        value: |it| it.enable_shell.into(),
        ask: |it, change| change.enable_shell = Some(it.enable_shell),
    },
];

/// What must change for `live` to become `wanted`. The provider is not compared: GARM never changes
/// it.
pub(super) fn difference(
    live: &PoolSpec,
    wanted: &PoolSpec,
    level: LevelOwner,
    show: &BTreeSet<&str>,
) -> Difference {
    let mut found = Difference::default();
    for column in COLUMNS {
        if !column.is_same(live, wanted) {
            let before = shown((column.value)(live));
            let after = shown((column.value)(wanted));
            found.changes.push(FieldChange { field: column.key.to_owned(), before, after });
            (column.ask)(wanted, &mut found.change);
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

/// All fields of a pool to be created, except those that are left to GARM.
pub(super) fn whole(spec: &PoolSpec, show: &BTreeSet<&str>) -> Vec<FieldChange> {
    let change = |field: &str, after| FieldChange {
        field: field.to_owned(),
        before: ShownValue::Absent,
        after,
    };
    let mut changes = vec![change("provider", shown(spec.provider.clone().into()))];
    changes.extend(
        COLUMNS
            .iter()
            .map(|it| change(it.key, shown((it.value)(spec))))
            .filter(|it| it.after != ShownValue::Absent),
    );
    changes.extend(specs::changes(&serde_json::Map::new(), &spec.extra_specs, show));
    changes.push(change("min_idle_runners", ShownValue::Value(spec.min_idle_runners.into())));
    changes
}

/// The fields that would have to become empty. GARM reads an empty string as "unchanged" (GARM.md
/// §b), so the plan would never converge. Only the runner group can be cleared.
pub(super) fn cannot_clear(live: &PoolSpec, wanted: &PoolSpec) -> Vec<&'static str> {
    let is_empty = |value: Value| value.as_str().is_some_and(str::is_empty);
    COLUMNS
        .iter()
        .filter(|it| is_empty((it.value)(wanted)) && !is_empty((it.value)(live)))
        .map(|it| it.key)
        .filter(|it| *it != "runner_group")
        .collect()
}

/// Whether changing this field makes existing runners outdated (`generation`).
pub(super) fn outdates(field: &str) -> bool {
    let key = field.split_once('.').map_or(field, |(key, _)| key);
    field::field(key).is_some_and(|it| it.mutability == Mutability::UpdateAndOutdate)
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

fn minutes(count: u32) -> String {
    duration::format(Duration::from_secs(u64::from(count) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::FIELDS;

    #[test]
    fn every_field_that_garm_changes_in_place_is_compared() {
        let is_stored =
            |it: Mutability| matches!(it, Mutability::Update | Mutability::UpdateAndOutdate);
        let stored = FIELDS.iter().filter(|it| is_stored(it.mutability)).map(|it| it.key);
        let compared = COLUMNS.iter().map(|it| it.key).chain(["extra_specs"]);
        assert_eq!(compared.collect::<BTreeSet<_>>(), stored.collect::<BTreeSet<_>>());
    }
}
