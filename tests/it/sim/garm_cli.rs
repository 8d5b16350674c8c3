//! GARM's own client on the sandbox's scale sets. Runs only if `RUNNERCTL_TEST_GARM_CLI` names the
//! program (`tests/README.md`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::sandbox::{Sandbox, url_of};
use crate::support::process::eventually;

/// `garm-cli` with a profile of its own.
struct GarmCli {
    program: PathBuf,
    home: PathBuf,
}

impl GarmCli {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("HOME", &self.home).env_remove("XDG_DATA_HOME");
        command.output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--format", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The client with a profile for the sandbox that wrote this fleet file.
    fn with_profile(program: PathBuf, home: &Path, file: &Path) -> Self {
        let cli = Self { program, home: home.to_owned() };
        let mut secret = file.to_owned().into_os_string();
        secret.push(".password");
        let password = std::fs::read_to_string(secret).unwrap();
        let (url, password) = (url_of(file), password.trim_end());
        let profile = ["profile", "add", "--name", "sandbox", "--url", &url];
        let login = ["--username", "admin", "--password", password];
        let output = cli.run(&[&profile[..], &login[..]].concat());
        assert!(output.status.success(), "{output:?}");
        cli
    }
}

fn names(all: &Value) -> Vec<&str> {
    all.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn garms_client_lists_shows_changes_and_deletes_scale_sets_and_their_runners() {
    let variable = std::env::var_os("RUNNERCTL_TEST_GARM_CLI");
    let Some(program) = variable.filter(|path| !path.is_empty()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rc.yaml");
    let sandbox = Sandbox::start(&["--write-config", file.to_str().unwrap(), "--scale-sets", "2"]);
    eventually("the fleet file", || file.exists().then_some(()));
    let cli = GarmCli::with_profile(program.into(), folder.path(), &file);

    let all = cli.json(&["scaleset", "list"]);
    assert_eq!(names(&all), ["by-hand-set-1", "by-hand-set-2"]);
    let shown = cli.json(&["scaleset", "show", "1"]);
    assert_eq!((&shown["name"], &shown["max_runners"]), (&"by-hand-set-1".into(), &5.into()));

    let change = ["--max-runners", "3", "--min-idle-runners", "2", "--image", "new"];
    let changed = cli.json(&[&["scaleset", "update", "1"], &change[..]].concat());
    assert_eq!((&changed["max_runners"], &changed["image"]), (&3.into(), &"new".into()));

    let runners = eventually("two runners of the scale set", || {
        let runners = cli.json(&["scaleset", "runner", "list", "1"]);
        (runners.as_array().is_some_and(|all| all.len() == 2)).then_some(runners)
    });
    let runner = cli.json(&["runner", "show", names(&runners)[0]]);
    assert_eq!(runner["scale_set_id"], 1, "{runner}");

    let refused = cli.run(&["scaleset", "delete", "2"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("disable it first"), "{said}");
    cli.json(&["scaleset", "update", "2", "--enabled=false"]);
    // GARM crashes if the DELETE follows within milliseconds, and so does the sandbox.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let deleted = cli.run(&["scaleset", "delete", "2"]);
    assert!(deleted.status.success(), "{deleted:?}");
    assert_eq!(names(&cli.json(&["scaleset", "list"])), ["by-hand-set-1"]);
    sandbox.end("-TERM");
}
