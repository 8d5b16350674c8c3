//! Files that change while it runs.

use std::os::unix::fs::PermissionsExt;

use super::stage::{POOLS, Stage, eventually};

const TAKEN: &str = "runnerctl_config_last_reload_successful 1";
const REFUSED: &str = "runnerctl_config_last_reload_successful 0";

#[test]
fn a_broken_file_leaves_the_old_in_force_and_a_mended_one_is_taken() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    stage.pools(&POOLS.replace("max_runners", "max_runers"));
    watch.signal("-HUP");
    let page = stage.metrics_with(REFUSED);
    assert!(page.contains("runnerctl_pool_max_runners{pool=\"default\"} 20\n"), "{page}");
    let said = eventually("the problem in the log", || {
        let said = stage.read("watch.err");
        said.contains("unknown key `max_runers`").then_some(said)
    });
    assert!(said.contains("what was in force stays in force"), "{said}");
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 7"));
    watch.signal("-HUP");
    stage.metrics_with("runnerctl_pool_max_runners{pool=\"default\"} 7");
    stage.metrics_with(TAKEN);
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[test]
fn changed_files_are_taken_without_a_signal_and_what_needs_a_restart_is_named() {
    let stage = Stage::set();
    let _watch = stage.watch();
    let config = stage.read("runnerctl.yaml");
    stage.write("runnerctl.yaml", &config.replace("username: admin", "username: root"));
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 8"));
    stage.metrics_with("runnerctl_pool_max_runners{pool=\"default\"} 8");
    let said = stage.read("watch.err");
    assert!(said.contains("`garm` has changed and takes a restart to be in force"), "{said}");
}

#[test]
fn a_pool_that_is_not_what_its_file_says_is_drift() {
    let stage = Stage::set();
    let _watch = stage.watch();
    stage.metrics_with("runnerctl_config_drift{pool=\"default\"} 0");
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 21"));
    stage.metrics_with("runnerctl_config_drift{pool=\"default\"} 1");
    assert!(stage.run(&["apply", "--auto-approve", "--no-audit"]).status.success());
    stage.metrics_with("runnerctl_config_drift{pool=\"default\"} 0");
}

/// The receiver's address is a secret that is written a moment later than the file that names it.
#[test]
fn what_was_refused_is_taken_when_its_cause_is_gone_though_no_file_of_ours_has_changed() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    let config = stage.read("runnerctl.yaml");
    let receiver = "receivers:\n  oncall:\n    webhook:\n      url: file:late.url\n";
    stage.write("runnerctl.yaml", &format!("{config}{receiver}"));
    stage.metrics_with(REFUSED);
    stage.write("late.tmp", "http://127.0.0.1:9/x\n");
    let only_ours = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(stage.path("late.tmp"), only_ours).unwrap();
    std::fs::rename(stage.path("late.tmp"), stage.path("late.url")).unwrap();
    stage.metrics_with(TAKEN);
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    let refusals = said.matches("late.url").count();
    assert_eq!(refusals, 1, "it is tried at each look and said once: {said}");
    assert!(said.contains("the files have changed, and watch follows them now"), "{said}");
}

/// Of a changed file `watch` follows one part at once, and only `apply` tells GARM the other.
#[test]
fn what_waits_for_an_apply_is_named_and_so_is_that_it_is_done() {
    let stage = Stage::set();
    let _watch = stage.watch();
    let config = stage.read("runnerctl.yaml");
    stage.write(
        "runnerctl.yaml",
        &config.replace("minimum_job_age_backoff: 5m", "minimum_job_age_backoff: 6m"),
    );
    stage.pools(&POOLS.replace("max_runners: 20", "max_runners: 21"));
    let says = |what: &str| {
        eventually(what, || stage.read("watch.err").contains(what).then_some(()));
    };
    says("`controller` has changed: GARM knows it after the next `apply`");
    says(
        "default: GARM still has another `max_runners` than the file; `runnerctl apply` changes it",
    );
    assert!(stage.run(&["apply", "--auto-approve", "--no-audit"]).status.success());
    says("default: GARM has what the file says");
}
