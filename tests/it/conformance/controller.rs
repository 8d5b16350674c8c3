//! GARM's controller settings (GARM.md §a, §d).

use serde_json::json;

use super::garm::keys;
use super::on_each;

#[tokio::test]
async fn the_controller_is_the_same_at_both_paths() {
    on_each(async |garm| {
        let one = garm.get("/controller").await;
        assert_eq!(one, garm.get("/controller-info").await);
        for key in ["controller_id", "metadata_url", "callback_url", "webhook_url", "version"] {
            assert!(one[key].as_str().is_some_and(|it| !it.is_empty()), "{key} in {one}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_backoff_is_a_whole_number_of_seconds() {
    on_each(async |garm| {
        let before = garm.get("/controller").await["minimum_job_age_backoff"].clone();
        for bad in [json!(-1), json!("60"), json!(1.5)] {
            let body = json!({ "minimum_job_age_backoff": bad });
            let answer = garm.ask("PUT", "/controller", Some(&body)).await;
            garm.assert_refused(&answer, (400, "Bad Request", "invalid request"), "backoff");
        }
        let token = format!("Bearer {}", garm.token());
        let too_large = r#"{"minimum_job_age_backoff": 18446744073709551616}"#;
        let answer = garm.ask_raw("PUT", "/controller", too_large.into(), Some(&token)).await;
        garm.assert_refused(&answer, (400, "Bad Request", "invalid request"), "2^64");
        for good in [60, 9_223_372_036_u64] {
            let body = json!({ "minimum_job_age_backoff": good });
            let answer = garm.ask("PUT", "/controller", Some(&body)).await;
            assert_eq!(answer.json["minimum_job_age_backoff"], json!(good));
            assert!(!keys(&answer.json).contains("hostname"), "{}", answer.text);
        }
        // Zero is omitted.
        let body = json!({ "minimum_job_age_backoff": 0 });
        let answer = garm.ask("PUT", "/controller", Some(&body)).await;
        assert_eq!(answer.status, 200);
        assert!(!keys(&garm.get("/controller").await).contains("minimum_job_age_backoff"));
        let body = json!({ "minimum_job_age_backoff": before });
        garm.ask("PUT", "/controller", Some(&body)).await;
    })
    .await;
}

#[tokio::test]
async fn a_url_needs_a_scheme_and_a_host() {
    on_each(async |garm| {
        for key in ["metadata_url", "callback_url", "webhook_url", "agent_url"] {
            let answer = garm.ask("PUT", "/controller", Some(&json!({ key: "nonsense" }))).await;
            let details = format!("invalid {key}");
            garm.assert_refused(&answer, (400, "Bad Request", &details), key);
        }
    })
    .await;
}

#[tokio::test]
async fn entities_can_be_looked_up_by_name() {
    on_each(async |garm| {
        let all = garm.get("/organizations").await;
        let name = all[0]["name"].as_str().unwrap();
        assert_eq!(garm.get(&format!("/organizations?name={name}")).await, all);
        assert_eq!(garm.get("/organizations?name=no-such-name").await, json!([]));
        // No list has pages: such parameters are ignored.
        let whole = garm.get("/templates").await;
        assert_eq!(garm.get("/templates?page=7&pageSize=1").await, whole);
    })
    .await;
}

#[tokio::test]
async fn empty_lists_are_lists() {
    on_each(async |garm| {
        for path in ["/enterprises", "/scalesets"] {
            assert_eq!(garm.get(path).await, json!([]), "{path}");
        }
    })
    .await;
}
