//! The queued jobs in `status`: their pools, and why they wait.

use super::*;
use crate::domain::job::Job;
use crate::scaling::queued_jobs;

/// The status of a fleet with these jobs, a pool `default` (label `x`, at most 4 runners) and other
/// pools.
fn job_status(runners: Vec<Runner>, jobs: Vec<Job>) -> FleetStatus {
    let mut off = pool("off", &["off"]);
    off.spec.enabled = false;
    let mut foreign = pool("theirs", &[]);
    foreign.spec.labels = ["theirs", "runnerctl=other/big"].into_iter().collect();
    let mut full = pool("default", &["x"]);
    full.spec.max_runners = 4;
    let fleet = fleet(0, vec![full, off, foreign], runners, jobs);
    let declared = [declared("default"), declared("off")];
    let mut status = look(&declared, &fleet);
    let managed = [ScaledPool { pool: &fleet.pools[0], policy: &declared[0].scale }];
    status.jobs = Some(job_rows(&status, &fleet, &queued_jobs(&fleet, &managed)));
    status
}

/// The reasons of the jobs, oldest job first.
fn reasons(runners: Vec<Runner>, jobs: Vec<Job>) -> Vec<&'static str> {
    let rows = job_status(runners, jobs).jobs.unwrap();
    rows.iter().map(|row| row.reason.word()).collect()
}

#[test]
fn each_queued_job_has_its_pool_and_the_reason_why_it_waits() {
    let runners = vec![
        busy("default-1", 2_000),
        runner("default", "default-2", "running/idle", -9),
        runner("default", "default-3", "running/installing", -9),
    ];
    let jobs = vec![
        job(1, &["x"], -8),
        job(2, &["x"], -7),
        job(3, &["x"], -6),
        job(4, &["theirs"], -5),
        job(5, &["off"], -4),
        job(6, &["x", "gpu", "a\u{1b}[2J"], -3),
        job(7, &["x"], -90_000),
    ];
    let status = job_status(runners, jobs);
    let table = jobs::table_of_jobs(status.jobs.as_deref().unwrap(), 0, 120);
    insta::assert_snapshot!(strip_str(&table).to_string());
    let narrow = jobs::table_of_jobs(status.jobs.as_deref().unwrap(), 0, 80);
    let narrow = strip_str(&narrow).to_string();
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    let document = json(&status, StatusDetail::Pools);
    assert_eq!(
        document["jobs"][1],
        json!({
            "id": 1_001, "run_id": 1, "name": "build", "repository": "acme/app", "labels": ["x"],
            "age_seconds": 8, "pool": "default", "reason": "idle_runner",
            "why": "an idle runner is about to take it",
        })
    );
}

#[test]
fn a_job_without_a_runner_waits_for_what_limits_its_pool() {
    let waiting = |n: i64, since: i64| (1..=n).map(|id| job(id, &["x"], since)).collect::<Vec<_>>();
    let idle =
        |since| (1..=2).map(move |n| runner("default", &format!("i{n}"), "running/idle", since));
    let booting = (1..=2).map(|n| runner("default", &format!("b{n}"), "running/installing", -5));
    let failed = (1..=3).map(|n| runner("default", &format!("f{n}"), "running/failed", -5));
    // The floor of two runners serves the first two.
    assert_eq!(reasons(vec![], waiting(3, -9)), ["starting", "starting", "not_decided"]);
    let few = reasons(booting.clone().collect(), waiting(3, -9));
    assert_eq!(few, ["booting", "booting", "threshold"]);
    let many = reasons(booting.collect(), waiting(7, -40));
    assert_eq!(many[..2], ["booting", "booting"]);
    assert_eq!(many[2..], ["starting", "starting", "pool_full", "pool_full", "pool_full"]);
    assert_eq!(reasons(failed.collect(), waiting(1, -9)), ["circuit_open"]);
    let fault = Some("api error VcpuLimitExceeded".to_owned());
    let refused = Runner { provider_fault: fault, ..runner("default", "r1", "error/pending", -5) };
    // Jobs wait for long enough for runners to be asked for.
    let rows = job_status(vec![refused], waiting(6, -40)).jobs.unwrap();
    assert_eq!(
        (rows[0].reason.word(), rows[0].why.as_str()),
        (
            "circuit_open",
            "the circuit breaker of the pool is open: the provider has no quota or capacity left"
        )
    );
    let in_vain = reasons(idle(-300).collect(), waiting(1, -200));
    assert_eq!(in_vain, ["not_handed_out"]);
}

#[test]
fn the_text_has_the_oldest_jobs_and_counts_the_others() {
    let jobs: Vec<_> = (1..=23).map(|id| job(id, &["gpu"], -100 + id)).collect();
    let status = job_status(vec![], jobs);
    let rows = status.jobs.clone().unwrap();
    let table = strip_str(&jobs::table_of_jobs(&rows, 0, 120)).to_string();
    assert!(table.ends_with("\nand 3 more; `-o json` has all\n"), "{table}");
    assert!(table.contains("1020") && !table.contains("1021"), "{table}");
    assert_eq!(json(&status, StatusDetail::Pools)["jobs"].as_array().unwrap().len(), 23);
    assert_eq!(
        strip_str(&jobs::table_of_jobs(&[], 0, 80)).to_string(),
        "GARM knows of no queued job\n"
    );
    let (near, far) = (["default".to_owned()], ["off".to_owned()]);
    assert!(rows[0].concerns(&near) && !rows[0].concerns(&far), "{:?}", rows[0]);
}
