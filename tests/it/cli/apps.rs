//! `credentials:` of the fleet file, from the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use super::bench::Bench;

fn key() -> String {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap().serialize_pem()
}

fn keep(bench: &Bench, pem: &str) {
    bench.write("app.pem", pem);
    fs::set_permissions(bench.path("app.pem"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A sandbox, an App and a pool.
fn bench() -> Bench {
    let bench = Bench::new();
    let app = "credentials:\n  - name: app\n    endpoint: simhub\n    app_id: 7\n    \
               installation_id: 9\n    private_key: file:app.pem\n";
    bench.write("rc.yaml", &(bench.read("rc.yaml") + app));
    bench.declare(&["a"]);
    keep(&bench, &key());
    bench
}

/// Replaces each fingerprint with a letter, in order of appearance.
fn lettered(text: &str) -> String {
    let mut known: Vec<&str> = Vec::new();
    for (at, _) in text.match_indices("SHA256:") {
        let print = &text[at..at + 51];
        if !known.contains(&print) {
            known.push(print);
        }
    }
    let mut text = text.to_owned();
    for (print, letter) in known.into_iter().zip('a'..) {
        text = text.replace(print, &format!("SHA256:{letter}"));
    }
    text
}

/// The text without the line that names GARM.
fn body(text: &str) -> String {
    lettered(text.split_once('\n').unwrap().1)
}

#[test]
fn an_app_is_planned_applied_and_rotated() {
    let bench = bench();
    bench.run(&["apply", "--auto-approve"]).ends(0);
    let again = bench.run(&["plan"]).ends(0);
    assert!(again.out.contains("no changes"), "{}", again.out);
    keep(&bench, &key());
    insta::assert_snapshot!("rotated", body(&bench.run(&["plan"]).ends(0).out));
    let document = bench.run(&["plan", "-o", "json"]).ends(0).json();
    let step = &document["steps"][0];
    assert_eq!((&step["credential"], &step["pool"]), (&"app".into(), &().into()));
    let document = bench.run(&["apply", "--auto-approve", "-o", "json"]).ends(0).json();
    let expected = serde_json::json!([{
        "credential": "app", "pool": null, "action": "update", "outcome": "done", "detail": "",
    }]);
    assert_eq!(document["outcomes"], expected);
    bench.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_saved_plan_is_stale_after_a_key_rotation() {
    let bench = bench();
    let planned = bench.read("app.pem");
    bench.run(&["plan", "--out", "it.plan"]).ends(0);
    keep(&bench, &key());
    let said = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
    let expected =
        "error: the saved plan is stale: the current plan differs for the credential `app`\n";
    assert!(said.err.contains(expected), "{}", said.err);
    assert_eq!(bench.garm("/github/credentials").as_array().unwrap().len(), 1);
    keep(&bench, &planned);
    bench.run(&["apply", "it.plan", "--auto-approve"]).ends(0);
    assert_eq!(bench.garm("/github/credentials").as_array().unwrap().len(), 2);
}

#[test]
fn invalid_credentials_are_reported_with_their_line() {
    let bench = bench();
    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &fleet_file.replace("simhub", "simhob"));
    let said = bench.run(&["validate", "--online"]).ends(3);
    let all = said.out + &said.err;
    assert!(all.contains("error[RC0705]: GARM has no GitHub endpoint `simhob`"), "{all}");
    assert!(all.contains("did you mean `simhub`?"), "{all}");
    bench.write("rc.yaml", &fleet_file.replace("name: app", "name: SIM-PAT"));
    let said = bench.run(&["apply", "--auto-approve"]).ends(5);
    assert!(said.out.contains("(credential SIM-PAT)  blocked  blocked"), "{}", said.out);
    keep(&bench, "s3cret");
    let said = bench.run(&["plan"]).ends(3);
    assert!(said.err.contains("error[RC0603]"), "{}", said.err);
    assert!(said.err.contains("it contains no private key in PEM"), "{}", said.err);
}
