//! `plan --policy-since REV` in a repository, and `show` for the plan that it saves.

use std::process::{Command, Stdio};

use super::bench::Bench;

fn git(bench: &Bench, line: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
    let mut command = Command::new("git");
    let done = command.current_dir(bench.path("")).args(who).args(line).output().unwrap();
    assert!(done.status.success(), "{line:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A fleet whose pool `a` is committed. Since then its policy and the fleet file have changed, and
/// GARM has the current pool.
fn changed() -> Bench {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.write(".gitignore", "*.password\n");
    git(&bench, &["init", "--quiet", "--initial-branch=main"]);
    git(&bench, &["add", "rc.yaml", "pools", ".gitignore"]);
    git(&bench, &["commit", "--quiet", "-m", "first"]);
    let pool = bench.read("pools/a.yaml") + "    scale_down_delay: 20m\n    max_queue_wait: off\n";
    bench.write("pools/a.yaml", &pool);
    let fleet = bench.read("rc.yaml").replace("watch:\n", "watch:\n  resync: 1m\n");
    bench.write("rc.yaml", &fleet);
    bench.apply();
    bench
}

const CHANGES: &str = "
  ~ a
      scale_down_delay  10m → 20m
      max_queue_wait  2m → off
    policy: keeps 0 to 4 runners; starts more when more than 5 jobs have waited 30s; releases one
            after 20m idle
  ~ (fleet file)
      watch.resync  (none) → 1m
";

#[test]
fn policies_that_garm_does_not_store_are_shown_since_a_revision() {
    let bench = changed();
    let said = bench.run(&["plan", "--policy-since", "main"]).ends(0);
    assert!(said.out.contains("no changes: the fleet is as declared"), "{}", said.out);
    assert!(said.out.contains("Policy changes since main ("), "{}", said.out);
    assert!(said.out.contains(CHANGES), "{}", said.out);

    let said = bench.run(&["plan", "--policy-since", "main", "-o", "json"]).ends(0).json();
    let changes = &said["policy_changes"];
    assert_eq!(changes["pools"][0]["pool"], "a");
    assert_eq!(changes["pools"][0]["changes"][0]["after"], "20m");
    assert_eq!(changes["settings"][0]["key"], "watch.resync");

    let summary = bench.path("summary.md");
    let variables = [("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    bench.run_with(&["plan", "--policy-since", "main"], &variables).ends(0);
    let summary = bench.read("summary.md");
    assert!(summary.contains("  - `scale_down_delay  10m → 20m`"), "{summary}");
    assert!(summary.contains("- fleet file: `watch.resync  (none) → 1m`"), "{summary}");

    git(&bench, &["commit", "--quiet", "-am", "second"]);
    let said = bench.run(&["plan", "--policy-since", "HEAD"]).ends(0);
    assert!(said.out.contains("No policy has changed since HEAD ("), "{}", said.out);
    let said = bench.run(&["plan"]).ends(0);
    assert!(!said.out.contains("since"), "{}", said.out);
}

#[test]
fn each_reason_why_a_revision_cannot_be_compared_is_named() {
    let bench = changed();
    let refused = |line: &[&str], code: i32, text: &str| {
        let said = bench.run(line).ends(code);
        assert!(said.err.contains(text), "{}", said.err);
    };
    let since = |revision| ["plan", "--policy-since", revision];
    refused(&since("nosuch"), 64, "`--policy-since`: the repository has no revision `nosuch`");
    bench.write("elsewhere.yaml", "pools: []\n");
    let other = [&since("main")[..], &["-f", "elsewhere.yaml"]].concat();
    refused(&other, 3, "`--policy-since`: revision `main` does not have `elsewhere.yaml`");
    bench.write("pools/a.yaml", "pools: 7\n");
    git(&bench, &["commit", "--quiet", "-am", "broken"]);
    bench.declare(&["a"]);
    refused(&since("main"), 3, "`--policy-since`: the files of revision `main` have 1 problem");
    refused(&since("main"), 3, "main:pools/a.yaml:1:8");

    let said = bench.run_with(&since("main"), &[("PATH", "/nowhere")]).ends(1);
    assert!(said.err.contains("the program `git` was not found"), "{}", said.err);
    let outside = Bench::new();
    outside.declare(&["a"]);
    let said = outside.run(&since("main")).ends(3);
    assert!(said.err.contains("is not in a git repository"), "{}", said.err);
}

#[test]
fn show_prints_a_saved_plan_as_plan_printed_it() {
    let bench = changed();
    bench.declare(&["b"]);
    let lines: [&[&str]; 3] = [&[], &["-o", "json"], &["-o", "markdown"]];
    for form in lines {
        let plan = ["plan", "--policy-since", "main", "--out", "it.plan"];
        let planned = bench.run(&[&plan[..], form].concat()).ends(0);
        let mut shown = bench.command(&[&["show", "it.plan"][..], form].concat());
        // Neither the files nor GARM are read.
        shown.env("RUNNERCTL_CONFIG", "/nowhere").stdout(Stdio::piped());
        let shown = shown.output().unwrap();
        assert_eq!(shown.status.code(), Some(0));
        assert_eq!(String::from_utf8(shown.stdout).unwrap(), planned.out);
    }
    let before =
        bench.read("it.plan").replacen("\"format_version\": \"2\"", "\"format_version\": \"1\"", 1);
    bench.write("old.plan", &before);
    std::fs::set_permissions(
        bench.path("old.plan"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let said = bench.run(&["show", "old.plan"]).ends(3);
    assert!(
        said.err.contains("format version `1`, which lacks what `show` prints"),
        "{}",
        said.err
    );
    bench.run(&["apply", "old.plan", "--auto-approve"]).ends(0);
    assert_eq!(bench.owned(), ["a", "b"]);
}
