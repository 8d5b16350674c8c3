//! The paths of the fleet file, the pool files and the policy file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::host::files::SourcePath;

/// The environment variables that select the paths; tests set their own.
#[derive(Debug, Clone, Default)]
pub struct PathEnvironment {
    pub config_home: Option<PathBuf>,
    pub home: Option<PathBuf>,
}

impl PathEnvironment {
    /// Reads the environment of the process. An empty variable counts as unset, and so does a
    /// relative `XDG_` path, as the XDG base directory specification requires.
    pub fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let absolute = |name: &str| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self { config_home: absolute("XDG_CONFIG_HOME"), home: set("HOME").map(PathBuf::from) }
    }

    /// The places where a fleet file is searched for, in this order, if none is named. The working
    /// folder may be a checkout of a proposed change; the user's and the system's folders are
    /// trusted, including links in them.
    pub fn fleet_files(&self) -> Vec<SourcePath> {
        let here = SourcePath::Below { folder: PathBuf::new(), rest: "runnerctl.yaml".into() };
        let config = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")));
        let user = config.map(|folder| folder.join("runnerctl/runnerctl.yaml"));
        let system = PathBuf::from("/etc/runnerctl/runnerctl.yaml");
        let trusted = user.into_iter().chain([system]).map(SourcePath::Named);
        [here].into_iter().chain(trusted).collect()
    }
}

/// The paths of the files of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePaths {
    /// The named fleet file, which need not exist, else the first one found.
    pub fleet: Option<SourcePath>,
    /// The named pool file or folder, else `pools` beside the fleet file.
    pub pools: SourcePath,
    /// The policy file, if `--policy` names one.
    pub policy: Option<SourcePath>,
}

impl FilePaths {
    /// Resolves the paths from the flags, the environment and the files found, in this order.
    pub fn find(
        config: Option<&Path>,
        pools: Option<&Path>,
        policy: Option<&Path>,
        environment: &PathEnvironment,
    ) -> Self {
        let named = |path: &Path| SourcePath::Named(path.to_owned());
        // A dangling link counts as found: skipping it would select another fleet file.
        let is_there = |file: &SourcePath| std::fs::symlink_metadata(file.path()).is_ok();
        let found = || environment.fleet_files().into_iter().find(is_there);
        let fleet = config.map(named).or_else(found);
        let pools = pools.map_or_else(
            || SourcePath::Below { folder: base(fleet.as_ref()), rest: "pools".into() },
            named,
        );
        Self { fleet, pools, policy: policy.map(named) }
    }

    /// The folder that paths in the fleet file are relative to; empty for the working folder.
    pub fn base(&self) -> PathBuf {
        base(self.fleet.as_ref())
    }
}

fn base(fleet: Option<&SourcePath>) -> PathBuf {
    fleet.and_then(|file| file.path().parent().map(Path::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_file_is_searched_for_here_then_for_the_user_then_for_the_system() {
        let home = Some(PathBuf::from("/home/ada"));
        let here = PathEnvironment { home, ..PathEnvironment::default() };
        let paths = |environment: &PathEnvironment| {
            environment.fleet_files().iter().map(SourcePath::path).collect::<Vec<_>>()
        };
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
    fn pool_files_are_beside_the_fleet_file_unless_named() {
        let nowhere = PathEnvironment::default();
        let find = |config: &str, pools: Option<&str>| {
            FilePaths::find(Some(config.as_ref()), pools.map(Path::new), None, &nowhere)
        };
        let below = |folder: &str| SourcePath::Below {
            folder: folder.into(),
            rest: PathBuf::from("pools"),
        };
        assert_eq!(find("a/rc.yaml", None).pools, below("a"));
        assert_eq!(find("rc.yaml", None).pools, below(""));
        assert_eq!(find("rc.yaml", None).pools.path(), PathBuf::from("pools"));
        assert_eq!(find("a/rc.yaml", None).base(), PathBuf::from("a"));
        let named = SourcePath::Named("p".into());
        assert_eq!(find("a/rc.yaml", Some("p")).pools, named);
    }
}
