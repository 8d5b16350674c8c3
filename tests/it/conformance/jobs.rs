//! GARM's records of jobs (GARM.md §0.9, §f).

use runnerctl::sim::GarmVersion;
use serde_json::json;

use super::garm::{id, keys};
use super::on_each;

const NO_LOCK: &str = "00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn a_job_that_no_enabled_pool_serves_is_never_recorded() {
    on_each(async |garm| {
        let pool = garm.pool("served-later", json!({})).await;
        let lost = garm.queue("served-later", json!({ "hold": true })).await[0];
        let refused = garm.eventually("an answered webhook", async || garm.delivered(lost).await);
        let expected = match garm.variant.version {
            GarmVersion::V0_1_8 | GarmVersion::V0_2_1 => 500,
            GarmVersion::Main => 422,
        };
        assert_eq!(refused.await, expected);
        garm.put(id(&pool), json!({ "enabled": true })).await;
        let known = garm.queue("SERVED-later", json!({ "hold": true })).await[0];
        garm.eventually("the known job", async || garm.job(known).await).await;
        assert_eq!(garm.job(lost).await, None);
        // Only a redelivery by GitHub recovers the lost job.
        garm.github("POST", &format!("/jobs/{lost}/redeliver"), None).await;
        garm.eventually("the lost job", async || garm.job(lost).await).await;
        for job in [lost, known] {
            garm.github("POST", &format!("/jobs/{job}/cancel"), None).await;
            let ended = garm
                .eventually("a cancelled job", async || {
                    garm.job(job).await.filter(|it| it["status"] == "completed")
                })
                .await;
            assert_eq!(ended["conclusion"], json!("cancelled"));
            assert!(!keys(&ended).contains("runner_name"), "{ended}");
        }
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn a_job_is_queued_then_in_progress_then_gone_with_its_runner() {
    on_each(async |garm| {
        let fields = json!({ "enabled": true, "min_idle_runners": 1, "max_runners": 1 });
        let pool = garm.pool("whole-life", fields).await;
        garm.wait_for(id(&pool), 1, "running", "idle").await;
        garm.put(id(&pool), json!({ "min_idle_runners": 0 })).await;
        let job = garm.queue("whole-life", json!({ "hold": true, "duration_s": 100 })).await[0];
        let queued = garm.eventually("a queued job", async || garm.job(job).await).await;
        assert_eq!(queued["status"], json!("queued"));
        assert_eq!(queued["action"], json!("queued"));
        assert_eq!(queued["labels"], json!(["whole-life"]));
        assert_eq!(queued["org_id"], json!(garm.organization));
        assert_eq!(queued["locked_by"], json!(NO_LOCK));
        assert_eq!(queued["completed_at"], json!("0001-01-01T00:00:00Z"));
        for absent in ["repo_id", "runner_id", "runner_name", "runner_group_name", "conclusion"] {
            assert!(!keys(&queued).contains(absent), "{absent} in {queued}");
        }
        garm.github("POST", &format!("/jobs/{job}/release"), None).await;
        let busy = garm.wait_for(id(&pool), 1, "running", "active").await.remove(0);
        let started = garm.job(job).await.unwrap();
        assert_eq!(started["status"], json!("in_progress"));
        assert_eq!(started["runner_name"], busy["name"]);
        assert_eq!(started["runner_id"], busy["agent_id"]);
        assert_eq!(started["created_at"], queued["created_at"]);
        assert_ne!(started["updated_at"], queued["updated_at"]);
        assert!(!keys(&busy["job"]).contains("runner_name"), "{busy}");
        garm.github("POST", &format!("/jobs/{job}/complete"), None).await;
        garm.eventually("no runner and no job", async || {
            let is_empty = garm.instances(id(&pool)).await.is_empty();
            (is_empty && garm.job(job).await.is_none()).then_some(())
        })
        .await;
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn a_repositorys_job_is_not_its_organizations() {
    on_each(async |garm| {
        let path = format!("/repositories/{}/pools", garm.repository);
        let mut draft = garm.draft("of-the-repository");
        draft["enabled"] = json!(true);
        let pool = garm.ask("POST", &path, Some(&draft)).await.json;
        let repository = garm.listed_pool(id(&pool)).await["repo_name"].clone();
        let fields = json!({ "hold": true, "repo": repository });
        let job = garm.queue("of-the-repository", fields).await[0];
        let queued = garm.eventually("a queued job", async || garm.job(job).await).await;
        assert_eq!(queued["repo_id"], json!(garm.repository));
        assert!(!keys(&queued).contains("org_id"), "{queued}");
        garm.github("POST", &format!("/jobs/{job}/cancel"), None).await;
        garm.remove(id(&pool)).await;
    })
    .await;
}
