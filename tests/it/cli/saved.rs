//! A saved plan is consent, not instructions.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::bench::{Bench, pool};

fn planned() -> Bench {
    let bench = Bench::new();
    bench.declare(&["a", "b"]);
    let said = bench.run(&["plan", "--out", "it.plan"]).ends(0);
    assert!(
        said.out
            .ends_with("+ create  ~ update\nnext: `runnerctl apply it.plan` applies this plan\n")
    );
    bench
}

#[test]
fn a_saved_plan_applies_from_any_folder_and_is_readable_by_its_owner_only() {
    let bench = planned();
    let mode = bench.path("it.plan").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    std::fs::create_dir(bench.path("elsewhere")).unwrap();
    let mut command = bench.command(&["apply", "../it.plan", "--auto-approve"]);
    let said = command.current_dir(bench.path("elsewhere")).output().unwrap();
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(bench.owned(), ["a", "b"]);
}

#[test]
fn saving_a_plan_to_a_link_or_a_stream_does_not_replace_it() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.write("kept/it.plan", "");
    symlink("kept/it.plan", bench.path("link.plan")).unwrap();
    bench.run(&["plan", "--out", "link.plan"]).ends(0);
    assert!(bench.path("link.plan").symlink_metadata().unwrap().is_symlink());
    let saved = bench.read("kept/it.plan");
    bench.run(&["apply", "link.plan", "--auto-approve"]).ends(0);

    // The path leads to stdout, which is first a pipe and then a file.
    bench.declare(&["b"]);
    let stdout = bench.path("stdout");
    symlink("/proc/self/fd/1", &stdout).unwrap();
    let said = bench.run(&["plan", "--out", "stdout"]).ends(0);
    assert!(said.out.starts_with(saved.lines().next().unwrap()), "{}", said.out);
    let mut command = bench.command(&["plan", "--out", "stdout", "--config", "rc.yaml"]);
    command.stdout(File::create(bench.path("out")).unwrap());
    assert!(command.status().unwrap().success());
    assert!(stdout.symlink_metadata().unwrap().is_symlink());
    assert_eq!(bench.read("out").lines().count(), said.out.lines().count());
    let said = bench.run(&["plan", "--out", "kept"]).ends(1);
    assert!(
        said.err.contains("cannot write the plan to `kept`: not a regular file"),
        "{}",
        said.err
    );
}

#[test]
fn a_saved_plan_still_needs_approval_and_permission_to_delete() {
    let bench = planned();
    let asked = bench.run(&["apply", "it.plan"]).ends(6);
    let hint = "then apply them with `runnerctl apply it.plan --auto-approve`\n";
    assert!(asked.err.ends_with(hint), "{}", asked.err);
    bench.run(&["apply", "it.plan", "--auto-approve"]).ends(0);
    let again = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
    assert!(again.err.contains("stale: GARM already matches the files"), "{}", again.err);
    bench.remove("pools/b.yaml");
    bench.run(&["plan", "--out", "less.plan"]).ends(0);
    bench.run(&["apply", "less.plan", "--auto-approve"]).ends(6);
    assert_eq!(bench.owned(), ["a", "b"]);
}

#[test]
fn a_stale_saved_plan_is_refused_and_the_differing_pools_are_named() {
    let bench = planned();
    bench.write("pools/b.yaml", &pool("b").replace("max_runners: 4", "max_runners: 5"));
    let stale = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
    assert!(
        stale.err.contains("error: the saved plan is stale: the current plan differs for `b`\n"),
        "{}",
        stale.err
    );
    assert_eq!(bench.owned(), Vec::<String>::new());
}

#[test]
fn nothing_in_a_plan_file_is_executed() {
    let bench = planned();
    let text = bench.read("it.plan");
    let tampered = text.replace("m5.large", "x9.huge");
    assert_ne!(tampered, text);
    bench.write("it.plan", &tampered);
    bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
    assert_eq!(bench.owned(), Vec::<String>::new());
    for broken in ["", "{}", "[1", &text[..text.len() / 2]] {
        bench.write("it.plan", broken);
        let said = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(3);
        assert!(said.err.contains("cannot read the saved plan `it.plan`"), "{}", said.err);
    }
    bench.run(&["apply", "no.plan", "--auto-approve"]).ends(3);
}

#[test]
fn a_saved_plan_for_another_garm_is_refused() {
    let bench = planned();
    let other = Bench::new();
    other.declare(&["a", "b"]);
    let plan = bench.path("it.plan");
    let pools = bench.path("pools");
    let line = ["apply", plan.to_str().unwrap(), "--auto-approve", "-f", pools.to_str().unwrap()];
    let said = other.run(&line).ends(6);
    assert!(said.err.contains("on another GARM"), "{}", said.err);
}

#[test]
fn a_saved_plan_excludes_flags_that_select_pools() {
    let bench = planned();
    for more in [&["-f", "elsewhere"][..], &["--target", "a"]] {
        let line = [&["apply", "it.plan", "--auto-approve"], more].concat();
        let said = bench.run(&line).ends(64);
        assert!(said.err.contains("cannot be combined with a saved plan"), "{}", said.err);
    }
    bench
        .run_with(&["apply", "it.plan", "--auto-approve"], &[("RUNNERCTL_POOLS", "elsewhere")])
        .ends(0);
}
