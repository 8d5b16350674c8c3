//! The consequences of a step, as sentences.

use super::diff::{self, Difference};
use super::index::Counts;
use crate::domain::pool::{Pool, PoolSpec};
use crate::domain::text::count;

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
        change.max_runners.and_then(|max| crowded(max, counts)),
        switched_off(counts, change.enabled),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The consequences of retiring a pool.
pub(super) fn of_retiring(counts: Counts) -> Vec<String> {
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
    [waits, removes].into_iter().flatten().collect()
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

fn crowded(max: u32, counts: Counts) -> Option<String> {
    (counts.live > max as usize).then(|| {
        format!(
            "{} exist: GARM removes none of them, and creates no new one while there are {max} or more",
            count(counts.live, "runner")
        )
    })
}

fn switched_off(counts: Counts, enabled: Option<bool>) -> Option<String> {
    if enabled? {
        return None;
    }
    let start = "it starts no more runners, and GARM does not record jobs that match no other pool";
    Some(match counts.live {
        0 => start.to_owned(),
        1 => format!("{start}; 1 runner still takes jobs"),
        live => format!("{start}; {live} runners still take jobs"),
    })
}
