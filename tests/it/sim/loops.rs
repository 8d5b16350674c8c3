//! The effects of GARM's loops over minutes, which take too long with a real GARM.

use std::time::Duration;

use runnerctl::sim::{JobBatch, LogEvent, SimConfig, World};
use serde_json::{Value, json};

use super::asked::Asked;

#[test]
fn a_row_is_created_within_one_tick_and_its_vm_within_the_next() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1 }));
    let row = asked.seconds_until(|it| !it.states(&pool).is_empty());
    let vm = asked.seconds_until(|it| it.states(&pool)[0].starts_with("running"));
    assert!(row <= 5, "{row}");
    assert!((4..=6).contains(&vm), "{vm}");
}

#[test]
fn a_cancelled_job_is_deleted_after_five_minutes() {
    let mut asked = Asked::new();
    asked.pool("linux", json!({}));
    let job = asked.queue(1, "linux", 10)[0];
    asked.0.end_job(job, "cancelled");
    assert_eq!(asked.jobs(), [(job, "completed".to_owned())]);
    let gone = asked.seconds_until(|it| it.jobs().is_empty());
    assert!((300..=306).contains(&gone), "{gone}");
}

#[test]
fn a_job_of_a_runner_outside_garm_is_deleted_after_five_minutes() {
    let mut asked = Asked::new();
    asked.pool("linux", json!({}));
    let job = asked.queue(1, "linux", 3600)[0];
    asked.0.add_foreign_runner("acme", "foreign", &["linux"]);
    asked.wait(1);
    let row = asked.get("/jobs")[0].clone();
    assert_eq!((&row["workflow_job_id"], &row["status"]), (&json!(job), &json!("in_progress")));
    assert_eq!(row["runner_name"], Value::Null);
    let gone = asked.seconds_until(|it| it.jobs().is_empty());
    assert!((298..=306).contains(&gone), "{gone}");
}

#[test]
fn queued_jobs_of_one_pool_keep_idle_runners_in_another() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 4 }));
    asked.pool("gpu", json!({}));
    asked.wait(20);
    asked.put(&pool, &json!({ "min_idle_runners": 0 }));
    asked.0.queue_jobs(&JobBatch::new(3, &["gpu"]));
    // ceil((4 − 3) / 2) = 1 is removed, and then no more.
    asked.wait(150);
    assert_eq!(asked.states(&pool), ["running/idle"; 3]);
}

#[test]
fn a_scale_down_makes_garm_forget_jobs_older_than_ten_minutes() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 3, "max_runners": 9 }));
    asked.wait(20);
    let old = asked.0.queue_jobs(&JobBatch::new(1, &["linux"]).held());
    asked.wait(590);
    asked.put(&pool, &json!({ "min_idle_runners": 0 }));
    let young = asked.0.queue_jobs(&JobBatch::new(1, &["linux"]).held());
    asked.wait(70);
    assert_eq!(asked.jobs(), [(young[0], "queued".to_owned())]);
    // It is still queued at GitHub, and recorded again when it starts.
    asked.0.release_job(old[0]);
    asked.wait(1);
    assert!(asked.jobs().contains(&(old[0], "in_progress".to_owned())));
}

#[test]
fn a_disabled_pool_is_not_scaled_and_its_runners_work() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 3 }));
    asked.wait(20);
    asked.put(&pool, &json!({ "enabled": false, "min_idle_runners": 0 }));
    asked.wait(130);
    assert_eq!(asked.states(&pool), ["running/idle"; 3]);
    let job = asked.queue(1, "linux", 5)[0];
    assert_eq!(asked.jobs(), [], "a job that only disabled pools serve is not recorded");
    asked.wait(1);
    assert_eq!(asked.jobs(), [(job, "in_progress".to_owned())]);
    asked.wait(20);
    assert_eq!(asked.states(&pool), ["running/idle"; 2]);
}

#[test]
fn a_level_counts_runners_in_deletion_as_idle() {
    let mut asked = Asked::new();
    let pool = asked.pool("linux", json!({ "min_idle_runners": 1 }));
    asked.wait(20);
    let name = asked.get(&format!("{pool}/instances"))[0]["name"].as_str().unwrap().to_owned();
    asked.ask("DELETE", &format!("/instances/{name}"), &Value::Null);
    // There is no second row while the first exists.
    let gone = asked.seconds_until(|it| {
        let states = it.states(&pool);
        assert!(states.len() <= 1, "{states:?}");
        states.is_empty() || states == ["pending_create/pending"]
    });
    assert!((1..=12).contains(&gone), "{gone}");
}

#[test]
fn a_job_whose_runner_took_another_job_is_retried() {
    let mut asked = Asked(World::new(SimConfig { backoff: 5, ..SimConfig::default() }));
    let pool = asked.pool("linux", json!({ "max_runners": 1 }));
    asked.0.queue_jobs(&JobBatch::new(1, &["linux"]).held());
    asked.wait(30);
    assert_eq!(asked.states(&pool), ["running/idle"]);
    let thief = asked.queue(1, "linux", 5)[0];
    asked.wait(30);
    // The other job's start removed the lock, so a second runner was created for the first job.
    assert!(!asked.jobs().iter().any(|it| it.0 == thief));
    assert_eq!(asked.states(&pool), ["running/idle"]);
    let made = asked.0.log().iter().filter(|it| matches!(it.what, LogEvent::VmCreated { .. }));
    assert_eq!(made.count(), 2);
}

#[test]
fn two_writes_at_once_can_leave_the_older_one_in_the_cache() {
    let stale_after = |gap: Duration| {
        let mut asked = Asked(World::new(SimConfig { seed: 3, ..SimConfig::default() }));
        let pools: Vec<_> = (0..400).map(|it| asked.pool(&format!("p{it}"), json!({}))).collect();
        for pool in &pools {
            asked.put(pool, &json!({ "min_idle_runners": 1 }));
            asked.0.advance(gap);
            asked.put(pool, &json!({ "min_idle_runners": 0 }));
        }
        asked.wait(1);
        // These values equal the stored ones, so they do not correct the cache (GARM.md §0.10).
        for pool in &pools {
            asked.put(pool, &json!({ "max_runners": 5 }));
        }
        asked.wait(15);
        let stale: Vec<_> = pools.iter().filter(|it| !asked.states(it).is_empty()).collect();
        let count = stale.len();
        // Neither do these, but writing the same tags does.
        let names: Vec<String> = stale.into_iter().cloned().collect();
        for pool in &names {
            asked.put(pool, &json!({ "min_idle_runners": 0 }));
        }
        (count, asked, names)
    };
    let (stale, mut asked, names) = stale_after(Duration::from_millis(2));
    assert!((1..40).contains(&stale), "{stale}");
    let rebuilt = |asked: &mut Asked, pool: &String| {
        for it in asked.get(&format!("{pool}/instances")).as_array().unwrap() {
            let path = format!("/instances/{}", it["name"].as_str().unwrap());
            asked.ask("DELETE", &path, &Value::Null);
        }
        asked.wait(30);
        asked.states(pool).len()
    };
    assert_eq!(rebuilt(&mut asked, &names[0]), 1, "not corrected by equal values");
    let tags = asked.get(&names[0])["tags"][0]["name"].clone();
    asked.put(&names[0], &json!({ "tags": [tags] }));
    asked.wait(1);
    assert_eq!(rebuilt(&mut asked, &names[0]), 0, "corrected by the same tags");
}

#[test]
fn the_same_seed_and_the_same_script_give_the_same_world() {
    let story = |seed: u64| {
        let mut asked = Asked(World::new(SimConfig { seed, ..SimConfig::default() }));
        asked.0.knobs_mut().boot_fail_rate = 0.3;
        asked.pool("linux", json!({ "min_idle_runners": 2 }));
        asked.queue(6, "linux", 20);
        asked.wait(600);
        (asked.0.log().to_vec(), asked.get("/instances").to_string())
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5), story(6));
}
