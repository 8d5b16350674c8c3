//! The lifecycle of a runner (GARM.md §0.7, §e).

use runnerctl::sim::GarmDatabase;
use serde_json::{Value, json};

use super::garm::{Garm, id, keys};
use super::on_each;

fn name(instance: &Value) -> &str {
    instance["name"].as_str().unwrap()
}

async fn delete(garm: &Garm, instance: &Value, query: &str) -> super::garm::Answer {
    garm.ask("DELETE", &format!("/instances/{}{query}", name(instance)), None).await
}

#[tokio::test]
async fn a_runner_starts_step_by_step() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 1 });
        let pool = garm.pool("steps", fields).await;
        let mut seen: Vec<String> = Vec::new();
        garm.eventually("an idle runner", async || {
            let all = garm.instances(id(&pool)).await;
            let first = all.first()?;
            let state = format!(
                "{}/{}",
                first["status"].as_str().unwrap(),
                first["runner_status"].as_str().unwrap()
            );
            if seen.last() != Some(&state) {
                seen.push(state.clone());
            }
            (state == "running/idle").then_some(())
        })
        .await;
        assert_eq!(seen.first().unwrap(), "pending_create/pending");
        let order = [
            "pending_create/pending",
            "creating/pending",
            "running/pending",
            "running/installing",
            "running/idle",
        ];
        let places: Vec<_> =
            seen.iter().map(|it| order.iter().position(|known| known == it)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{seen:?}");
        let listed = garm.instances(id(&pool)).await.remove(0);
        for absent in ["addresses", "status_messages", "job", "create_attempt", "provider_fault"] {
            assert!(!keys(&listed).contains(absent), "{absent} in {listed}");
        }
        assert_eq!(listed["heartbeat"], json!("0001-01-01T00:00:00Z"));
        assert_eq!(listed["provider_name"], json!(garm.provider));
        assert!(listed["agent_id"].as_i64().is_some_and(|it| it > 0));
        let alone = garm.get(&format!("/instances/{}", name(&listed))).await;
        let mut messages = alone["status_messages"].as_array().unwrap().clone();
        if garm.variant.database == GarmDatabase::Postgresql {
            // It keeps no order.
            messages.sort_by_key(|it| it["created_at"].as_str().unwrap().to_owned());
        }
        assert_eq!(messages.last().unwrap()["message"], json!("runner successfully installed"));
        let embedded = garm.get(&format!("/pools/{}", id(&pool))).await["instances"][0].clone();
        assert_eq!(embedded["provider_name"], json!(""));
        assert!(!keys(&embedded).contains("status_messages"));
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn a_runner_cannot_be_deleted_before_it_exists() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 1 });
        let pool = garm.pool("too-early", fields).await;
        let answer = garm
            .eventually("a row in pending_create", async || {
                let first = garm.instances(id(&pool)).await.into_iter().next()?;
                (first["status"] == "pending_create").then_some(first)
            })
            .await;
        let answer = delete(garm, &answer, "").await;
        let details = "runner must be in one of the following states: \"running, error, pending_force_delete, pending_delete\"";
        garm.assert_refused(&answer, (400, "Bad Request", details), "pending_create");
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn an_idle_runner_can_be_deleted() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 1 });
        let pool = garm.pool("goes", fields).await;
        let idle = garm.wait_for(id(&pool), 1, "running", "idle").await.remove(0);
        let refused = garm.ask("DELETE", &format!("/pools/{}", id(&pool)), None).await;
        garm.assert_refused(&refused, (400, "Bad Request", "pool has runners"), "not empty");
        garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
        let answer = delete(garm, &idle, "").await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        let after = garm.instances(id(&pool)).await;
        assert!(after.iter().all(|it| it["status"] != "running"), "{after:?}");
        garm.wait_for(id(&pool), 0, "", "").await;
        assert_eq!(delete(garm, &idle, "").await.status, 404);
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn a_busy_runner_is_deleted_only_with_the_bypass() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 1, "max_runners": 1 });
        let pool = garm.pool("busy", fields).await;
        garm.wait_for(id(&pool), 1, "running", "idle").await;
        let job = garm.queue("busy", json!({ "duration_s": 600 })).await[0];
        let busy = garm.wait_for(id(&pool), 1, "running", "active").await.remove(0);
        assert_eq!(busy["job"]["workflow_job_id"], json!(job));
        garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
        let agent = busy["agent_id"].as_i64().unwrap();
        let details = format!(
            "error removing runner from github: error removing runner {agent}: invalid request"
        );
        for query in ["", "?forceRemove=true"] {
            let answer = delete(garm, &busy, query).await;
            garm.assert_refused(&answer, (400, "Bad Request", &details), query);
        }
        let state = garm.wait_for(id(&pool), 1, "running", "active").await;
        assert_eq!(state.len(), 1);
        // The reason never to send it: GARM returns 200 and the job is lost.
        let answer = delete(garm, &busy, "?bypassGHUnauthorized=true").await;
        assert_eq!(answer.status, 200);
        let lost = garm
            .eventually("the end of the job", async || {
                let job = garm.github_job(job).await;
                (job["status"] == "completed").then_some(job)
            })
            .await;
        assert_eq!(lost["conclusion"], json!("failure"));
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn github_decides_which_runner_is_busy() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 1, "max_runners": 1 });
        let pool = garm.pool("late-word", fields).await;
        let idle = garm.wait_for(id(&pool), 1, "running", "idle").await.remove(0);
        garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
        garm.github("POST", "/config", Some(json!({ "webhook_delay_s": 60 }))).await;
        let job = garm.queue("late-word", json!({ "duration_s": 400 })).await[0];
        garm.eventually("a start at GitHub", async || {
            (garm.github_job(job).await["status"] == "in_progress").then_some(())
        })
        .await;
        assert_eq!(garm.instances(id(&pool)).await[0]["runner_status"], json!("idle"));
        assert_eq!(delete(garm, &idle, "").await.status, 400);
        assert_eq!(garm.github_job(job).await["status"], json!("in_progress"));
        garm.github("POST", "/config", Some(json!({ "webhook_delay_s": 0 }))).await;
        garm.github("POST", &format!("/jobs/{job}/complete"), None).await;
        garm.wait_for(id(&pool), 0, "", "").await;
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn outdated_runners_can_be_listed() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 1 });
        let pool = garm.pool("outdated", fields).await;
        garm.wait_for(id(&pool), 1, "running", "idle").await;
        let path = format!("/pools/{}/instances?outdatedOnly=true", id(&pool));
        assert_eq!(garm.get(&path).await, json!([]));
        garm.put(id(&pool), json!({ "image": "newer" })).await;
        let outdated = garm.get(&path).await;
        assert_eq!(outdated.as_array().unwrap().len(), 1);
        assert_eq!(outdated[0]["generation"], json!(0));
        garm.remove(id(&pool)).await;
    })
    .await;
}
