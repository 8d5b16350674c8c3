//! `explain` and `schema --kind`.

use jsonschema::validator_for;
use serde_json::json;

use super::bench::Bench;

#[test]
fn a_field_is_explained_in_text_and_in_json() {
    let bench = Bench::bare();
    let said = bench.run(&["explain", "image"]).ends(0);
    insta::assert_snapshot!(said.out);
    let said = bench.run(&["explain", "image", "-o", "json"]).ends(0).json();
    assert_eq!(said["keys"][0]["path"], "image");
    let said = bench.run(&["explain", "imag"]).ends(64);
    assert!(said.err.contains("did you mean `image`?"), "{}", said.err);
}

#[test]
fn each_kind_of_file_has_a_schema_of_its_own() {
    let bench = Bench::bare();
    for (kind, good, bad) in [
        ("pool", json!({ "pools": [] }), json!({ "fleet": "a" })),
        (
            "fleet",
            json!({ "fleet": "a", "garm": { "url": "https://g", "password": "env:P" } }),
            json!({ "pools": [] }),
        ),
        ("policy", json!({ "policy": {} }), json!({ "pools": [] })),
    ] {
        let said = bench.run(&["schema", "--kind", kind]).ends(0);
        let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let id = schema["$id"].as_str().unwrap();
        assert_eq!(id, format!("urn:runnerctl:schema:{kind}-file"));
        let validator = validator_for(&schema).unwrap();
        assert!(validator.is_valid(&good), "{kind}");
        assert!(!validator.is_valid(&bad), "{kind}");
    }
}
