//! The runner kit on the command line: it is added, renewed and removed; pools that exclude it are
//! reported with their line; and its key is sent only to GARM.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use super::bench::Bench;

const MTLS: &str = "runner_mtls: { cert: runner.pem, key: 'file:runner.key', ca: ca.pem }\n";

/// A sandbox whose fleet file ends with this text, and a certificate and key for runners.
fn bench(more: &str) -> Bench {
    let bench = Bench::new();
    pair(&bench);
    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &format!("{fleet_file}{more}"));
    bench
}

/// Creates a CA, a certificate and a key.
fn pair(bench: &Bench) {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    bench.write("ca.pem", &params.self_signed(&ca_key).unwrap().pem());
    let key = KeyPair::generate().unwrap();
    let mut wanted = CertificateParams::new(vec!["runner".to_owned()]).unwrap();
    wanted.distinguished_name.push(DnType::CommonName, "runner");
    wanted.not_after = date_time_ymd(2090, 1, 1);
    let cert = wanted.signed_by(&key, &Issuer::new(params, ca_key)).unwrap();
    bench.write("runner.pem", &cert.pem());
    bench.write("runner.key", &key.serialize_pem());
    fs::set_permissions(bench.path("runner.key"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// The `extra_specs` of the only pool in GARM.
fn specs(bench: &Bench) -> Value {
    let id = bench.garm("/pools")[0]["id"].as_str().unwrap().to_owned();
    bench.garm(&format!("/pools/{id}"))["extra_specs"].clone()
}

fn pool(specs: &str) -> String {
    format!(
        "pools:\n  - name: a\n    max_runners: 2\n    instance_type: m5.large\n    \
         extra_specs: {specs}\n"
    )
}

#[test]
fn with_a_signer_garm_stores_no_key() {
    let signed = "runner_mtls: { signer: 'https://garm.test/runner-certificate', ca: ca.pem }\n";
    let bench = bench(signed);
    fs::remove_file(bench.path("runner.key")).unwrap();
    bench.write("pools/a.yaml", &pool("{}"));
    bench.apply();
    let kit = specs(&bench)["pre_install_scripts"]["00-runnerctl"].as_str().unwrap().to_owned();
    let script = String::from_utf8(STANDARD.decode(kit).unwrap()).unwrap();
    assert!(script.contains("'https://garm.test/runner-certificate'"), "{script}");
    assert!(!script.contains("PRIVATE KEY"), "{script}");

    let fleet_file = bench.read("rc.yaml").replace(signed, "");
    for (mtls, said) in [
        ("{ ca: ca.pem }", "either `cert` and `key`, or `signer`, are required"),
        ("{ ca: ca.pem, cert: runner.pem }", "`cert` requires `key`"),
        ("{ ca: ca.pem, cert: a, key: 'env:K', signer: https://a }", "cannot be used together"),
    ] {
        bench.write("rc.yaml", &format!("{fleet_file}runner_mtls: {mtls}\n"));
        let refused = bench.run(&["validate"]).ends(3);
        assert!(refused.out.contains(said), "{mtls}: {}", refused.out);
    }
}

#[test]
fn adding_renewing_and_removing_the_kit_keeps_the_pools_own_settings() {
    let bench = bench(MTLS);
    bench.write("pools/a.yaml", &pool("{ disk_gb: 20, tags: [x] }"));
    bench.apply();
    let first = specs(&bench);
    assert!(first["pre_install_scripts"]["00-runnerctl"].is_string(), "{first}");
    let unchanged = bench.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert!(unchanged.out.contains("no changes"), "{}", unchanged.out);

    bench.run(&["plan", "--out", "it.plan"]).ends(0);
    pair(&bench);
    let renewal = bench.run(&["plan", "--detailed-exitcode"]).ends(2);
    let field = "extra_specs.pre_install_scripts.00-runnerctl";
    assert!(renewal.out.contains(&format!("`{field}` differs")), "{}", renewal.out);
    // The consent was given for another certificate.
    bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
    bench.apply();
    let second = specs(&bench);
    assert_ne!(second, first);
    bench.run(&["plan", "--detailed-exitcode"]).ends(0);

    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &fleet_file.replace(MTLS, ""));
    let removal = bench.run(&["plan", "--detailed-exitcode"]).ends(2);
    assert!(removal.out.contains("(the runner kit, sha256:"), "{}", removal.out);
    bench.apply();
    assert_eq!(specs(&bench), json!({ "disk_gb": 20, "tags": ["x"] }));
    bench.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn the_check_of_forbidden_addresses_needs_no_certificate() {
    let bench = bench("policy: { networks: { must_not_reach: ['db.example.com:5432'] } }\n");
    bench.write("pools/a.yaml", &pool("{}"));
    bench.apply();
    assert!(specs(&bench)["pre_install_scripts"]["00-runnerctl"].is_string());
    bench.run(&["plan", "--detailed-exitcode"]).ends(0);
    bench.write("over.yaml", "policy: { networks: { must_not_reach: ['10.0.0.1:22'] } }\n");
    bench.run(&["plan", "--policy", "over.yaml", "--detailed-exitcode"]).ends(2);
}

#[test]
fn no_output_record_or_plan_file_contains_the_kits_key() {
    let bench = bench(MTLS);
    bench.write("pools/a.yaml", &pool("{ disk_gb: 20 }"));
    let key = bench.read("runner.key");
    let line = key.lines().nth(1).unwrap().to_owned();
    let hidden = |what: &str, text: &str| {
        for secret in [line.as_str(), "PRIVATE KEY", "LS0tLS1CRUdJ", "IyEvYmluL2Jhc2g"] {
            assert!(!text.contains(secret), "`{secret}` in {what}:\n{text}");
        }
    };
    for line in [
        &["validate", "--online"][..],
        &["plan"],
        &["plan", "-o", "json"],
        &["plan", "-o", "markdown"],
        &["plan", "--out", "it.plan"],
        &["apply", "it.plan", "--auto-approve"],
        &["plan", "--detailed-exitcode"],
        &["status", "-o", "json"],
        &["import"],
    ] {
        let said = bench.run(&[line, &["-vvv"]].concat()).ends(0);
        hidden(&format!("{line:?}"), &said.out);
        hidden(&format!("{line:?}"), &said.err);
    }
    for file in ["it.plan", ".local/state/runnerctl/audit.jsonl"] {
        hidden(file, &bench.read(file));
    }
    // `status` does not need the key, so a user who cannot read it gets the same result.
    bench.write("runner.key", &key.replace(&line, "bm9uc2Vuc2U="));
    let broken = bench.run(&["plan", "-vvv"]).ends(3);
    assert!(broken.err.contains("`runner_mtls.key` (`file:runner.key`)"), "{}", broken.err);
    bench.remove("runner.key");
    bench.run(&["apply", "--auto-approve"]).ends(3);
    let status = bench.run(&["status"]).ends(0);
    assert!(!status.out.contains("drift"), "{}", status.out);
}

#[test]
fn pools_that_exclude_the_kit_are_reported_with_their_line_without_asking_garm() {
    let bench = bench(MTLS);
    let pools = pool("{ pre_install_scripts: { x: eA== } }")
        + "  - { name: b, max_runners: 1, instance_type: m5.large, os_type: windows }\n\
           \x20 - { name: c, max_runners: 1, instance_type: m5.large, enable_shell: true }\n";
    bench.write("pools/a.yaml", &pools);
    for line in [&["validate"][..], &["plan"], &["apply", "--auto-approve"]] {
        let said = bench.run(line).ends(3);
        let text = format!("{}{}", said.out, said.err);
        for place in ["RC0808", "a.yaml:5:20", "RC0807", "a.yaml:6:66", "a.yaml:7:71"] {
            assert!(text.contains(place), "{place} in {text}");
        }
    }
    assert_eq!(bench.owned(), [""; 0]);
    let allow = "policy: { extra_specs: { allow_keys: [pre_install_scripts] } }\n";
    bench.write("pools/a.yaml", &pool("{ pre_install_scripts: { x: eA== } }"));
    // A policy file cannot grant the permission.
    bench.write("over.yaml", allow);
    bench.run(&["plan", "--policy", "over.yaml"]).ends(3);
    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &format!("{fleet_file}{allow}"));
    bench.apply();
    let scripts = specs(&bench)["pre_install_scripts"].clone();
    assert_eq!(scripts["x"], "eA==");
    assert!(scripts["00-runnerctl"].is_string());
}
