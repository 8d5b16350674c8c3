//! Saved plans written by an attacker. A saved plan is only consent to steps: nothing in it is
//! trusted or executed.

use std::os::unix::fs::PermissionsExt;

use crate::cli::bench::{Bench, pool};

fn planned() -> Bench {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.run(&["plan", "--out", "it.plan"]).ends(0);
    bench
}

fn nothing_written(bench: &Bench) {
    assert_eq!(bench.owned(), Vec::<String>::new());
}

#[test]
fn a_plan_that_was_carried_out_is_stale_from_then_on() {
    let bench = planned();
    let line = ["apply", "it.plan", "--auto-approve"];
    bench.run(&line).ends(0);
    let records = bench.read(".local/state/runnerctl/audit.jsonl");
    let said = bench.run(&line).ends(6);
    assert!(said.err.contains("the saved plan is stale"), "{}", said.err);
    assert_eq!(bench.owned(), ["a"]);
    assert_eq!(bench.read(".local/state/runnerctl/audit.jsonl"), records, "nothing was done");
}

/// A file that others can write may have been replaced, so it proves no consent.
#[test]
fn a_plan_file_that_others_can_write_is_refused() {
    let bench = planned();
    for mode in [0o620, 0o602, 0o666] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(bench.path("it.plan"), permissions).unwrap();
        let said = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
        assert!(said.err.contains("lets others write to it"), "{}", said.err);
        nothing_written(&bench);
    }
}

/// The fleet file names the GARM that receives the password, and the programs of `exec:`.
#[test]
fn a_plan_file_does_not_choose_another_fleet_file() {
    let bench = planned();
    bench.write("evil.yaml", &bench.read("rc.yaml").replace("watch:", "# evil\nwatch:"));
    let text = bench.read("it.plan");
    bench.write("it.plan", &text.replace("/rc.yaml", "/evil.yaml"));
    // A file that a flag or the environment names is used, even if the plan names another one.
    bench.run(&["apply", "it.plan", "--auto-approve"]).ends(0);
    assert_eq!(bench.owned(), ["a"]);
    // A file in the default folders is not replaced by another one, either.
    bench.write("runnerctl.yaml", &bench.read("rc.yaml"));
    let command = bench.command(&["apply", "it.plan", "--auto-approve"]);
    let said = ends(command, 6);
    assert!(said.contains("was made with the fleet file"), "{said}");
    assert!(said.contains("`--config "), "{said}");
}

/// `RUNNERCTL_POLICY` applies to every run, and a plan file cannot replace it.
#[test]
fn a_plan_file_does_not_loosen_the_policy() {
    let bench = planned();
    bench.write("strict.yaml", "policy: { allowed_instance_types: ['c5.*'] }\n");
    bench.write("lax.yaml", "policy: { allowed_instance_types: ['*'] }\n");
    let line = ["apply", "it.plan", "--auto-approve"];
    let strict = [("RUNNERCTL_POLICY", "strict.yaml")];
    bench.run_with(&line, &strict).ends(3);
    let lax = bench.path("lax.yaml").display().to_string();
    let text = bench.read("it.plan");
    bench.write("it.plan", &text.replace("\"policy\": null", &format!("\"policy\": \"{lax}\"")));
    let said = bench.run_with(&line, &strict).ends(6);
    assert!(said.err.contains("was made with the policy file"), "{}", said.err);
    nothing_written(&bench);
}

/// A variable that a broken script left empty must not remove the policy.
#[test]
fn an_empty_policy_variable_is_no_run_without_a_policy() {
    let bench = planned();
    for line in [&["plan"][..], &["apply", "--auto-approve"], &["validate"]] {
        let said = bench.run_with(line, &[("RUNNERCTL_POLICY", "")]).ends(64);
        assert!(said.err.contains("--policy"), "{}", said.err);
    }
    nothing_written(&bench);
}

/// A plan may name other pool files. They are planned again, and the steps must be the same.
#[test]
fn a_plan_file_that_names_other_pool_files_consents_to_their_steps_only() {
    let bench = planned();
    bench.write("evil/a.yaml", &pool("a").replace("max_runners: 4", "max_runners: 400"));
    let text = bench.read("it.plan");
    let edited = text.replace("/pools\"", "/evil\"");
    assert_ne!(edited, text);
    bench.write("it.plan", &edited);
    let said = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
    assert!(said.err.contains("the current plan differs for `a`"), "{}", said.err);
    nothing_written(&bench);
}

/// A plan file may name neither links nor files outside the folder of the fleet file, unless the
/// command line names them, too. The error shows the refused name, but no content.
#[test]
fn a_plan_file_that_names_files_of_the_machine_shows_nothing_of_them() {
    let bench = planned();
    let elsewhere = Bench::bare();
    elsewhere.write("shadow", "canary: 1\n");
    elsewhere.write("pools/a.yaml", "canary: 1\n");
    let text = bench.read("it.plan");
    let own = format!("{:?}", bench.path("pools"));
    let line = ["apply", "it.plan", "--auto-approve"];
    for other in [elsewhere.path("shadow"), elsewhere.path("pools"), "/etc/shadow".into()] {
        let edited = text.replace(&own, &format!("{other:?}"));
        assert_ne!(edited, text);
        bench.write("it.plan", &edited);
        let said = bench.run(&line).ends(6);
        assert!(said.err.contains("outside the fleet file's folder"), "{}", said.err);
        assert!(!said.err.contains("canary"), "{}", said.err);
    }
    std::os::unix::fs::symlink(elsewhere.path("pools"), bench.path("link")).unwrap();
    for inside in ["link", "link/a.yaml", "pools/../../x"] {
        bench.write("it.plan", &text.replace(&own, &format!("{:?}", bench.path(inside))));
        let said = bench.run(&line).ends(3);
        assert!(said.err.contains("RC0105") && !said.err.contains("canary"), "{}", said.err);
    }
    nothing_written(&bench);
}

#[test]
fn a_plan_of_files_elsewhere_is_carried_out_where_the_run_names_them_too() {
    let bench = Bench::new();
    let elsewhere = Bench::bare();
    elsewhere.declare(&["a"]);
    let pools = elsewhere.path("pools").display().to_string();
    bench.run(&["plan", "-f", &pools, "--out", "it.plan"]).ends(0);
    let line = ["apply", "it.plan", "--auto-approve"];
    let said = bench.run(&line).ends(6);
    assert!(said.err.contains(&format!("`-f {pools}`")), "{}", said.err);
    nothing_written(&bench);
    bench.run(&[&line[..], &["-f", &pools]].concat()).ends(0);
    assert_eq!(bench.owned(), ["a"]);
}

/// Reading a pipe would block, and another user can change a file that belongs to that user.
#[test]
fn a_plan_file_of_another_user_or_a_pipe_is_not_read() {
    let bench = planned();
    let mode = rustix::fs::Mode::RUSR;
    let pipe = bench.path("pipe.plan");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let said = bench.run(&["apply", "pipe.plan", "--auto-approve"]).ends(3);
    assert!(said.err.contains("it is not a regular file"), "{}", said.err);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(bench.path("it.plan"), Some(65_534), None).unwrap();
        let said = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
        assert!(said.err.contains("belongs to the user with uid 65534"), "{}", said.err);
    }
    nothing_written(&bench);
}

fn ends(mut command: std::process::Command, code: i32) -> String {
    let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}
