//! GARM's errors and their texts (GARM.md §b, §0.6).

use serde_json::json;

use super::garm::{id, merged};
use super::on_each;

/// A valid id that does not exist.
const NO_SUCH_ID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

const BAD: &str = "Bad Request";
const INVALID: (u16, &str, &str) = (400, BAD, "invalid request");

#[tokio::test]
async fn a_pool_with_missing_fields_is_refused() {
    on_each(async |garm| {
        let path = format!("/organizations/{}/pools", garm.organization);
        let missing = |what: &str| {
            format!("error fetching pool params: failed to validate params (\"{what}\"): invalid request")
        };
        let cases = [
            (json!({ "provider_name": "" }), missing("missing provider")),
            (json!({ "provider_name": null }), missing("missing provider")),
            (json!({ "tags": [] }), missing("missing tags")),
            (json!({ "tags": null }), missing("missing tags")),
            (json!({ "image": "" }), missing("missing image")),
            (json!({ "flavor": "" }), missing("missing flavor")),
            (json!({ "max_runners": 0 }), missing("max_runners cannot be 0")),
            (
                json!({ "min_idle_runners": 6 }),
                missing("min_idle_runners cannot be larger than max_runners"),
            ),
            (
                json!({ "provider_name": "nope" }),
                "error fetching pool params: no such provider nope".into(),
            ),
            (json!({ "os_type": "plan9" }), "error fetching pool params: invalid OS type plan9".into()),
            (json!({ "os_type": "" }), "error fetching pool params: invalid OS type ".into()),
            (
                json!({ "os_arch": "vax" }),
                "error fetching pool params: invalid OS architecture vax".into(),
            ),
            (
                json!({ "template_id": 1 }),
                "failed to find suitable template: selected template OS type (windows) and pool OS type (linux) do not match".into(),
            ),
        ];
        for (fields, details) in cases {
            let body = merged(garm.draft("refused"), fields.clone());
            let answer = garm.ask("POST", &path, Some(&body)).await;
            garm.assert_refused(&answer, (400, BAD, &details), &fields.to_string());
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_of_the_wrong_type_is_refused() {
    on_each(async |garm| {
        let path = format!("/organizations/{}/pools", garm.organization);
        let wrong = [
            ("max_runners", json!(-1)),
            ("max_runners", json!("3")),
            ("max_runners", json!(1.5)),
            ("min_idle_runners", json!(-1)),
            ("tags", json!("x")),
            ("tags", json!([1])),
            ("enabled", json!("yes")),
            ("enabled", json!(1)),
            ("image", json!(5)),
            ("priority", json!(-1)),
            ("template_id", json!("2")),
        ];
        let pool = garm.pool("wrong-kinds", json!({})).await;
        let one = format!("/pools/{}", id(&pool));
        for (field, value) in wrong {
            let body = merged(garm.draft("refused"), json!({ field: value }));
            let answer = garm.ask("POST", &path, Some(&body)).await;
            garm.assert_refused(&answer, INVALID, &format!("POST {field} {value}"));
            let answer = garm.ask("PUT", &one, Some(&json!({ field: value }))).await;
            garm.assert_refused(&answer, INVALID, &format!("PUT {field} {value}"));
        }
        let token = format!("Bearer {}", garm.token());
        for broken in ["", "{", "[]", "\"x\"", "nonsense"] {
            let answer = garm.ask_raw("POST", &path, broken.into(), Some(&token)).await;
            garm.assert_refused(&answer, INVALID, broken);
            let answer = garm.ask_raw("PUT", &one, broken.into(), Some(&token)).await;
            garm.assert_refused(&answer, INVALID, broken);
        }
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn an_inconsistent_change_is_refused() {
    on_each(async |garm| {
        let pool = garm.pool("held-together", json!({ "max_runners": 3, "priority": 1 })).await;
        let path = format!("/pools/{}", id(&pool));
        let pair = (400, BAD, "min_idle_runners cannot be larger than max_runners");
        for fields in
            [json!({ "min_idle_runners": 4 }), json!({ "min_idle_runners": 4, "max_runners": 3 })]
        {
            let answer = garm.ask("PUT", &path, Some(&fields)).await;
            garm.assert_refused(&answer, pair, &fields.to_string());
        }
        garm.put(id(&pool), json!({ "min_idle_runners": 4, "max_runners": 5 })).await;
        let answer = garm.ask("PUT", &path, Some(&json!({ "max_runners": 3 }))).await;
        garm.assert_refused(&answer, pair, "max below the stored min");
        let answer = garm.ask("PUT", &path, Some(&json!({ "runner_bootstrap_timeout": 0 }))).await;
        garm.assert_refused(
            &answer,
            (400, BAD, "runner_bootstrap_timeout cannot be 0"),
            "timeout 0",
        );
        for template in [999, 0] {
            let answer = garm.ask("PUT", &path, Some(&json!({ "template_id": template }))).await;
            garm.assert_refused(&answer, (500, "Server error", ""), "an unknown template");
        }
        // A `max_runners` of 0 is accepted here: GARM refuses it only when a pool is created.
        garm.put(id(&pool), json!({ "min_idle_runners": 0, "max_runners": 0 })).await;
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn an_unknown_id_is_404_and_a_bad_one_400() {
    on_each(async |garm| {
        let unknown = "error fetching pool: error fetching pool by ID: not found";
        let bad = "error fetching pool: error fetching pool by ID: error parsing id: invalid request";
        for (method, body) in [("GET", None), ("PUT", Some(json!({})))] {
            let answer = garm.ask(method, &format!("/pools/{NO_SUCH_ID}"), body.as_ref()).await;
            garm.assert_refused(&answer, (404, "Not Found", unknown), method);
            let answer = garm.ask(method, "/pools/bad", body.as_ref()).await;
            garm.assert_refused(&answer, (400, BAD, bad), method);
        }
        let draft = garm.draft("unknown");
        let no_instance = "error fetching instance: error fetching instance: error fetching instance by name: not found";
        let no_owner =
            "failed to get repo: error failed to get entity from db: error fetching org: not found";
        let no_entity = "error fetching organization: error fetching org: not found";
        let entity = format!("/organizations/{NO_SUCH_ID}");
        let expect = async |method: &str, path: &str, expected: (u16, &str, &str)| {
            let body = (method == "POST").then_some(&draft);
            let answer = garm.ask(method, path, body).await;
            garm.assert_refused(&answer, expected, &format!("{method} {path}"));
        };
        expect("DELETE", "/pools/bad", (400, BAD, bad)).await;
        expect("GET", "/instances/unknown", (404, "Not Found", no_instance)).await;
        expect("GET", &entity, (404, "Not Found", no_entity)).await;
        expect("POST", &format!("{entity}/pools"), (404, "Not Found", no_owner)).await;
        expect("GET", "/nowhere", (404, "Not found", "Resource not found")).await;
        expect("DELETE", "/jobs", (404, "Not found", "Resource not found")).await;
        // The list of an unknown pool is empty, not an error.
        assert_eq!(garm.get(&format!("/pools/{NO_SUCH_ID}/instances")).await, json!([]));
        // GARM's router answers this request before it checks the token.
        let answer = garm.ask_raw("PATCH", "/pools", String::new(), None).await;
        assert_eq!((answer.status, answer.text.as_str()), (405, ""));
    })
    .await;
}

#[tokio::test]
async fn an_unknown_template_is_404_at_the_start() {
    on_each(async |garm| {
        let path = format!("/organizations/{}/pools", garm.organization);
        let body = merged(garm.draft("no-template"), json!({ "template_id": 999 }));
        let answer = garm.ask("POST", &path, Some(&body)).await;
        let details = "failed to find suitable template: failed to get template: failed to get template: not found";
        garm.assert_refused(&answer, (404, "Not Found", details), "template 999");
    })
    .await;
}

#[tokio::test]
async fn the_two_meanings_of_401_differ_in_their_word() {
    on_each(async |garm| {
        let refused = (401, "Authentication failed", "");
        let good = garm.token();
        let tokens = [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer nonsense".to_owned()),
            Some(format!("Bearer {good}x")),
            Some(good.to_owned()),
            Some(format!("Bearer {good} more")),
        ];
        for token in tokens {
            for path in ["/pools", "/controller-info", "/nowhere"] {
                let answer = garm.ask_raw("GET", path, String::new(), token.as_deref()).await;
                garm.assert_refused(&answer, refused, path);
            }
        }
        let (user, password) = garm.login.clone();
        for body in [
            json!({}),
            json!({ "username": user }),
            json!({ "username": user, "password": "wrong" }),
            json!({ "username": "unknown", "password": password }),
        ] {
            let answer = garm.ask("POST", "/auth/login", Some(&body)).await;
            garm.assert_refused(&answer, (401, "Not Authorized", ""), "login");
        }
    })
    .await;
}

#[tokio::test]
async fn the_word_before_the_token_is_ignored() {
    on_each(async |garm| {
        let token = format!("Whatever {}", garm.token());
        let answer = garm.ask_raw("GET", "/providers", String::new(), Some(&token)).await;
        assert_eq!(answer.status, 200);
        let metrics = garm.get("/metrics-token").await;
        let token = format!("Bearer {}", metrics["token"].as_str().unwrap());
        let answer = garm.ask_raw("GET", "/providers", String::new(), Some(&token)).await;
        garm.assert_refused(&answer, (401, "Authentication failed", ""), "metrics token");
    })
    .await;
}

#[tokio::test]
async fn an_admin_is_created_only_once() {
    on_each(async |garm| {
        let body = json!({ "username": "a", "password": "b", "email": "a@b.c" });
        let answer = garm.ask("POST", "/first-run", Some(&body)).await;
        garm.assert_refused(&answer, (409, "Conflict", "already initialized"), "first-run");
    })
    .await;
}

#[tokio::test]
async fn an_entity_with_pools_cannot_be_deleted() {
    on_each(async |garm| {
        let pool = garm.pool("keeps-its-owner", json!({})).await;
        let path = format!("/organizations/{}", garm.organization);
        let answer = garm.ask("DELETE", &path, None).await;
        assert_eq!(answer.status, 400);
        let details = answer.json["details"].as_str().unwrap();
        assert!(details.starts_with("org has pools defined ("), "{details}");
        assert!(details.contains(id(&pool)), "{details}");
        garm.remove(id(&pool)).await;
    })
    .await;
}
