//! Saved plans in the hands of somebody else: a plan is consent to steps, and nothing that it says
//! is believed or carried out.

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

/// Somebody else may have written what others can write: what was consented to is not known.
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

/// The fleet file names the GARM that gets the password, and the programs of `exec:`.
#[test]
fn a_plan_file_does_not_choose_another_fleet_file() {
    let bench = planned();
    bench.write("evil.yaml", &bench.read("rc.yaml").replace("watch:", "# evil\nwatch:"));
    let text = bench.read("it.plan");
    bench.write("it.plan", &text.replace("/rc.yaml", "/evil.yaml"));
    // Named on the line or by the environment: that one is used, whatever the plan says.
    bench.run(&["apply", "it.plan", "--auto-approve"]).ends(0);
    assert_eq!(bench.owned(), ["a"]);
    // Found where fleet files are looked for: no other one is taken instead of it.
    bench.write("runnerctl.yaml", &bench.read("rc.yaml"));
    let command = bench.command(&["apply", "it.plan", "--auto-approve"]);
    let said = ends(command, 6);
    assert!(said.contains("was made with the fleet file"), "{said}");
    assert!(said.contains("`--config "), "{said}");
}

/// `RUNNERCTL_POLICY` binds every run, and no plan file takes another in its place.
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

/// Other files may be named; what they ask for is shown, and has to be the same steps.
#[test]
fn a_plan_file_that_names_other_pool_files_consents_to_their_steps_only() {
    let bench = planned();
    bench.write("evil/a.yaml", &pool("a").replace("max_runners: 4", "max_runners: 400"));
    let text = bench.read("it.plan");
    let edited = text.replace("/pools\"", "/evil\"");
    assert_ne!(edited, text);
    bench.write("it.plan", &edited);
    let said = bench.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
    assert!(said.err.contains("it differs now for `a`"), "{}", said.err);
    nothing_written(&bench);
}

fn ends(mut command: std::process::Command, code: i32) -> String {
    let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}
