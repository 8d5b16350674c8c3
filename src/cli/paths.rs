//! Where the files are: the fleet file and the pool files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::host::files::Start;

/// The environment that decides, so that tests bring their own.
#[derive(Debug, Clone, Default)]
pub struct PathEnvironment {
    pub config_home: Option<PathBuf>,
    pub home: Option<PathBuf>,
}

impl PathEnvironment {
    /// The process's own. An empty variable is an unset one; so is a relative `XDG_` path, as
    /// the XDG base directory specification has it.
    pub fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|it: &OsString| !it.is_empty());
        let absolute = |name: &str| set(name).map(PathBuf::from).filter(|it| it.is_absolute());
        Self { config_home: absolute("XDG_CONFIG_HOME"), home: set("HOME").map(PathBuf::from) }
    }

    /// Where a fleet file is looked for, in this order, when none is named. The working folder may
    /// be a checkout of a proposed change; the user's and the system's folders are
    /// trusted, links in them included.
    pub fn fleet_files(&self) -> Vec<Start> {
        let here = Start::Below { folder: PathBuf::new(), rest: "runnerctl.yaml".into() };
        let config = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")));
        let user = config.map(|it| it.join("runnerctl/runnerctl.yaml"));
        let system = PathBuf::from("/etc/runnerctl/runnerctl.yaml");
        let trusted = user.into_iter().chain([system]).map(Start::Named);
        [here].into_iter().chain(trusted).collect()
    }
}

/// Where the files of this run are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePaths {
    /// The fleet file: the one named, else the first that is there. It need not exist when named.
    pub fleet: Option<Start>,
    /// The pool file or folder: the one named, else `pools` beside the fleet file.
    pub pools: Start,
    /// The policy file, if one is named.
    pub policy: Option<Start>,
}

impl FilePaths {
    /// From the flags, the environment and what is there, in this order.
    pub fn find(
        config: Option<&Path>,
        pools: Option<&Path>,
        policy: Option<&Path>,
        environment: &PathEnvironment,
    ) -> Self {
        let named = |it: &Path| Start::Named(it.to_owned());
        // A link to nothing is there: passing over it would take another fleet file instead.
        let is_there = |it: &Start| std::fs::symlink_metadata(it.path()).is_ok();
        let found = || environment.fleet_files().into_iter().find(is_there);
        let fleet = config.map(named).or_else(found);
        let pools = pools.map_or_else(
            || Start::Below { folder: base(fleet.as_ref()), rest: "pools".into() },
            named,
        );
        Self { fleet, pools, policy: policy.map(named) }
    }

    /// The folder that relative paths of the fleet file start from; empty for the working folder.
    pub fn base(&self) -> PathBuf {
        base(self.fleet.as_ref())
    }
}

fn base(fleet: Option<&Start>) -> PathBuf {
    fleet.and_then(|it| it.path().parent().map(Path::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_file_is_looked_for_here_then_at_the_users_then_at_the_systems() {
        let home = Some(PathBuf::from("/home/ada"));
        let here = PathEnvironment { home, ..PathEnvironment::default() };
        let paths =
            |it: &PathEnvironment| it.fleet_files().iter().map(Start::path).collect::<Vec<_>>();
        assert_eq!(
            paths(&here),
            [
                "runnerctl.yaml",
                "/home/ada/.config/runnerctl/runnerctl.yaml",
                "/etc/runnerctl/runnerctl.yaml"
            ]
            .map(PathBuf::from)
        );
        let xdg = PathEnvironment { config_home: Some("/c".into()), ..here.clone() };
        assert_eq!(paths(&xdg)[1], PathBuf::from("/c/runnerctl/runnerctl.yaml"));
    }

    #[test]
    fn pool_files_stand_beside_the_fleet_file_unless_they_are_named() {
        let nowhere = PathEnvironment::default();
        let find = |config: &str, pools: Option<&str>| {
            FilePaths::find(Some(config.as_ref()), pools.map(Path::new), None, &nowhere)
        };
        let below =
            |folder: &str| Start::Below { folder: folder.into(), rest: PathBuf::from("pools") };
        assert_eq!(find("a/rc.yaml", None).pools, below("a"));
        assert_eq!(find("rc.yaml", None).pools, below(""));
        assert_eq!(find("rc.yaml", None).pools.path(), PathBuf::from("pools"));
        assert_eq!(find("a/rc.yaml", None).base(), PathBuf::from("a"));
        let named = Start::Named("p".into());
        assert_eq!(find("a/rc.yaml", Some("p")).pools, named);
    }
}
