//! The consequences of a step, as sentences.

use super::diff::{self, Difference};
use super::index::Counts;
use crate::domain::name::PoolKind;
use crate::domain::pool::{Pool, PoolSpec};
use crate::domain::text::{code, count};

/// The consequences of an update or an adoption of `pool`.
pub(super) fn of_change(pool: &Pool, counts: Counts, found: &Difference) -> Vec<String> {
    let spec = &pool.spec;
    let change = &found.change;
    [
        outdated(counts, found),
        labels(counts, spec, found),
        change.template_id.map(|_| "a template change does not mark runners outdated".to_owned()),
        change.os_type.as_ref().filter(|_| change.template_id.is_none()).map(|_| {
            "GARM keeps the install template of the old `os_type` unless `template` names another"
                .to_owned()
        }),
        change.max_runners.and_then(|max| crowded(pool.kind(), max, counts)),
        session(pool, change.max_runners),
        switched_off(pool.kind(), counts, change.enabled),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The consequences of retiring a pool.
pub(super) fn of_retiring(pool: &Pool, counts: Counts) -> Vec<String> {
    let others = counts.live - counts.busy;
    let waits = match counts.busy {
        0 => None,
        busy => Some(format!("waits for {}, which finish their jobs", count(busy, "busy runner"))),
    };
    let waits = waits.map(|waits| {
        if counts.busy == 1 {
            waits.replace("finish their jobs", "finishes its job")
        } else {
            waits
        }
    });
    let removes = match others {
        0 => None,
        others => Some(format!("removes {} without a job", count(others, "runner"))),
    };
    let assigned = pool.scale_set.map_or(0, |set| set.desired_runner_count as usize);
    let left = match assigned.saturating_sub(counts.busy) {
        0 => None,
        left => Some(format!(
            "{} that GitHub has assigned to it and that no runner has wait for another one",
            count(left, "job")
        )),
    };
    [waits, removes, left].into_iter().flatten().collect()
}

/// The consequence of a replace in addition to that of retiring the old pool.
pub(super) fn of_replacing(old: &PoolSpec, new: &PoolSpec) -> String {
    let both = u64::from(old.max_runners) + u64::from(new.max_runners);
    let why = if old.max_runners == new.max_runners {
        "2 × `max_runners`".to_owned()
    } else {
        format!(
            "`max_runners` of the old pool, {}, and of the new one, {}",
            old.max_runners, new.max_runners
        )
    };
    format!("up to {both} runners may exist meanwhile: {why}")
}

/// The consequences of replacing a scale set by another one, in addition to retiring the old one.
pub(super) fn of_rebuilding(old: &PoolSpec, new: &PoolSpec) -> Vec<String> {
    let name = |spec: &PoolSpec| code(spec.scale_set_name.as_deref().unwrap_or_default());
    let gap = format!(
        "no runner starts for jobs that request {} from now until the old scale set is drained and the new one is created: they wait",
        name(old)
    );
    let way = "to serve them meanwhile, declare the change as a second pool with another `scale_set_name`, and remove this one when its jobs have moved";
    let renamed = (old.scale_set_name != new.scale_set_name).then(|| {
        format!(
            "jobs that request {} find no scale set afterwards: change their `runs-on`",
            name(old)
        )
    });
    [gap, way.to_owned()].into_iter().chain(renamed).collect()
}

fn outdated(counts: Counts, found: &Difference) -> Option<String> {
    let mut fields: Vec<&str> = found
        .changes
        .iter()
        .filter(|change| diff::outdates(&change.field))
        .map(|change| change.field.split_once('.').map_or(change.field.as_str(), |(key, _)| key))
        .collect();
    fields.dedup();
    let what = match fields.as_slice() {
        [] => return None,
        ["image"] => "image".to_owned(),
        ["instance_type"] => "instance type".to_owned(),
        fields => fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(", "),
    };
    let (verb, them) = if counts.idle == 1 { ("runs", "it") } else { ("run", "them") };
    let idle = count(counts.idle, "idle runner");
    (counts.idle > 0)
        .then(|| format!("{idle} still {verb} the old {what}; `--rotate` replaces {them}"))
}

fn labels(counts: Counts, spec: &PoolSpec, found: &Difference) -> Option<String> {
    let wanted = found.change.labels.as_ref()?;
    if wanted.without_marks() == spec.labels.without_marks() {
        return None;
    }
    let said = "a label change does not mark runners outdated";
    Some(match counts.live {
        0 => said.to_owned(),
        1 => format!("{said}: the existing runner keeps the old labels"),
        live => format!("{said}: the {live} existing runners keep the old labels"),
    })
}

fn crowded(kind: PoolKind, max: u32, counts: Counts) -> Option<String> {
    (counts.live > max as usize).then(|| {
        let removes = match kind {
            PoolKind::Pool => "none of them",
            PoolKind::ScaleSet => "idle ones that are too many",
        };
        format!(
            "{} exist: GARM removes {removes}, and creates no new one while there are {max} or more",
            count(counts.live, "runner")
        )
    })
}

/// GARM stops and starts its message session with GitHub (GARM.md §scale-sets).
fn session(pool: &Pool, max: Option<u32>) -> Option<String> {
    let is_lower = pool.kind() == PoolKind::ScaleSet && max? < pool.spec.max_runners;
    is_lower.then(|| {
        "GARM connects to GitHub anew for a lower `max_runners`: jobs are assigned some seconds later, and none is lost"
            .to_owned()
    })
}

fn switched_off(kind: PoolKind, counts: Counts, enabled: Option<bool>) -> Option<String> {
    if enabled? {
        return None;
    }
    let start = match kind {
        PoolKind::Pool => {
            "it starts no more runners, and GARM does not record jobs that match no other pool"
        }
        PoolKind::ScaleSet => "it starts no more runners, and jobs that request it wait",
    };
    Some(match counts.live {
        0 => start.to_owned(),
        1 => format!("{start}; 1 runner still takes jobs"),
        live => format!("{start}; {live} runners still take jobs"),
    })
}
