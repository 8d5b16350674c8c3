//! GARM's credentials for GitHub: requests, responses and errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use runnerctl::sim::GarmDatabase;
use serde_json::{Value, json};

use super::garm::{Answer, Garm, keys, merged};
use super::on_each;

const PATH: &str = "/github/credentials";

/// Bytes of a PKCS#8 envelope before its RSA key of 2048 bits.
const ENVELOPE: usize = 26;

/// A key as base64 of PEM, in PKCS#1 and in PKCS#8.
fn key() -> (String, String) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let der = key.serialize_der();
    let pem = |label: &str, der: &[u8]| {
        let lines = STANDARD.encode(der);
        STANDARD.encode(format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"))
    };
    (pem("RSA PRIVATE KEY", &der[ENVELOPE..]), pem("PRIVATE KEY", &der))
}

fn app(key: &str) -> Value {
    json!({ "app_id": 7, "installation_id": 9, "private_key_bytes": key })
}

/// The name of the endpoint of the first credentials.
async fn endpoint(garm: &Garm) -> String {
    garm.get(PATH).await[0]["endpoint"]["name"].as_str().unwrap().to_owned()
}

async fn draft(garm: &Garm, name: &str, key: &str) -> Value {
    json!({
        "name": name, "description": "words", "endpoint": endpoint(garm).await,
        "auth_type": "app", "app": app(key),
    })
}

async fn post(garm: &Garm, body: Value) -> Answer {
    garm.ask("POST", PATH, Some(&body)).await
}

async fn put(garm: &Garm, id: &Value, body: Value) -> Answer {
    garm.ask("PUT", &format!("{PATH}/{id}"), Some(&body)).await
}

/// Asserts that two rows are equal. The response to POST has the times before PostgreSQL truncates
/// them.
fn assert_same(garm: &Garm, shown: &Value, made: &Value) {
    let timeless = |it: &Value| match garm.variant.database {
        GarmDatabase::Sqlite => it.clone(),
        GarmDatabase::Postgresql => {
            merged(it.clone(), json!({ "created_at": "", "updated_at": "" }))
        }
    };
    assert_eq!(timeless(shown), timeless(made));
}

async fn delete(garm: &Garm, id: &Value) {
    let answer = garm.ask("DELETE", &format!("{PATH}/{id}"), None).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

#[tokio::test]
async fn an_app_is_created_and_shown_without_its_ids_and_key() {
    on_each(async |garm| {
        let (pkcs1, _) = key();
        let made = post(garm, draft(garm, "made", &pkcs1).await).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let expected = [
            "id",
            "name",
            "description",
            "api_base_url",
            "upload_base_url",
            "base_url",
            "auth-type",
            "forge_type",
            "endpoint",
            "created_at",
            "updated_at",
        ];
        assert_eq!(keys(&made.json), expected.into_iter().collect());
        assert_eq!(made.json["auth-type"], "app");
        let id = &made.json["id"];
        for all in [garm.get(PATH).await, garm.get("/credentials").await] {
            let listed = all.as_array().unwrap().iter().find(|it| it["id"] == *id).unwrap();
            assert_same(garm, listed, &made.json);
        }
        assert_same(garm, &garm.get(&format!("{PATH}/{id}")).await, &made.json);
        delete(garm, id).await;
        // Deleting absent credentials succeeds, too.
        delete(garm, id).await;
    })
    .await;
}

#[tokio::test]
async fn a_name_is_unique_across_endpoints_ignoring_case() {
    on_each(async |garm| {
        let (pkcs1, _) = key();
        let made = post(garm, draft(garm, "unique", &pkcs1).await).await.json;
        let taken = "failed to create github credentials: error creating github credentials: \
                     github credentials already exists: duplicate";
        for (name, endpoint) in
            [("unique", endpoint(garm).await), ("UniquE", "github.com".to_owned())]
        {
            let fields = json!({ "endpoint": endpoint });
            let answer = post(garm, merged(draft(garm, name, &pkcs1).await, fields)).await;
            garm.assert_refused(&answer, (409, "Conflict", taken), name);
        }
        let other = post(garm, draft(garm, "other", &pkcs1).await).await.json;
        let answer = put(garm, &other["id"], json!({ "name": "UNIQUE" })).await;
        garm.assert_refused(&answer, (500, "Server error", ""), "a taken name");
        delete(garm, &made["id"]).await;
        delete(garm, &other["id"]).await;
    })
    .await;
}

#[tokio::test]
async fn only_an_rsa_key_of_pkcs1_is_taken() {
    on_each(async |garm| {
        let (_, pkcs8) = key();
        let encrypted = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        for bad in [pkcs8, STANDARD.encode(encrypted)] {
            let answer = post(garm, draft(garm, "bad-key", &bad).await).await;
            garm.assert_refused(&answer, (500, "Server error", ""), "a key that is not PKCS#1");
        }
        let invalid = "failed to validate github credentials params: invalid app: ";
        let no_pem = format!("{invalid}invalid private_key_bytes");
        let answer = post(garm, draft(garm, "bad-key", &STANDARD.encode("nonsense")).await).await;
        garm.assert_refused(&answer, (400, "Bad Request", &no_pem), "no PEM");
        let answer = post(garm, draft(garm, "bad-key", "%%%").await).await;
        garm.assert_refused(&answer, (400, "Bad Request", "invalid request"), "no base64");
    })
    .await;
}

#[tokio::test]
async fn missing_fields_are_reported_in_this_order() {
    on_each(async |garm| {
        let (pkcs1, _) = key();
        let whole = draft(garm, "missing", &pkcs1).await;
        let endpoint = whole["endpoint"].as_str().unwrap();
        let app = |fields: Value| json!({ "app": merged(app(&pkcs1), fields) });
        for (fields, what) in [
            (json!({ "name": "", "endpoint": "", "auth_type": "" }), "missing name"),
            (json!({ "endpoint": "", "auth_type": "" }), "missing endpoint"),
            (json!({ "auth_type": "" }), "invalid auth_type"),
            (json!({ "app": null }), "invalid app: missing app_id"),
            (app(json!({ "app_id": 0, "installation_id": 0 })), "invalid app: missing app_id"),
            (app(json!({ "installation_id": 0 })), "invalid app: missing installation_id"),
            (app(json!({ "private_key_bytes": "" })), "invalid app: missing private_key_bytes"),
        ] {
            let answer = post(garm, merged(whole.clone(), fields)).await;
            let details = format!("failed to validate github credentials params: {what}");
            garm.assert_refused(&answer, (400, "Bad Request", &details), what);
        }
        let answer = post(garm, merged(whole.clone(), json!({ "endpoint": "nowhere" }))).await;
        let details = "failed to create github credentials: error creating github credentials: \
                       github endpoint not found: not found";
        garm.assert_refused(&answer, (404, "Not Found", details), endpoint);
    })
    .await;
}

#[tokio::test]
async fn an_app_is_replaced_as_a_whole_and_keeps_its_endpoint_and_type() {
    on_each(async |garm| {
        let (pkcs1, pkcs8) = key();
        let made = post(garm, draft(garm, "changed", &pkcs1).await).await.json;
        let id = &made["id"];
        let changed = put(garm, id, json!({ "description": "more", "app": app(&key().0) })).await;
        assert_eq!((changed.status, &changed.json["description"]), (200, &json!("more")));
        let kept = put(garm, id, json!({ "endpoint": "github.com" })).await;
        assert_eq!((kept.status, &kept.json["endpoint"]), (200, &made["endpoint"]));
        let part = json!({ "app": { "app_id": 8, "installation_id": 9 } });
        let answer = put(garm, id, part).await;
        let details = "failed to validate github credentials params: invalid app: missing \
                       private_key_bytes";
        garm.assert_refused(&answer, (400, "Bad Request", details), "half an App");
        let answer = put(garm, id, json!({ "description": "lost", "app": app(&pkcs8) })).await;
        garm.assert_refused(&answer, (500, "Server error", ""), "PKCS#8");
        let update = "failed to update github credentials: error updating github credentials";
        let answer = put(garm, id, json!({ "pat": { "oauth2_token": "x" } })).await;
        let details = format!("{update}: cannot update PAT credentials for app: invalid request");
        garm.assert_refused(&answer, (400, "Bad Request", &details), "a token for an App");
        assert_eq!(garm.get(&format!("{PATH}/{id}")).await["description"], "more");
        let first = garm.get(PATH).await[0]["id"].clone();
        let answer = put(garm, &first, json!({ "app": app(&pkcs1) })).await;
        let details = format!("{update}: cannot update app credentials for PAT: invalid request");
        garm.assert_refused(&answer, (400, "Bad Request", &details), "an App for a token");
        delete(garm, id).await;
        let answer = put(garm, id, json!({ "description": "x" })).await;
        let details = format!("{update}: github credentials not found: not found");
        garm.assert_refused(&answer, (404, "Not Found", &details), "what is gone");
    })
    .await;
}

#[tokio::test]
async fn credentials_in_use_cannot_be_deleted() {
    on_each(async |garm| {
        let first = garm.get(PATH).await[0].clone();
        assert!(keys(&first).contains("rate_limit"), "{first}");
        let answer = garm.ask("DELETE", &format!("{PATH}/{}", first["id"]), None).await;
        let details = "failed to delete github credentials: error deleting github credentials: \
                       cannot delete credentials with repositories: invalid request";
        garm.assert_refused(&answer, (400, "Bad Request", details), "credentials in use");
    })
    .await;
}
