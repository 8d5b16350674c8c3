//! Plain HTTP beyond loopback, which the fleet file must allow, and proxies, which are never used.

use super::bench::Bench;

const WARNING: &str = "is not encrypted (`garm.insecure_http`)";

/// A sandbox at an address of this machine that the fleet file does not count as loopback: the IPv6
/// form of 127.0.0.1.
fn beyond_loopback() -> Bench {
    let bench = Bench::new();
    let file = bench.read("rc.yaml");
    let file = file.replace("http://127.0.0.1:", "http://[::ffff:127.0.0.1]:");
    // Without a receiver, `--strict` would fail.
    let receivers = "receivers: { r: { alertmanager: { url: https://alertmanager.invalid } } }\n";
    bench.write("rc.yaml", &format!("{file}{receivers}"));
    bench.declare(&["a"]);
    bench
}

fn allow(bench: &Bench) {
    let file = bench.read("rc.yaml");
    bench.write("rc.yaml", &file.replace("garm:\n", "garm:\n  insecure_http: true\n"));
}

#[test]
fn plain_http_beyond_loopback_is_refused_with_the_setting_that_allows_it() {
    let bench = beyond_loopback();
    for line in [&["validate"][..], &["plan"], &["watch", "--once"]] {
        let said = bench.run(line).ends(3);
        let all = format!("{}{}", said.out, said.err);
        let help = "or set `garm.insecure_http: true`: password and tokens are then sent \
                    unencrypted";
        assert!(all.contains("`http://` is allowed only for a loopback address"), "{all}");
        assert!(all.contains(help), "{line:?}: {all}");
    }
}

#[test]
fn with_insecure_http_every_run_warns_and_r10_is_not_met() {
    let bench = beyond_loopback();
    allow(&bench);
    for line in [
        &["validate", "--strict"][..],
        &["plan"],
        &["apply", "--auto-approve"],
        &["status"],
        &["watch", "--once", "--listen", "127.0.0.1:0"],
    ] {
        let said = bench.run(line).ends(0);
        assert_eq!(said.err.matches(WARNING).count(), 1, "{line:?}: {}", said.err);
    }
    for line in [&["plan", "-o", "json"][..], &["validate", "--online", "-o", "json"]] {
        let document = bench.run(line).ends(0).json();
        let all = document["requirements"].as_array().unwrap();
        let r10 = all.iter().find(|it| it["id"] == "R10").unwrap();
        assert_eq!(r10["answer"], "not met", "{line:?}: {r10}");
        assert!(r10["evidence"].as_str().unwrap().contains("has no TLS"), "{line:?}: {r10}");
    }
    // Without a proof, `policy.require_mtls` still refuses to write.
    let file = bench.read("rc.yaml");
    bench.write("rc.yaml", &format!("{file}policy: {{ require_mtls: true }}\n"));
    bench.declare(&["b"]);
    let said = bench.run(&["apply", "--auto-approve"]).ends(6);
    assert!(said.err.contains("`policy.require_mtls` is set"), "{}", said.err);
}

#[test]
fn encrypted_and_loopback_connections_are_not_warned_of() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    allow(&bench);
    for line in [&["validate"][..], &["plan"]] {
        let said = bench.run(line).ends(0);
        assert!(!said.err.contains(WARNING), "{}", said.err);
    }
}

#[test]
fn init_allows_plain_http_only_with_its_option() {
    let line = |url, options: &[&'static str]| {
        let all = [
            "init",
            "--url",
            url,
            "--organization",
            "acme",
            "--provider",
            "aws",
            "--image",
            "i",
            "--instance-type",
            "m",
        ];
        [&all[..], options].concat()
    };
    let bench = Bench::bare();
    let said = bench.run(&line("http://garm:9997", &[])).ends(3);
    assert!(said.err.contains("add `--insecure-http`"), "{}", said.err);
    assert!(!bench.path("runnerctl.yaml").exists());
    bench.run(&line("http://garm:9997", &["--insecure-http"])).ends(0);
    assert!(bench.read("runnerctl.yaml").contains("\n  insecure_http: true\n"));
    let said = bench.run(&["validate"]).ends(0);
    assert!(said.err.contains(WARNING), "{}", said.err);
    for url in ["https://garm:9997", "http://127.0.0.1:9997"] {
        let bench = Bench::bare();
        bench.run(&line(url, &["--insecure-http"])).ends(0);
        assert!(!bench.read("runnerctl.yaml").contains("insecure_http"), "{url}");
    }
}

#[test]
fn where_garm_cannot_be_reached_an_unused_proxy_is_named() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let file = bench.read("rc.yaml");
    let url = file.lines().find(|line| line.contains("url:")).unwrap();
    bench.write("rc.yaml", &file.replace(url, "  url: https://garm.invalid"));
    let unused = "`HTTPS_PROXY` is set, but proxies of the environment are not used for GARM";
    let proxy = ("HTTPS_PROXY", "http://proxy.example.com:3128");
    let said = bench.run_with(&["plan"], &[proxy]).ends(4);
    assert!(said.err.contains(unused), "{}", said.err);
    for variables in [&[][..], &[proxy, ("NO_PROXY", ".invalid")]] {
        let said = bench.run_with(&["plan"], variables).ends(4);
        assert!(said.err.contains("does not resolve"), "{}", said.err);
        assert!(!said.err.contains("PROXY"), "{variables:?}: {}", said.err);
    }
}
