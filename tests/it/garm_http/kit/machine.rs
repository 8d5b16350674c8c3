//! The parts of a runner's machine that the kit uses: a folder in place of `/`, with the files of
//! cloud-init and GARM.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use runnerctl::policy::kit::{KitParts, KitTarget, script};
use tempfile::TempDir;

use super::super::authority::Authority;
use super::TOKEN;

const WRAPPER: &str = include_str!("wrapper.sh");

/// A test double of `systemctl`, which applies the drop-in at a reload.
const SYSTEMCTL: &str = "#!/bin/sh\n[ \"$1\" = daemon-reload ] && cp -r @ROOT@/etc/systemd/system.conf.d @ROOT@/loaded\n";

/// A test double of `systemd-run`, which starts a command with the environment that systemd gives
/// every service.
const SYSTEMD_RUN: &str = "#!/bin/sh\n\
    while [ \"${1#--}\" != \"$1\" ]; do shift; done\n\
    exec env $(sed -n 's/^DefaultEnvironment=//p' @ROOT@/loaded/*.conf 2>/dev/null) \"$@\"\n";

pub(super) struct Machine {
    folder: TempDir,
    /// `/run`, which is in memory.
    _run: TempDir,
}

impl Machine {
    /// A new machine whose system trusts `system` and whose installer connects to `url`.
    pub(super) fn new(url: &str, system: &Authority) -> Self {
        let run = TempDir::new_in("/dev/shm").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(run.path(), folder.path().join("run")).unwrap();
        let machine = Self { folder, _run: run };
        fs::create_dir_all(machine.path("home/runner")).unwrap();
        machine.program("systemctl", SYSTEMCTL);
        machine.program("systemd-run", SYSTEMD_RUN);
        let bundle = fs::read_to_string(system.path("ca.pem")).unwrap();
        machine.write("etc/ssl/certs/ca-certificates.crt", &bundle);
        let wrapper = WRAPPER.replace("@URL@", url).replace("@TOKEN@", TOKEN);
        machine.write("install_runner.sh", &wrapper);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(machine.path("install_runner.sh"), mode).unwrap();
        machine
    }

    /// Gives it a token that GARM refuses.
    pub(super) fn spoil_token(&self) {
        let text = self.read("install_runner.sh").replace(TOKEN, "invalid-token");
        self.write("install_runner.sh", &text);
    }

    /// Adds a program that precedes those of this machine in `PATH`.
    pub(super) fn program(&self, name: &str, text: &str) {
        let path = format!("programs/{name}");
        self.write(&path, &text.replace("@ROOT@", self.folder.path().to_str().unwrap()));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(&path), mode).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the kit as cloud-init does. Returns its output, and whether the installation continues.
    pub(super) fn prepare(&self, parts: &KitParts) -> (bool, String) {
        let user = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let place = KitTarget {
            root: self.folder.path().to_owned(),
            owner: format!("{}:{}", user.0, user.1),
        };
        self.write("garm-pre-install/00-runnerctl", &script(parts, &place));
        let output = self.bash("/", &["garm-pre-install/00-runnerctl"]);
        // GARM's cloud-init removes its folder immediately afterwards.
        fs::remove_dir_all(self.path("garm-pre-install")).unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }

    /// Runs the install script as `su -l` does for the user of the jobs. `trusted` is a CA that the
    /// machine trusts in addition to the system's, as an administrator could configure without a
    /// kit.
    pub(super) fn install(&self, trusted: Option<&Authority>) -> Output {
        let home = self.path("home/runner");
        let mut command = self.command(home.to_str().unwrap());
        let bundle = self.path("etc/ssl/certs/ca-certificates.crt");
        let ca = trusted.map_or(bundle, |it| it.path("ca.pem"));
        command.arg(self.path("install_runner.sh")).env("CURL_CA_BUNDLE", ca).output().unwrap()
    }

    /// Runs the job-started hook that every service has in its environment.
    pub(super) fn start_job(&self) -> Output {
        let conf = self.read("etc/systemd/system.conf.d/50-runnerctl.conf");
        let line = "[Manager]\nDefaultEnvironment=ACTIONS_RUNNER_HOOK_JOB_STARTED=";
        let hook = conf.strip_prefix(line).unwrap().trim_end();
        assert!(Path::new(hook).starts_with(self.folder.path()), "{hook}");
        self.bash("/nowhere", &[hook])
    }

    /// The files of the machine that contain `text`.
    pub(super) fn holding(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text) {
                    let path = path.strip_prefix(self.folder.path()).unwrap();
                    found.push(path.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    fn bash(&self, home: &str, line: &[&str]) -> Output {
        let mut command = self.command(home);
        command.current_dir(self.folder.path()).args(line).output().unwrap()
    }

    fn command(&self, home: &str) -> Command {
        let mut command = Command::new("/bin/bash");
        let path = format!("{}:/usr/bin:/bin", self.path("programs").display());
        command.env_clear().env("PATH", path).env("HOME", home).stdin(Stdio::null());
        command
    }
}
