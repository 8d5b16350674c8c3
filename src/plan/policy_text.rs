//! Describes the scaling policy of a pool in words, so that a reader need not know what the numbers
//! mean.

use std::time::Duration;

use crate::domain::desired::{PoolSettings, ScalePolicy};
use crate::domain::duration::format;
use crate::domain::name::PoolKind;
use crate::domain::text::count;

/// One sentence without a full stop: how many runners, when more, when fewer.
pub(super) fn policy(pool: &PoolSettings) -> String {
    let scale = &pool.scale;
    let said = if pool.scale.autoscale {
        let mut parts = vec![keeps(scale)];
        if scale.min_runners < scale.max_runners {
            parts.push(match pool.kind {
                PoolKind::Pool => starts(scale),
                PoolKind::ScaleSet => "starts one for each job that GitHub assigns".to_owned(),
            });
            parts.push(releases(scale));
        }
        parts.join("; ")
    } else {
        format!(
            "keeps {} idle, at most {} in total; only GARM scales it (`autoscale: false`)",
            count(pool.plain_level() as usize, "runner"),
            scale.max_runners
        )
    };
    if pool.may_be_enabled() {
        said
    } else {
        format!("starts no runners while it is disabled; then {said}")
    }
}

fn keeps(scale: &ScalePolicy) -> String {
    let bounds = if scale.min_runners == scale.max_runners {
        format!("keeps exactly {}", count(scale.max_runners as usize, "runner"))
    } else {
        format!("keeps {} to {}", scale.min_runners, count(scale.max_runners as usize, "runner"))
    };
    match scale.min_idle_runners {
        0 => bounds,
        idle => format!("{bounds}, {idle} of them idle however many are busy"),
    }
}

fn starts(scale: &ScalePolicy) -> String {
    let pressure = match scale.scale_up_threshold {
        0 => "any job has".to_owned(),
        1 => "more than 1 job has".to_owned(),
        threshold => format!("more than {threshold} jobs have"),
    };
    let late = match scale.max_queue_wait {
        // With a threshold of 0, any job starts a runner before that.
        Some(wait) if scale.scale_up_threshold > 0 || wait < scale.scale_up_delay => {
            format!(", or any job {}", format(wait))
        }
        Some(_) | None => String::new(),
    };
    let target = match scale.scale_up_target {
        0 => String::new(),
        target => format!(", until no more than {target} wait without a runner"),
    };
    format!("starts more when {pressure} waited {}{late}{target}", format(scale.scale_up_delay))
}

fn releases(scale: &ScalePolicy) -> String {
    match scale.scale_down_delay {
        Duration::ZERO => "releases one as soon as it is idle".to_owned(),
        delay => format!("releases one after {} idle", format(delay)),
    }
}
