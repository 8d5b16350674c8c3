//! GARM alone under load, compared with measurements of a real one (GARM.md §d, DESIGN §5): the
//! simulator must have GARM's waits.

use std::time::Duration;

use runnerctl::sim::{JobBatch, Knobs, LogEvent, SimConfig, World};
use serde_json::json;

use super::asked::Asked;

/// The machine of the measurements: boot 5 s, install 1 s, assignment after 1.5 s.
fn as_measured(backoff: u64, seed: u64) -> Asked {
    let knobs = Knobs {
        boot_delay: Duration::from_secs(5),
        boot_jitter: Duration::ZERO,
        install_delay: Duration::from_secs(1),
        assign_delay: Duration::from_millis(1500),
        ..Knobs::default()
    };
    Asked(World::new(SimConfig { seed, backoff, knobs, ..SimConfig::default() }))
}

/// Median (the lower of two) and longest wait in seconds.
fn waits(asked: &Asked) -> (u64, u64) {
    let mut all: Vec<u64> = asked
        .0
        .log()
        .iter()
        .filter_map(|it| match it.what {
            LogEvent::JobStarted { waited_ms, .. } => Some(waited_ms / 1000),
            _ => None,
        })
        .collect();
    all.sort_unstable();
    (all[(all.len() - 1) / 2], all[all.len() - 1])
}

#[test]
fn twelve_jobs_wait_as_long_as_at_a_real_garm() {
    // Measured: median 11.5 s to 13.5 s, longest 21.5 s to 31.6 s.
    for seed in 1..=4 {
        let mut asked = as_measured(30, seed);
        asked.pool("linux", json!({ "min_idle_runners": 2, "max_runners": 20 }));
        asked.wait(60);
        asked.0.queue_jobs(&JobBatch::new(12, &["linux"]).lasting(Duration::from_secs(20)));
        asked.wait(180);
        let (median, longest) = waits(&asked);
        assert!((9..=16).contains(&median), "seed {seed}: median {median}");
        assert!((19..=36).contains(&longest), "seed {seed}: longest {longest}");
    }
}

#[test]
fn thirty_jobs_wait_as_long_as_at_a_real_garm() {
    // Measured: median 31.6 s, longest 71.6 s.
    for seed in 1..=4 {
        let mut asked = as_measured(30, seed);
        asked.pool("linux", json!({ "min_idle_runners": 2, "max_runners": 20 }));
        asked.wait(60);
        asked.0.queue_jobs(&JobBatch::new(30, &["linux"]).lasting(Duration::from_secs(20)));
        asked.wait(240);
        let (median, longest) = waits(&asked);
        assert!((26..=38).contains(&median), "seed {seed}: median {median}");
        assert!((55..=80).contains(&longest), "seed {seed}: longest {longest}");
    }
}

#[test]
fn eighteen_jobs_from_nothing_wait_as_long_as_at_a_real_garm() {
    // Measured: median and longest 46.9 s.
    for seed in 1..=4 {
        let mut asked = as_measured(30, seed);
        asked.pool("linux", json!({ "max_runners": 20 }));
        asked.wait(60);
        asked.0.queue_jobs(&JobBatch::new(18, &["linux"]).lasting(Duration::from_secs(20)));
        asked.wait(180);
        let (median, longest) = waits(&asked);
        assert!((41..=50).contains(&median), "seed {seed}: median {median}");
        assert!((41..=52).contains(&longest), "seed {seed}: longest {longest}");
    }
}

#[test]
fn ten_jobs_on_four_runners_take_as_long_as_at_a_real_garm() {
    // Measured with a backoff of 2 s and at most 4 runners: all done in 45.9 s.
    for seed in 1..=4 {
        let mut asked = as_measured(2, seed);
        asked.0.knobs_mut().boot_delay = Duration::from_secs(1);
        asked.0.knobs_mut().install_delay = Duration::from_millis(300);
        asked.0.knobs_mut().assign_delay = Duration::ZERO;
        asked.pool("linux", json!({ "max_runners": 4 }));
        asked.0.queue_jobs(&JobBatch::new(10, &["linux"]).lasting(Duration::from_secs(2)));
        let done = asked.seconds_until(|it| {
            let ended = |entry: &&runnerctl::sim::LogEntry| {
                matches!(entry.what, LogEvent::JobCompleted { .. })
            };
            it.0.log().iter().filter(ended).count() == 10
        });
        assert!((34..=56).contains(&done), "seed {seed}: {done}");
    }
}
