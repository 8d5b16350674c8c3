//! `/metrics` of 1,000 pools in which everything has happened: `cargo bench --bench metrics`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures")]

use std::time::{Duration, Instant};

use runnerctl::domain::name::PoolName;
use runnerctl::telemetry::{Board, Counter, Limits, PoolGauges, Snapshot, Timing};

const POOLS: usize = 1_000;
const RUNS: usize = 50;

fn board() -> Board {
    let board = Board::new(Limits::of(Duration::from_secs(30)));
    let names: Vec<PoolName> =
        (0..POOLS).map(|it| PoolName::new(&format!("team-{it}-linux-x64")).unwrap()).collect();
    let gauges = PoolGauges {
        active: 5,
        level: Some(2),
        outdated_runners: Some(1),
        has_drift: Some(false),
        ..PoolGauges::default()
    };
    board.publish(Snapshot {
        pools: names.iter().map(|it| (it.clone(), gauges.clone())).collect(),
        read_at: tokio::time::Instant::now(),
        reconciled_at: jiff::Timestamp::UNIX_EPOCH,
        clock_skew_s: Some(0.1),
    });
    for pool in names {
        for (direction, reason) in [("up", "pressure"), ("up", "late"), ("down", "idle")] {
            let pool = pool.clone();
            board.count(Counter::ScalingDecision { pool, direction, reason });
        }
        for direction in ["up", "down"] {
            let pool = pool.clone();
            board.count(Counter::ScalingAction { pool, direction, outcome: "done" });
        }
        board.count(Counter::ScaledownRefused { pool: pool.clone(), reason: "busy" });
        board.observe(Timing::RunnerStartup { pool: pool.clone() }, Duration::from_secs(31));
        board.observe(Timing::JobQueue { pool }, Duration::from_secs(12));
    }
    board
}

fn main() {
    let board = board();
    let mut took: Vec<Duration> = Vec::with_capacity(RUNS);
    let mut page = String::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        page = board.metrics();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let series = page.lines().filter(|it| !it.starts_with('#')).count();
    println!(
        "metrics of {POOLS} pools: {series} lines, {} KiB, median {:.1?}, longest {:.1?} of {RUNS}",
        page.len() / 1024,
        took[RUNS / 2],
        took[RUNS - 1]
    );
}
