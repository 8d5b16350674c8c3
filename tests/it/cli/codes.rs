//! Every documented exit code, each with its simplest cause. `--detailed-exitcode` (2), a refused
//! deletion (6) and signals (130, 143) are tested elsewhere.

use std::net::TcpListener;

use super::bench::{Bench, finish, root, signal};

#[test]
fn readme_and_help_list_the_same_exit_codes() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let help = Bench::bare().run(&["help", "exit-codes"]).ends(0).out;
    let (_, table) = help.split_once("Exit codes:\n").unwrap();
    let codes: Vec<&str> = table
        .lines()
        .filter_map(|it| it.get(..6))
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "5", "6", "64", "130", "143"]);
    for code in codes {
        assert!(readme.contains(&format!("\n| {code} | ")), "{code}");
    }
}

#[test]
fn any_other_failure_exits_with_1() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let said = bench.run(&["plan", "--out", "no/such/folder/it.plan"]).ends(1);
    assert!(said.err.contains("cannot write the plan to `no/such/folder/it.plan`"), "{}", said.err);
    assert_eq!(said.out, "");
}

#[test]
fn a_problem_in_the_input_exits_with_3() {
    let bench = Bench::new();
    bench.run(&["plan"]).ends(3);
    bench.write("pools/a.yaml", "pools: [{ name: a }]\n");
    for line in [&["validate"][..], &["plan"], &["apply", "--auto-approve"], &["status"]] {
        let said = bench.run(line).ends(3);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains("pools/a.yaml:1:"), "{line:?}: {all}");
    }
    bench.declare(&["a"]);
    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &fleet_file.replace("file:rc.yaml.password", "env:NO_SUCH_VARIABLE"));
    let said = bench.run(&["plan"]).ends(3);
    assert!(said.err.contains("NO_SUCH_VARIABLE"), "{}", said.err);
    bench.write("rc.yaml", &fleet_file.replace("  image: ubuntu-24.04\n", ""));
    let said = bench.run(&["plan"]).ends(3);
    assert!(said.err.contains("image") && said.err.contains("defaults"), "{}", said.err);
}

#[test]
fn a_missing_fleet_file_exits_with_3_and_suggests_how_to_create_one() {
    let bench = Bench::bare();
    bench.declare(&["a"]);
    for command in ["plan", "status", "import"] {
        let said = bench.run(&[command]).ends(3);
        assert!(
            said.err.contains("`runnerctl sandbox --write-config runnerctl.yaml`"),
            "{}",
            said.err
        );
    }
}

#[test]
fn an_unusable_garm_exits_with_4_before_any_write() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &fleet_file.replace("file:rc.yaml.password", "env:WRONG"));
    let wrong = bench.run_with(&["plan"], &[("WRONG", "hunter2")]).ends(4);
    assert!(wrong.err.contains("help: "), "{}", wrong.err);
    // A port on which no process is listening any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = fleet_file.lines().find(|it| it.starts_with("  url: ")).unwrap();
    bench.write("rc.yaml", &fleet_file.replace(url, &format!("  url: http://127.0.0.1:{port}")));
    for line in [&["plan"][..], &["apply", "--auto-approve"], &["status"], &["import"]] {
        let said = bench.run(line).ends(4);
        assert!(said.err.contains(&format!("127.0.0.1:{port}")), "{}", said.err);
        assert_eq!(said.out, "", "{line:?}");
    }
}

#[test]
fn an_incomplete_apply_exits_with_5() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.write(
        "pools/b.yaml",
        "pools: [{ name: b, max_runners: 1, instance_type: m5, adopt: 00000000-0000-4000-8000-000000000000 }]\n",
    );
    let said = bench.run(&["apply", "--auto-approve"]).ends(5);
    assert!(said.out.contains("blocked"), "{}", said.out);
    assert_eq!(bench.owned(), ["a"], "what is not blocked is done");
    bench.run(&["plan", "--detailed-exitcode"]).ends(2);
    bench.run(&["apply", "--auto-approve"]).ends(5);
}

#[test]
fn an_unwritable_audit_file_exits_with_6() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let line = ["apply", "--auto-approve", "--audit", "no/such/folder/audit.jsonl"];
    let said = bench.run(&line).ends(6);
    assert!(said.err.contains("nothing was changed"), "{}", said.err);
    assert_eq!(bench.owned(), Vec::<String>::new());
    bench.run(&["apply", "--auto-approve", "--no-audit"]).ends(0);
}

#[test]
fn an_invalid_command_line_exits_with_64() {
    let bench = Bench::bare();
    for line in [
        &[][..],
        &["frobnicate"],
        &["plan", "--no-such-flag"],
        &["apply", "--drain-timeout", "30"],
        &["apply", "--allow-destroy=some"],
        &["apply", "--audit", "f", "--no-audit"],
        &["plan", "--target", "NOT A NAME"],
        &["status", "--interval", "5s"],
        &["status", "-o", "markdown"],
        &["import", "-o", "markdown"],
        &["completions", "tcsh"],
    ] {
        let said = bench.run(line).ends(64);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{line:?}");
    }
}

#[test]
fn a_signal_ends_a_read_only_command_with_its_code() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut child = bench.start(&["status", "--follow"], "status.err");
        // `/metrics` shows the first evaluation, so the loop is running.
        let mut first = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        signal(&child, name);
        finish(child).ends(code);
    }
}

#[test]
fn unproven_mtls_exits_with_6_if_it_is_required() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let open = bench.run(&["validate", "--online"]).ends(0);
    assert!(open.out.contains("mTLS: not enforced, 4 of 4 probes failed"), "{}", open.out);
    let fleet_file = bench.read("rc.yaml");
    bench.write("rc.yaml", &format!("{fleet_file}policy: {{ require_mtls: true }}\n"));
    let said = bench.run(&["validate", "--online"]).ends(6);
    assert!(said.err.contains("`policy.require_mtls`"), "{}", said.err);
    let json = bench.run(&["validate", "--online", "-o", "json"]).ends(6).json();
    assert_eq!(json["mtls"]["result"], "not enforced");
    assert_eq!(json["mtls"]["probes"][0]["evidence"], "GARM answered 401");
}
