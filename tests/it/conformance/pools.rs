//! The fields of a pool, what a PUT changes, and what it silently ignores (GARM.md §0, §a, §b, §c).

use runnerctl::sim::GarmDatabase;
use serde_json::{Value, json};

use super::garm::{id, keys, tags};
use super::on_each;

#[tokio::test]
async fn zero_values_are_omitted() {
    on_each(async |garm| {
        let pool = garm.pool("zeroes", json!({})).await;
        let listed = garm.listed_pool(id(&pool)).await;
        for absent in
            ["min_idle_runners", "enabled", "priority", "github-runner-group", "instances"]
        {
            assert!(!keys(&listed).contains(absent), "{absent} in {listed}");
        }
        assert_eq!(listed["enable_shell"], json!(false));
        assert_eq!(listed["generation"], json!(0));
        assert_eq!(listed["runner_prefix"], json!("garm"));
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn lists_omit_fields_that_a_single_response_has() {
    on_each(async |garm| {
        let specs = json!({ "z": 1, "a": [true] });
        let pool = garm.pool("lists", json!({ "extra_specs": specs })).await;
        let path = format!("/organizations/{}/pools", garm.organization);
        let of_entity = garm.get(&path).await;
        let of_entity = of_entity.as_array().unwrap().iter().find(|it| it["id"] == pool["id"]);
        for listed in [&garm.listed_pool(id(&pool)).await, of_entity.unwrap()] {
            for absent in ["extra_specs", "template_name", "instances"] {
                assert!(!keys(listed).contains(absent), "{absent} in {listed}");
            }
        }
        let alone = garm.get(&format!("/pools/{}", id(&pool))).await;
        assert_eq!(alone["extra_specs"], specs);
        assert_eq!(alone["template_name"], json!("github_linux"));
        // An entity by its id embeds its pools, with their extra_specs and without their tags.
        let entity = garm.get(&format!("/organizations/{}", garm.organization)).await;
        let inside = entity["pool"].as_array().unwrap().iter().find(|it| it["id"] == pool["id"]);
        let inside = inside.unwrap();
        assert_eq!(inside["extra_specs"], specs);
        assert!(!keys(inside).contains("tags") && !keys(inside).contains("org_id"), "{inside}");
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn two_equal_pools_are_two_pools() {
    on_each(async |garm| {
        let (one, other) =
            (garm.pool("twins", json!({})).await, garm.pool("twins", json!({})).await);
        assert_ne!(id(&one), id(&other));
        garm.remove(id(&one)).await;
        garm.remove(id(&other)).await;
    })
    .await;
}

#[tokio::test]
async fn a_put_changes_only_the_given_fields() {
    on_each(async |garm| {
        let pool = garm.pool("partial", json!({ "priority": 3, "max_runners": 4 })).await;
        let changed = garm.put(id(&pool), json!({ "min_idle_runners": 0, "priority": 5 })).await;
        assert_eq!(changed["priority"], json!(5));
        assert_eq!(changed["max_runners"], json!(4));
        assert_eq!(tags(&changed), ["partial"]);
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn some_changes_are_answered_with_200_and_do_nothing() {
    on_each(async |garm| {
        let pool = garm.pool("silent", json!({})).await;
        let before = garm.get(&format!("/pools/{}", id(&pool))).await;
        for body in [
            json!({}),
            json!({ "provider_name": "nope" }),
            json!({ "nothing_known": [1, 2] }),
            json!({ "image": "" }),
            json!({ "flavor": "" }),
            json!({ "runner_prefix": "" }),
            json!({ "os_type": "" }),
            json!({ "tags": [] }),
            json!({ "tags": null, "enabled": null, "max_runners": null }),
            json!({ "image": "ubuntu:24.04", "max_runners": 5 }),
        ] {
            garm.put(id(&pool), body.clone()).await;
            let after = garm.get(&format!("/pools/{}", id(&pool))).await;
            assert_eq!(after, before, "after {body}");
        }
        // Setting the same tags again is also a write.
        garm.put(id(&pool), json!({ "tags": ["silent"] })).await;
        let after = garm.get(&format!("/pools/{}", id(&pool))).await;
        assert_ne!(after["updated_at"], before["updated_at"]);
        assert_eq!(after["generation"], before["generation"]);
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn the_generation_increases_with_changes_that_make_runners_outdated() {
    on_each(async |garm| {
        let fields = json!({ "extra_specs": { "a": 1 } });
        let pool = garm.pool("generation", fields).await;
        let outdates = [
            json!({ "image": "other" }),
            json!({ "flavor": "large" }),
            json!({ "extra_specs": { "a": 2 } }),
            json!({ "extra_specs": null }),
            json!({ "os_type": "plan9" }),
            json!({ "os_arch": "any" }),
            json!({ "github-runner-group": "g" }),
            json!({ "github-runner-group": "" }),
            json!({ "enable_shell": true }),
        ];
        let keeps = [
            json!({ "tags": ["generation", "more"] }),
            json!({ "max_runners": 7, "min_idle_runners": 0 }),
            json!({ "enabled": false }),
            json!({ "runner_prefix": "other" }),
            json!({ "priority": 9 }),
            json!({ "runner_bootstrap_timeout": 30 }),
            json!({ "template_id": 3 }),
        ];
        let mut expected = 0;
        for body in &outdates {
            expected += 1;
            let changed = garm.put(id(&pool), body.clone()).await;
            assert_eq!(changed["generation"], json!(expected), "after {body}");
            let again = garm.put(id(&pool), body.clone()).await;
            // PostgreSQL stores JSON in a form of its own, and compares it with the text that we
            // send: the same value in our form counts as another one.
            let is_respelt = garm.variant.database == GarmDatabase::Postgresql
                && body["extra_specs"].as_object().is_some_and(|it| !it.is_empty());
            expected += i32::from(is_respelt);
            assert_eq!(again["generation"], json!(expected), "after {body} again");
        }
        for body in &keeps {
            let changed = garm.put(id(&pool), body.clone()).await;
            assert_eq!(changed["generation"], json!(expected), "after {body}");
        }
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn extra_specs_are_stored_unchanged() {
    on_each(async |garm| {
        let pool = garm.pool("specs", json!({})).await;
        let alone = async || garm.get(&format!("/pools/{}", id(&pool))).await;
        assert!(!keys(&alone().await).contains("extra_specs"));
        for specs in [Value::Null, json!({}), json!({ "a": { "b": [1] } }), json!([1]), json!("x")]
        {
            garm.put(id(&pool), json!({ "extra_specs": specs })).await;
            let after = alone().await;
            assert!(keys(&after).contains("extra_specs"), "{after}");
            assert_eq!(after["extra_specs"], specs);
        }
        let token = format!("Bearer {}", garm.token());
        let path = format!("/pools/{}", id(&pool));
        let body = r#"{"extra_specs": {"zz": 12345678901234567890123, "b": 1.10, "a": 1e3}}"#;
        let answer = garm.ask_raw("PUT", &path, body.into(), Some(&token)).await;
        let kept = match garm.variant.database {
            GarmDatabase::Sqlite => r#"{"zz":12345678901234567890123,"b":1.10,"a":1e3}"#,
            // Keys are ordered by length, then alphabetically; there are no exponents.
            GarmDatabase::Postgresql => r#"{"a":1000,"b":1.10,"zz":12345678901234567890123}"#,
        };
        assert!(answer.text.contains(&format!("\"extra_specs\":{kept}")), "{}", answer.text);
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn the_first_spelling_of_a_tag_is_kept() {
    on_each(async |garm| {
        let first = garm.pool("Spelt-So", json!({})).await;
        garm.remove(id(&first)).await;
        let second = garm.pool("spelt-so", json!({})).await;
        assert_eq!(tags(&second), ["Spelt-So"]);
        let changed = garm.put(id(&second), json!({ "tags": ["SPELT-SO", "spelt-so"] })).await;
        assert_eq!(tags(&changed), ["Spelt-So"]);
        garm.remove(id(&second)).await;
    })
    .await;
}

#[tokio::test]
async fn tags_may_be_any_text_and_are_stored_once() {
    on_each(async |garm| {
        let longest = match garm.variant.database {
            GarmDatabase::Sqlite => 200,
            GarmDatabase::Postgresql => 64,
        };
        let long = "ü".repeat(longest);
        let odd = ["runnerctl=acme/default", "with space, comma", "Grüße", &long];
        let pool =
            garm.pool("odd", json!({ "tags": [odd[0], odd[1], odd[2], odd[3], odd[0]] })).await;
        let mut expected: Vec<_> = odd.iter().map(ToString::to_string).collect();
        expected.sort();
        assert_eq!(tags(&garm.listed_pool(id(&pool)).await), expected);
        if garm.variant.database == GarmDatabase::Postgresql {
            let body = json!({ "tags": ["x".repeat(longest + 1)] });
            let answer = garm.ask("PUT", &format!("/pools/{}", id(&pool)), Some(&body)).await;
            garm.assert_refused(&answer, (500, "Server error", ""), "a label that is too long");
        }
        let changed = garm.put(id(&pool), json!({ "tags": [""] })).await;
        assert_eq!(tags(&changed), ["(no name)"]);
        garm.remove(id(&pool)).await;
    })
    .await;
}

#[tokio::test]
async fn deleting_a_pool_repeatedly_succeeds() {
    on_each(async |garm| {
        let pool = garm.pool("twice", json!({})).await;
        let path = format!("/pools/{}", id(&pool));
        for _ in 0..2 {
            let answer = garm.ask("DELETE", &path, None).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        }
        let never = "/pools/3f2504e0-4f89-11d3-9a0c-0305e82c3301";
        assert_eq!(garm.ask("DELETE", never, None).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_repository_has_pools_too() {
    on_each(async |garm| {
        let path = format!("/repositories/{}/pools", garm.repository);
        let answer = garm.ask("POST", &path, Some(&garm.draft("of-a-repository"))).await;
        let listed = garm.listed_pool(id(&answer.json)).await;
        assert_eq!(listed["repo_id"], json!(garm.repository));
        assert!(listed["repo_name"].as_str().unwrap().contains('/'), "{listed}");
        assert!(!keys(&listed).contains("org_id"));
        garm.remove(id(&answer.json)).await;
    })
    .await;
}

#[tokio::test]
async fn pools_are_listed_in_order_of_creation() {
    on_each(async |garm| {
        let mut made = Vec::new();
        for label in ["c-third", "a-first", "b-second"] {
            made.push(garm.pool(label, json!({})).await["id"].clone());
        }
        let all = garm.get("/pools").await;
        let ids = all.as_array().unwrap().iter().map(|it| it["id"].clone());
        let found: Vec<_> = ids.filter(|it| made.contains(it)).collect();
        assert_eq!(found, made);
        for pool in made {
            garm.remove(pool.as_str().unwrap()).await;
        }
    })
    .await;
}
