//! Entities, templates, proxies and endpoints: how they are created, changed and removed, and which
//! paths GARM's router accepts (measured).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use runnerctl::sim::GarmVersion;
use serde_json::{Value, json};

use super::garm::{Garm, id, merged};
use super::on_each;

const NO_SUCH_ID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
const BAD: &str = "Bad Request";

/// Sends a request, and asserts a refusal.
async fn refused(garm: &Garm, asked: (&str, &str, Value), expected: (u16, &str, &str)) {
    let (method, path, body) = asked;
    let answer = garm.ask(method, path, Some(&body).filter(|it| !it.is_null())).await;
    garm.assert_refused(&answer, expected, &format!("{method} {path} {body}"));
}

/// Sends a request, and asserts a success.
async fn done(garm: &Garm, method: &str, path: &str, body: Value) -> Value {
    let answer = garm.ask(method, path, Some(&body).filter(|it| !it.is_null())).await;
    assert!(answer.status < 300, "{method} {path} {body}: {} {}", answer.status, answer.text);
    answer.json
}

async fn credentials(garm: &Garm) -> Value {
    garm.get("/github/credentials").await[0]["name"].clone()
}

#[tokio::test]
async fn a_path_with_empty_segments_is_redirected_whatever_the_method() {
    on_each(async |garm| {
        for (method, path, expected) in [
            ("GET", "/api/v1//pools?x=1", "/api/v1/pools?x=1"),
            ("GET", "/api/v1/pools//", "/api/v1/pools/"),
            ("DELETE", "//api/v1/pools/x", "/api/v1/pools/x"),
            ("PATCH", "/api//v1/pools", "/api/v1/pools"),
        ] {
            let (status, location) = garm.ask_whole(method, path).await;
            assert_eq!((status, location.as_str()), (301, expected), "{method} {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_entity_has_a_list_of_scale_sets() {
    on_each(async |garm| {
        let path = |id: &str| format!("/organizations/{id}/scalesets");
        assert_eq!(garm.get(&path(&garm.organization)).await, json!([]));
        let what = "error fetching scale sets: error fetching scale sets: ";
        let bad = format!("{what}error parsing id: invalid request");
        refused(garm, ("GET", &path("bad"), Value::Null), (400, BAD, &bad)).await;
        let none =
            format!("{what}error checking entity existence: error entity not found: not found");
        refused(garm, ("GET", &path(NO_SUCH_ID), Value::Null), (404, "Not Found", &none)).await;
    })
    .await;
}

#[tokio::test]
async fn a_pool_is_not_found_under_another_entity() {
    on_each(async |garm| {
        let pool = garm.pool("elsewhere", json!({})).await;
        let path = format!("/repositories/{}/pools/{}", garm.repository, id(&pool));
        let none = "error fetching pool: fetching pool: error finding pool: not found";
        for (method, body) in
            [("GET", Value::Null), ("PUT", json!({ "priority": 1 })), ("DELETE", Value::Null)]
        {
            refused(garm, (method, &path, body), (404, "Not Found", none)).await;
        }
        let path = format!("/organizations/{NO_SUCH_ID}/pools/{}", id(&pool));
        let none =
            "failed to get repo: error failed to get entity from db: error fetching org: not found";
        refused(garm, ("PUT", &path, json!({ "priority": 1 })), (404, "Not Found", none)).await;
        let listed = garm.listed_pool(id(&pool)).await;
        assert_eq!(listed["priority"], Value::Null, "{listed}");
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn an_organization_is_changed_by_what_is_named() {
    on_each(async |garm| {
        let path = format!("/organizations/{}", garm.organization);
        let before = garm.get(&path).await;
        let changed = done(garm, "PUT", &path, json!({ "pool_balancer_type": "pack" })).await;
        assert_eq!(changed["pool_balancing_type"], json!("pack"));
        assert_eq!(changed["credentials_name"], before["credentials_name"]);
        let kept = done(garm, "PUT", &path, json!({ "name": "x", "credentials_name": "" })).await;
        assert_eq!(
            (&kept["name"], &kept["pool_balancing_type"]),
            (&before["name"], &json!("pack"))
        );
        let agents = done(garm, "PUT", &path, json!({ "agent_mode": true })).await;
        assert_eq!(agents["agent_mode"], json!(true));
        done(garm, "PUT", &path, json!({ "agent_mode": false })).await;
        done(garm, "PUT", &path, json!({ "pool_balancer_type": "roundrobin" })).await;
        let bad = "invalid pool balancer type: bad";
        refused(garm, ("PUT", &path, json!({ "pool_balancer_type": "bad" })), (400, BAD, bad))
            .await;
        let none = "error updating org: error saving org: error fetching credentials: github \
                    credentials not found: not found";
        let asked = ("PUT", path.as_str(), json!({ "credentials_name": "nope" }));
        refused(garm, asked, (404, "Not Found", none)).await;
        let none = "error updating org: error saving org: error fetching org: not found";
        let path = format!("/organizations/{NO_SUCH_ID}");
        refused(garm, ("PUT", &path, json!({})), (404, "Not Found", none)).await;
        let bad = "error updating repo: error saving repo: error fetching repo: error parsing id: \
                   invalid UUID length: 3";
        refused(garm, ("PUT", "/repositories/bad", json!({})), (400, BAD, bad)).await;
    })
    .await;
}

#[tokio::test]
async fn an_organization_is_made_once_and_gone_when_it_is_deleted() {
    on_each(async |garm| {
        let whole = json!({
            "name": "made-later", "credentials_name": credentials(garm).await,
            "webhook_secret": "s3cret",
        });
        let invalid = |what: &str| format!("error validating params: {what}");
        for (fields, what) in [
            (json!({ "name": "" }), invalid("missing org name")),
            (json!({ "credentials_name": "" }), invalid("missing credentials name")),
            (json!({ "pool_balancer_type": "bad" }), invalid("invalid pool balancer type")),
            (json!({ "credentials_name": "nope" }), "credentials nope not defined".to_owned()),
        ] {
            let asked = ("POST", "/organizations", merged(whole.clone(), fields));
            refused(garm, asked, (400, BAD, &what)).await;
        }
        let secretless = merged(whole.clone(), json!({ "webhook_secret": "" }));
        let missing = invalid("missing secret");
        let expected = match garm.variant.version {
            GarmVersion::V0_1_8 | GarmVersion::V0_2_1 => (500, "Server error", ""),
            GarmVersion::Main => (400, BAD, missing.as_str()),
        };
        refused(garm, ("POST", "/organizations", secretless), expected).await;
        let made = done(garm, "POST", "/organizations", whole.clone()).await;
        assert_eq!(made["name"], json!("made-later"));
        let taken = "organization made-later already exists";
        refused(garm, ("POST", "/organizations", whole), (409, "Conflict", taken)).await;
        let path = format!("/organizations/{}", id(&made));
        assert_eq!(garm.get(&path).await["id"], made["id"]);
        done(garm, "DELETE", &path, Value::Null).await;
        let none = "error fetching org: error fetching org: not found";
        refused(garm, ("DELETE", &path, Value::Null), (404, "Not Found", none)).await;
    })
    .await;
}

#[tokio::test]
async fn an_organizations_webhook_is_installed_once_and_removed() {
    on_each(async |garm| {
        let spec = json!({
            "name": "hooked", "credentials_name": credentials(garm).await,
            "webhook_secret": "0123456789abcdef",
        });
        let made = done(garm, "POST", "/organizations", spec).await;
        let path = format!("/organizations/{}/webhook", id(&made));
        let none = "error fetching webhook info: hook not found";
        refused(garm, ("GET", &path, Value::Null), (404, "Not Found", none)).await;
        let url = garm.get("/controller").await["controller_webhook_url"].clone();
        let hook = done(garm, "POST", &path, json!({ "insecure_ssl": true })).await;
        assert_eq!(
            ["url", "events", "active", "insecure_ssl"].map(|it| &hook[it]),
            [&url, &json!(["workflow_job"]), &json!(true), &json!(true)]
        );
        assert_eq!(garm.get(&path).await, hook);
        let twice =
            "error installing webhook: error validating hook request: hook already installed";
        refused(garm, ("POST", &path, json!({})), (409, "Conflict", twice)).await;
        for _ in 0..2 {
            done(garm, "DELETE", &path, Value::Null).await;
        }
        refused(garm, ("GET", &path, Value::Null), (404, "Not Found", none)).await;
        done(garm, "DELETE", &format!("/organizations/{}", id(&made)), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn a_template_is_made_changed_and_removed() {
    on_each(async |garm| {
        let text = |it: &str| STANDARD.encode(it);
        let whole = json!({
            "name": "conformance", "description": "d", "os_type": "linux",
            "forge_type": "github", "data": text("#!/bin/bash\necho {{ .RunnerName }}\n"),
        });
        let invalid = |what: &str| format!("invalid create params {what:?}");
        let broken = "failed to validate template: invalid template: line 2: function \"broken\" not \
                      defined";
        for (fields, what) in [
            (json!({ "name": "" }), invalid("name cannot be empty")),
            (json!({ "data": "" }), invalid("template data is empty")),
            (json!({ "os_type": "plan9" }), invalid("invalid OS type: \"plan9\"")),
            (json!({ "forge_type": "" }), invalid("invalid forge type: \"\"")),
            (json!({ "data": "!!" }), "invalid request".to_owned()),
        ] {
            let asked = ("POST", "/templates", merged(whole.clone(), fields));
            refused(garm, asked, (400, BAD, &what)).await;
        }
        // The release accepts any text.
        if garm.variant.version == GarmVersion::Main {
            let asked = merged(whole.clone(), json!({ "data": text("\n{{ broken }}") }));
            refused(garm, ("POST", "/templates", asked), (400, BAD, broken)).await;
            let open = "failed to validate template: invalid template: line 3: unclosed action \
                        started at :2";
            let asked = merged(whole.clone(), json!({ "data": text("\n{{ .RunnerName \n") }));
            refused(garm, ("POST", "/templates", asked), (400, BAD, open)).await;
        }
        let made = done(garm, "POST", "/templates", whole.clone()).await;
        assert_eq!(made["owner_id"], json!(garm.login.0));
        let taken =
            "failed to create template: a template name already exists with the specified name";
        refused(garm, ("POST", "/templates", whole), (409, "Conflict", taken)).await;
        let path = format!("/templates/{}", made["id"]);
        let change = json!({ "description": "new", "os_type": "windows" });
        let changed = done(garm, "PUT", &path, change).await;
        assert_eq!((&changed["description"], &changed["os_type"]), (&json!("new"), &json!("linux")));
        let bad = "invalid update params: \"name cannot be empty\"";
        refused(garm, ("PUT", &path, json!({ "name": "" })), (400, BAD, bad)).await;
        let pool = garm.pool("templated", json!({ "template_id": made["id"] })).await;
        let used = "failed to delete template: failed to delete template: cannot delete template \
                    while in use by pools or scale sets";
        refused(garm, ("DELETE", &path, Value::Null), (400, BAD, used)).await;
        garm.remove(id(&pool)).await;
        for _ in 0..2 {
            done(garm, "DELETE", &path, Value::Null).await;
        }
        let none = "failed to update template: failed to update template: failed to get template: \
                    not found";
        refused(garm, ("PUT", &path, json!({})), (404, "Not Found", none)).await;
    })
    .await;
}

#[tokio::test]
async fn the_systems_templates_can_be_changed_and_restored() {
    on_each(async |garm| {
        let before = garm.get("/templates/2").await;
        let changed = done(garm, "PUT", "/templates/2", json!({ "description": "x" })).await;
        assert_eq!(changed["description"], json!("x"));
        done(garm, "PUT", "/templates/2", json!({ "description": before["description"] })).await;
        let one = json!({ "forge": "github", "os_type": "linux" });
        done(garm, "POST", "/templates/restore", one).await;
        let none = "failed to get template content for nope/linux: could not find template for \
                    forge type: \"nope\"";
        let asked = ("POST", "/templates/restore", json!({ "forge": "nope", "os_type": "linux" }));
        refused(garm, asked, (404, "Not Found", none)).await;
        assert_eq!(garm.get("/templates/2").await["data"], before["data"]);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_is_made_changed_and_removed() {
    on_each(async |garm| {
        const PATH: &str = "/github/endpoints";
        let whole = json!({
            "name": "Elsewhere", "api_base_url": "https://api.example.com/",
            "upload_base_url": "https://uploads.example.com/", "base_url": "https://example.com",
        });
        let invalid = "error failed to validate github endpoint params: ";
        for (fields, what) in [
            (json!({ "api_base_url": "" }), "missing api_base_url"),
            (json!({ "api_base_url": "bad" }), "invalid api_base_url"),
        ] {
            let asked = ("POST", PATH, merged(whole.clone(), fields));
            refused(garm, asked, (400, BAD, &format!("{invalid}{what}"))).await;
        }
        done(garm, "POST", PATH, whole.clone()).await;
        let taken = "failed to create github endpoint: error creating github endpoint: error github \
                     endpoint already exists: duplicate";
        let again = merged(whole, json!({ "name": "ELSEWHERE" }));
        refused(garm, ("POST", PATH, again), (409, "Conflict", taken)).await;
        let path = format!("{PATH}/elsewhere");
        let changed = done(garm, "PUT", &path, json!({ "description": "x" })).await;
        assert_eq!((&changed["name"], &changed["description"]), (&json!("Elsewhere"), &json!("x")));
        for _ in 0..2 {
            assert_eq!(garm.ask("DELETE", &path, None).await.status, 204);
        }
        let used = garm.get("/github/credentials").await[0]["endpoint"]["name"].clone();
        let path = format!("{PATH}/{}", used.as_str().unwrap());
        let what = "failed to delete github endpoint: error deleting github endpoint: cannot delete \
                    endpoint with associated entities: invalid request";
        refused(garm, ("DELETE", &path, Value::Null), (400, BAD, what)).await;
    })
    .await;
}

#[tokio::test]
async fn only_main_knows_proxies() {
    on_each(async |garm| {
        if garm.variant.version == GarmVersion::V0_2_1 {
            let none = (404, "Not found", "Resource not found");
            refused(garm, ("GET", "/proxies", Value::Null), none).await;
        } else {
            assert_eq!(garm.get("/proxies").await, json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_is_made_changed_and_removed() {
    const CREATING: &str = "failed to validate create params";
    const UPDATING: &str = "failed to update proxy: failed to update proxy";
    const SCHEME: &str =
        "invalid proxy URL scheme \"\"; supported schemes are http, https and socks5";
    on_each(async |garm| {
        if garm.variant.version == GarmVersion::V0_2_1 {
            return;
        }
        let whole = json!({ "name": "conformance", "http_proxy": "http://h:1", "no_proxy": "a,b" });
        let host = "invalid proxy URL: \"http://\"; missing host";
        let user = "proxy URLs must not embed credentials; use the username and password fields instead";
        for (fields, what) in [
            (json!({ "http_proxy": "" }), "at least one of http_proxy or https_proxy must be set"),
            (json!({ "http_proxy": "nonsense" }), SCHEME),
            (json!({ "https_proxy": "http://" }), host),
            (json!({ "https_proxy": "http://u:p@h" }), user),
            (json!({ "password": "p" }), "password cannot be set without a username"),
            (json!({ "name": "" }), "name cannot be empty"),
        ] {
            let asked = ("POST", "/proxies", merged(whole.clone(), fields));
            refused(garm, asked, (400, BAD, &format!("{CREATING}: {what}"))).await;
        }
        let made = done(garm, "POST", "/proxies", whole.clone()).await;
        let taken = "a proxy already exists with the specified name";
        let again = format!("failed to create proxy: {taken}");
        refused(garm, ("POST", "/proxies", whole), (409, "Conflict", &again)).await;
        let path = format!("/proxies/{}", made["id"]);
        let bad = format!("failed to validate update params: {SCHEME}");
        refused(garm, ("PUT", &path, json!({ "http_proxy": "x" })), (400, BAD, &bad)).await;
        let bad = format!("{UPDATING}: at least one of http_proxy or https_proxy must be set");
        refused(garm, ("PUT", &path, json!({ "http_proxy": "" })), (400, BAD, &bad)).await;
        let what = "error updating proxy credentials: password cannot be set without a username";
        let bad = format!("{UPDATING}: {what}");
        refused(garm, ("PUT", &path, json!({ "password": "p" })), (400, BAD, &bad)).await;
        let change = json!({ "description": "new", "no_proxy": "", "username": "u", "password": "p" });
        let changed = done(garm, "PUT", &path, change).await;
        assert_eq!(
            ["description", "http_proxy", "no_proxy", "username", "password"].map(|it| &changed[it]),
            [&json!("new"), &json!("http://h:1"), &Value::Null, &json!("u"), &Value::Null]
        );
        let pool = garm.pool("proxied", json!({ "proxy_id": made["id"] })).await;
        let used = "failed to delete proxy: failed to delete proxy: cannot delete proxy while in use \
                    by pools or scale sets";
        refused(garm, ("DELETE", &path, Value::Null), (400, BAD, used)).await;
        garm.remove(id(&pool)).await;
        for _ in 0..2 {
            done(garm, "DELETE", &path, Value::Null).await;
        }
        let none = format!("{UPDATING}: failed to get proxy: not found");
        refused(garm, ("PUT", &path, json!({})), (404, "Not Found", &none)).await;
    })
    .await;
}
