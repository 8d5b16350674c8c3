//! Secrets are sent only to GARM. No stdout, stderr, log, plan file or audit file contains one,
//! even if something fails.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use runnerctl::secrets::AppKey;
use secrecy::{ExposeSecret, SecretString};

use super::bench::{Bench, Said, document, eventually, finish, signal};
use crate::service::stage::get;

/// A secret in `extra_specs`, where users may put one although they should not.
const IN_SPECS: &str = "canary-in-specs-7f3a";

/// A password that GARM refuses.
const WRONG: &str = "canary-wrong-91bc";

/// A password in plain text in the fleet file.
const LITERAL: &str = "canary-literal-44d0";

/// Checks output for secrets that it must not contain.
struct Ears {
    secrets: Vec<String>,
    heard: usize,
}

impl Ears {
    #[track_caller]
    fn hear(&mut self, what: &str, said: &Said) {
        for text in [&said.out, &said.err] {
            self.read(what, text);
        }
        self.heard += 1;
    }

    #[track_caller]
    fn read(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "`{secret}` in {what}:\n{text}");
        }
        // A token is a secret, too. Every JWT begins with `eyJ`.
        assert!(!text.contains("Bearer ") && !text.contains("eyJ"), "a token in {what}:\n{text}");
    }
}

/// A pool whose `extra_specs` contain the secret, with further lines.
fn pool(more: &str) -> String {
    format!(
        "pools:\n  - name: a\n    max_runners: 2\n    instance_type: m5.large\n{more}    \
         extra_specs:\n      token: {IN_SPECS}\n      nested: {{ deep: [{IN_SPECS}] }}\n"
    )
}

/// Every command that connects to GARM, at every level of `-v`.
const LINES: &[&[&str]] = &[
    &["validate"],
    &["validate", "--online"],
    &["validate", "-o", "json"],
    &["plan"],
    &["plan", "-o", "json"],
    &["plan", "-o", "markdown"],
    &["plan", "--out", "it.plan"],
    &["apply", "it.plan", "--auto-approve"],
    &["plan", "--detailed-exitcode"],
    &["status", "--runners"],
    &["status", "-o", "json"],
    &["import"],
];

#[test]
fn no_command_prints_a_secret_from_env_file_or_exec() {
    for (reference, variables) in [
        ("file:rc.yaml.password", false),
        ("env:GARM_PASSWORD", true),
        ("exec:cat rc.yaml.password", false),
    ] {
        let bench = Bench::new();
        let password = bench.read("rc.yaml.password").trim_end().to_owned();
        let fleet_file = bench.read("rc.yaml");
        bench.write("rc.yaml", &fleet_file.replace("file:rc.yaml.password", reference));
        bench.write("pools/a.yaml", &pool(""));
        let mut ears = Ears { secrets: vec![password.clone(), IN_SPECS.to_owned()], heard: 0 };
        let summary = bench.path("summary.md");
        let mut set = vec![("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
        if variables {
            set.push(("GARM_PASSWORD", &password));
        }
        for line in LINES {
            let whole = [line, &["-vvv", "--allow-exec"][..]].concat();
            let said = bench.run_with(&whole, &set);
            assert!([0, 2].contains(&said.code), "{line:?}: {}", said.err);
            ears.hear(&format!("{reference}: {line:?}"), &said);
        }
        for file in ["it.plan", "summary.md", ".local/state/runnerctl/audit.jsonl"] {
            let text = bench.read(file);
            assert!(text.contains("instance_type") || text.contains("flavor"), "{file}: {text}");
            ears.read(file, &text);
        }
        // The secret was sent to GARM, so its absence elsewhere is meaningful.
        let id = bench.garm("/pools")[0]["id"].as_str().unwrap().to_owned();
        assert!(bench.garm(&format!("/pools/{id}")).to_string().contains(IN_SPECS));
        assert_eq!(ears.heard, LINES.len());
    }
}

#[test]
fn no_error_contains_a_secret() {
    let bench = Bench::new();
    let secrets = [IN_SPECS, WRONG, LITERAL].map(str::to_owned).to_vec();
    let mut ears = Ears { secrets, heard: 0 };
    let fleet_file = bench.read("rc.yaml");
    let lines: [&[&str]; 6] = [
        &["validate"],
        &["validate", "-o", "json"],
        &["validate", "--online"],
        &["plan"],
        &["apply", "--auto-approve"],
        &["status"],
    ];
    let password = |it: &str| fleet_file.replace("file:rc.yaml.password", it);
    let good = pool("");
    let broken = pool("    scale_up_delay: soon\n");
    let half = good.replace("      nested", "     nested");
    bench.write("loud", &format!("#!/bin/sh\necho {WRONG}\necho {WRONG} >&2\nexit 1\n"));
    fs::set_permissions(bench.path("loud"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.write("wrong", WRONG);
    fs::set_permissions(bench.path("wrong"), fs::Permissions::from_mode(0o644)).unwrap();
    for (case, fleet, pools) in [
        ("refused by GARM", password("env:WRONG"), good.as_str()),
        ("a literal", password(LITERAL), good.as_str()),
        ("an unknown kind", password(&format!("vualt:{LITERAL}")), good.as_str()),
        ("a fleet file that is no YAML", password(&format!("'{LITERAL}")), good.as_str()),
        ("a program that fails and talks", password("exec:./loud"), good.as_str()),
        ("a file that others can read", password("file:wrong"), good.as_str()),
        ("a broken pool", fleet_file.clone(), broken.as_str()),
        ("a pool file that is no YAML", fleet_file.clone(), half.as_str()),
    ] {
        bench.write("rc.yaml", &fleet);
        bench.write("pools/a.yaml", pools);
        let mut failures = 0;
        for line in lines {
            for host in ["", "true"] {
                let whole = [line, &["-vvv", "--allow-exec"][..]].concat();
                let said = bench.run_with(&whole, &[("WRONG", WRONG), ("GITHUB_ACTIONS", host)]);
                failures += usize::from(said.code == 3 || said.code == 4);
                ears.hear(&format!("{case}: {line:?}"), &said);
            }
        }
        assert!(failures >= 6, "{case}: {failures} failures");
    }
}

/// The key of the audit records.
const AUDIT_KEY: &str = "canary-audit-key-31f0-of-40-letters-or-so";

/// The URL of a webhook, which is a secret itself.
const HOOK: &str = "http://127.0.0.1:9/canary-hook-58d1";

/// A token of Vault.
const VAULT: &str = "canary-vault-token-c2d9";

/// The variables that could make a library log, and the policy file.
const LOUD: [(&str, &str); 5] = [
    ("RUNNERCTL_POLICY", "policy.yaml"),
    ("RUST_LOG", "trace"),
    ("RUST_BACKTRACE", "1"),
    ("VAULT_ADDR", "http://127.0.0.1:9"),
    ("VAULT_TOKEN", VAULT),
];

/// Writes a fleet file with every kind of secret: the key of an App, the audit key, the URL of a
/// webhook, the password. Returns the address on which `watch` listens, and the checker.
fn everything(bench: &Bench) -> (std::net::SocketAddr, Ears) {
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let pem = key.serialize_pem();
    for (file, text) in [("app.pem", pem.as_str()), ("audit.key", AUDIT_KEY), ("hook.url", HOOK)] {
        bench.write(file, text);
        fs::set_permissions(bench.path(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let fleet_file = bench.read("rc.yaml").replace(
        "  listen: 127.0.0.1:9477",
        &format!(
            "  listen: {listen}\n  audit: audit.jsonl\n  audit_key: file:audit.key\nalerts:\n  \
             - {{ name: Always, when: observation_age_seconds, below: 100000, notify: [hook] }}\n\
             receivers:\n  hook: {{ webhook: {{ url: file:hook.url }} }}\ncredentials:\n  \
             - {{ name: app, endpoint: simhub, app_id: 1, installation_id: 2, \
             private_key: file:app.pem }}"
        ),
    );
    bench.write("rc.yaml", &fleet_file);
    bench.write("pools/a.yaml", &pool(""));
    bench.write("policy.yaml", "policy: { max_total_runners: 100 }\n");
    let password = bench.read("rc.yaml.password").trim_end().to_owned();
    let mut secrets: Vec<String> =
        [AUDIT_KEY, "canary-hook-58d1", VAULT, IN_SPECS].map(str::to_owned).into();
    // The key as it is stored, in the form that GARM accepts, and as it is encoded in the request.
    let kept: String = pem.lines().filter(|it| !it.starts_with('-')).collect();
    let sent = AppKey::read(&SecretString::from(pem)).unwrap().pem;
    let sent = sent.expose_secret();
    let wire = STANDARD.encode(sent);
    secrets.extend([&kept[100..120], &kept[1200..1220], &wire[400..430]].map(str::to_owned));
    secrets.extend([5, 15].map(|it| sent.lines().nth(it).unwrap()[..20].to_owned()));
    secrets.push(password);
    (listen, Ears { secrets, heard: 0 })
}

#[test]
fn no_output_log_or_file_contains_an_app_key_or_another_secret() {
    let bench = Bench::new();
    let (listen, mut ears) = everything(&bench);
    for line in LINES {
        let whole = [line, &["-vvv"][..]].concat();
        let said = bench.run_with(&whole, &LOUD);
        assert!([0, 2].contains(&said.code), "{line:?}: {}", said.err);
        ears.hear(&format!("{line:?}"), &said);
    }
    let credentials = bench.garm("/github/credentials").to_string();
    assert!(credentials.contains("runnerctl=sandbox app=1 installation=2 key=SHA256:"));

    let log = fs::File::create(bench.path("watch.err")).unwrap();
    let mut watch = bench.command(&["watch", "-vvv", "-o", "json"]);
    watch.env("RUNNERCTL_CONFIG", "rc.yaml").envs(LOUD).stderr(log).stdout(Stdio::piped());
    let watch = watch.spawn().unwrap();
    let failed = "runnerctl_alert_deliveries_total{receiver=\"hook\",outcome=\"failed\"}";
    let page = eventually("an alert that cannot be delivered", || {
        let page = get(listen, "/metrics")?.1;
        let has_failed = |it: &str| it.starts_with(failed) && !it.ends_with(" 0");
        page.lines().any(has_failed).then_some(page)
    });
    ears.read("/metrics", &page);
    for path in ["/decisions", "/readyz", "/healthz"] {
        ears.read(path, &get(listen, path).unwrap().1);
    }
    signal(&watch, "-TERM");
    let said = finish(watch).ends(0);
    said.out.lines().for_each(|line| drop(document(line)));
    ears.hear("watch", &said);
    ears.hear("audit verify", &bench.run_with(&["audit", "verify", "audit.jsonl", "-vvv"], &LOUD));
    for file in ["it.plan", "audit.jsonl", "watch.err"] {
        ears.read(file, &bench.read(file));
    }
}

#[test]
fn no_error_contains_an_app_key() {
    let bench = Bench::new();
    let (_, mut ears) = everything(&bench);
    ears.secrets.extend([WRONG, LITERAL].map(str::to_owned));
    let (fleet_file, pem) = (bench.read("rc.yaml"), bench.read("app.pem"));
    bench.write("loud", "#!/bin/sh\ncat app.pem\ncat app.pem >&2\nexit 1\n");
    fs::set_permissions(bench.path("loud"), fs::Permissions::from_mode(0o755)).unwrap();
    let reference = |it: &str| fleet_file.replace("file:app.pem", it);
    let encrypted = pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let half = &pem[..pem.len() / 2];
    let escaped = pem.replace('\n', "\\n");
    for (case, fleet, key) in [
        ("a program that fails and talks", reference("exec:./loud"), pem.as_str()),
        ("a Vault that is not there", reference("vault:secret/app#key"), &pem),
        ("an encrypted key", fleet_file.clone(), &encrypted),
        ("half a key", fleet_file.clone(), half),
        ("a key on one line", fleet_file.clone(), &escaped),
        ("two keys", fleet_file.clone(), &format!("{pem}{pem}")),
        ("a literal", reference(LITERAL), &pem),
        ("a literal key", reference(&format!("\"{escaped}\"")), &pem),
        ("a slip beside it", fleet_file.replace("app_id", "ap_id"), &pem),
        ("a wrong password", fleet_file.replace("file:rc.yaml.password", "env:WRONG"), &pem),
    ] {
        bench.write("rc.yaml", &fleet);
        bench.write("app.pem", key);
        let lines: [&[&str]; 4] = [
            &["plan"],
            &["plan", "-o", "json"],
            &["apply", "--auto-approve"],
            &["validate", "-o", "json"],
        ];
        let mut failures = 0;
        for line in lines {
            for host in ["", "true"] {
                let whole = [line, &["-vvv", "--allow-exec"][..]].concat();
                let more = [("WRONG", WRONG), ("GITHUB_ACTIONS", host)];
                let said = bench.run_with(&whole, &[&LOUD[..], &more].concat());
                failures += usize::from(said.code == 3 || said.code == 4);
                ears.hear(&format!("{case}: {line:?}"), &said);
            }
        }
        assert!(failures >= 6, "{case}: {failures} failures");
    }
}

#[test]
fn the_sandbox_password_is_only_in_its_own_file() {
    let bench = Bench::bare();
    let line = ["sandbox", "--listen", "127.0.0.1:0", "--write-config", "rc.yaml", "-vvv"];
    let sandbox = bench.start(&line, "sandbox.err");
    eventually("the fleet file", || bench.path("rc.yaml").exists().then_some(()));
    let password = bench.read("rc.yaml.password").trim_end().to_owned();
    bench.garm("/pools");
    let mut ears = Ears { secrets: vec![password], heard: 0 };
    signal(&sandbox, "-TERM");
    ears.hear("sandbox", &finish(sandbox));
    for file in ["rc.yaml", "sandbox.err"] {
        ears.read(file, &bench.read(file));
    }
}
