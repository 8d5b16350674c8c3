//! GARM's own scaling (GARM.md §0.1, §0.2, §d).

use runnerctl::sim::GarmVersion;
use serde_json::{Value, json};

use super::garm::{Garm, id};
use super::on_each;

/// A backoff longer than any job in a test.
const DAY_S: u64 = 86_400;

/// Sets the backoff during an assertion and restores it.
async fn with_backoff(garm: &Garm, seconds: u64, assertion: impl AsyncFnOnce()) {
    let before = garm.get("/controller").await["minimum_job_age_backoff"].clone();
    let set = async |value: Value| {
        let body = json!({ "minimum_job_age_backoff": value });
        assert_eq!(garm.ask("PUT", "/controller", Some(&body)).await.status, 200);
    };
    set(json!(seconds)).await;
    assertion().await;
    set(before).await;
}

/// How many VMs the provider created for a pool, according to its log.
async fn vms_made(garm: &Garm, pool: &str) -> usize {
    let log = garm.github("GET", "/log", None).await;
    let made = |it: &&Value| it["ev"] == "vm_created" && it["pool"] == pool;
    log.as_array().unwrap().iter().filter(made).count()
}

#[tokio::test]
async fn a_constant_level_creates_more_runners_than_jobs() {
    on_each(async |garm| {
        with_backoff(garm, DAY_S, async || {
            let fields = json!({ "enabled": true, "min_idle_runners": 2, "max_runners": 9 });
            let pool = garm.pool("held-level", fields).await;
            garm.wait_for(id(&pool), 2, "running", "idle").await;
            let jobs = garm.queue("held-level", json!({ "count": 3, "duration_s": 100 })).await;
            garm.eventually("three started jobs", async || {
                for job in &jobs {
                    if garm.github_job(*job).await["status"] == "queued" {
                        return None;
                    }
                }
                Some(())
            })
            .await;
            // Each pick-up is replaced: two at the start, at least one more for each of the three
            // jobs. Pick-ups that come together all miss the same runners and make more.
            garm.eventually("idle runners again", async || {
                let all = garm.instances(id(&pool)).await;
                let idle = all.iter().filter(|it| it["runner_status"] == "idle").count();
                (idle >= 2).then_some(())
            })
            .await;
            let made = vms_made(garm, id(&pool)).await;
            assert!((5..=9).contains(&made), "{made}");
            garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
            for job in jobs {
                garm.github("POST", &format!("/jobs/{job}/complete"), None).await;
            }
            garm.remove(id(&pool)).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_level_lowered_in_time_creates_as_many_runners_as_jobs() {
    on_each(async |garm| {
        with_backoff(garm, DAY_S, async || {
            let fields = json!({ "enabled": true, "min_idle_runners": 2, "max_runners": 9 });
            let pool = garm.pool("pulse", fields).await;
            garm.eventually("two rows", async || {
                (garm.instances(id(&pool)).await.len() == 2).then_some(())
            })
            .await;
            garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
            let jobs = garm.queue("pulse", json!({ "count": 2 })).await;
            garm.eventually("two finished jobs", async || {
                for job in &jobs {
                    if garm.github_job(*job).await["status"] != "completed" {
                        return None;
                    }
                }
                Some(())
            })
            .await;
            garm.wait_for(id(&pool), 0, "", "").await;
            assert_eq!(vms_made(garm, id(&pool)).await, 2);
            garm.remove(id(&pool)).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn every_row_counts_against_the_maximum() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 3, "max_runners": 3 });
        let pool = garm.pool("maximum", fields).await;
        garm.wait_for(id(&pool), 3, "running", "idle").await;
        // Jobs that wait prevent the minute's scale-down: there is no surplus.
        let held = garm.queue("maximum", json!({ "count": 2, "hold": true })).await;
        for job in &held {
            garm.eventually("a queued job", async || garm.job(*job).await).await;
        }
        garm.put(id(&pool), json!({ "min_idle_runners": 1, "max_runners": 1 })).await;
        // Nothing is removed for it, and a deleted runner is not replaced.
        let first = garm.instances(id(&pool)).await.remove(0);
        let path = format!("/instances/{}", first["name"].as_str().unwrap());
        assert_eq!(garm.ask("DELETE", &path, None).await.status, 200);
        garm.wait_for(id(&pool), 2, "running", "idle").await;
        for job in held {
            garm.github("POST", &format!("/jobs/{job}/cancel"), None).await;
        }
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn a_job_older_than_the_backoff_gets_a_runner_and_a_lock() {
    on_each(async |garm| {
        with_backoff(garm, 1, async || {
            let pool = garm.pool("backoff", json!({ "enabled": true })).await;
            let job = garm.queue("backoff", json!({ "hold": true })).await[0];
            let locked = garm
                .eventually("a lock", async || {
                    let job = garm.job(job).await?;
                    (job["locked_by"] == json!(garm.organization)).then_some(job)
                })
                .await;
            assert_eq!(locked["status"], json!("queued"));
            garm.wait_for(id(&pool), 1, "running", "idle").await;
            garm.github("POST", &format!("/jobs/{job}/release"), None).await;
            garm.wait_for(id(&pool), 0, "", "").await;
            garm.remove(id(&pool)).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn half_of_the_surplus_goes_each_minute() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 3 });
        let pool = garm.pool("surplus", fields).await;
        let idle = garm.wait_for(id(&pool), 3, "running", "idle").await;
        garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
        // ceil(3 / 2) = 2, in the order of the list.
        let left = garm.wait_for(id(&pool), 1, "running", "idle").await;
        assert_eq!(left[0]["name"], idle[2]["name"]);
        garm.remove(id(&pool)).await;
    })
    .await;
}

/// How many times the provider has refused to create this instance.
async fn refusals(garm: &Garm, name: &Value) -> usize {
    let log = garm.github("GET", "/log", None).await;
    let failed = |it: &&Value| it["ev"] == "vm_create_failed" && it["name"] == *name;
    log.as_array().unwrap().iter().filter(failed).count()
}

/// A pool whose provider refuses every create, and the row of its one runner once GARM has stopped
/// trying.
async fn failed_pool(garm: &Garm, label: &str, tries: usize) -> (Value, Value) {
    let specs = json!({ "lab_create_fail_rate": 1.0 });
    let fields = json!({ "enabled": true, "min_idle_runners": 1, "extra_specs": specs });
    let pool = garm.pool(label, fields).await;
    garm.eventually("the last attempt", async || {
        let name = garm.instances(id(&pool)).await.first()?["name"].clone();
        (refusals(garm, &name).await == tries).then_some(())
    })
    .await;
    let row = garm.wait_for(id(&pool), 1, "error", "pending").await.remove(0);
    (pool, row)
}

#[tokio::test]
async fn a_create_that_fails_is_tried_six_times_by_main_and_once_by_the_release() {
    on_each(async |garm| {
        let tries = match garm.variant.version {
            GarmVersion::V0_1_8 | GarmVersion::V0_2_1 => 1,
            GarmVersion::Main => 6,
        };
        let (pool, failed) = failed_pool(garm, "broken", tries).await;
        assert!(failed["provider_fault"].as_str().is_some_and(|it| it.len() > 20), "{failed}");
        if garm.variant.version == GarmVersion::V0_2_1 {
            // The first failure in another pool comes at least two ticks of GARM's loops later; by
            // then nothing has been tried again, and the row has not been written.
            let (other, _) = failed_pool(garm, "broken-too", tries).await;
            let still = garm.wait_for(id(&pool), 1, "error", "pending").await.remove(0);
            assert_eq!(still["updated_at"], failed["updated_at"]);
            assert_eq!(refusals(garm, &failed["name"]).await, tries);
            garm.remove(id(&other)).await;
        }
        // It counts as idle: no runner replaces it.
        garm.remove(id(&pool)).await;
        assert_eq!(vms_made(garm, id(&pool)).await, 0);
    })
    .await;
}
