//! The state folder, and the identity of this process for the audit log.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::disk;
use crate::audit::Actor;

/// The name of the default audit file, inside the state folder.
pub const AUDIT_FILE: &str = "audit.jsonl";

/// The state folder: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/runnerctl`, else
/// `~/.local/state/runnerctl`; `None` if none of the variables is set. `variable` looks up an
/// environment variable.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(folders) = set("STATE_DIRECTORY") {
        // If a unit has several state folders, systemd separates them with colons.
        return std::env::split_paths(&folders).next();
    }
    // The XDG specification says to ignore a relative path.
    if let Some(base) = set("XDG_STATE_HOME").map(PathBuf::from).filter(|base| base.is_absolute()) {
        return Some(base.join("runnerctl"));
    }
    set("HOME").map(|home| PathBuf::from(home).join(".local/state/runnerctl"))
}

/// The state folder according to the environment of this process.
pub fn folder_here() -> Option<PathBuf> {
    folder(|name| std::env::var_os(name))
}

/// Creates a folder and its missing parents, private to the owner, and syncs their names to disk.
pub fn create_folder(path: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // Outermost first: if the name of a folder is lost, so are all names in it.
    missing.into_iter().rev().try_for_each(disk::sync_folder)
}

/// The user, host, process and version of this program.
pub fn actor() -> Actor {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .or_else(|| variable("HOSTNAME"));
    Actor {
        user: user(
            rustix::process::getuid().as_raw(),
            std::fs::read_to_string("/proc/self/loginuid").ok().as_deref(),
            &std::fs::read_to_string("/etc/passwd").unwrap_or_default(),
        ),
        host: host.unwrap_or_default(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The user of the process, and the user who logged in if it is a different one (`sudo` changes
/// only the former). Variables such as `$USER` are not used, because the caller can set them to
/// anything.
fn user(uid: u32, login: Option<&str>, passwd: &str) -> String {
    let name = |uid: u32| {
        let has_uid = |line: &&str| line.split(':').nth(2) == Some(uid.to_string().as_str());
        passwd.lines().find(has_uid).and_then(|line| line.split(':').next()).map(str::to_owned)
    };
    let shown = |uid: u32| {
        name(uid).map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
    };
    // For a service, which has no login, `loginuid` is `u32::MAX`.
    let login = login.and_then(|uid| uid.trim().parse().ok()).filter(|uid| *uid != u32::MAX);
    match login.filter(|login| *login != uid) {
        Some(login) => format!("{}, logged in as {}", shown(uid), shown(login)),
        None => shown(uid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_the_one_that_the_system_knows() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(user(1000, None, passwd), "ada (uid 1000)");
        assert_eq!(user(0, Some("1000\n"), passwd), "root (uid 0), logged in as ada (uid 1000)");
        assert_eq!(user(0, Some("4294967295"), passwd), "root (uid 0)");
        assert_eq!(user(0, Some("0"), passwd), "root (uid 0)");
        assert_eq!(user(7, Some("garbage"), ""), "uid 7");
    }

    fn check(variables: &[(&str, &str)], expected: Option<&str>) {
        let found = folder(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        });
        assert_eq!(found, expected.map(PathBuf::from), "{variables:?}");
    }

    #[test]
    fn the_state_folder_is_chosen_in_the_documented_order() {
        let home = ("HOME", "/home/x");
        let xdg = ("XDG_STATE_HOME", "/state");
        check(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), xdg, home], Some("/var/lib/a"));
        check(&[xdg, home], Some("/state/runnerctl"));
        check(&[("XDG_STATE_HOME", "relative"), home], Some("/home/x/.local/state/runnerctl"));
        check(&[("STATE_DIRECTORY", ""), home], Some("/home/x/.local/state/runnerctl"));
        check(&[], None);
    }

    #[test]
    fn a_created_folder_is_private_to_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
