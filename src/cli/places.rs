//! Where the files are: the fleet file and the pool files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::args::Globals;

/// The environment that decides, so that tests bring their own.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `$XDG_CONFIG_HOME`
    pub config_home: Option<PathBuf>,
    /// `$HOME`
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// The process's own. An empty variable is an unset one; so is a relative `XDG_` path, as
    /// the XDG base directory specification has it.
    pub fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|it: &OsString| !it.is_empty());
        let absolute = |name: &str| set(name).map(PathBuf::from).filter(|it| it.is_absolute());
        Self { config_home: absolute("XDG_CONFIG_HOME"), home: set("HOME").map(PathBuf::from) }
    }

    /// Where a fleet file is looked for, in this order, when none is named.
    pub fn fleet_files(&self) -> Vec<PathBuf> {
        let config = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")));
        let user = config.map(|it| it.join("runnerctl/runnerctl.yaml"));
        let system = PathBuf::from("/etc/runnerctl/runnerctl.yaml");
        [PathBuf::from("runnerctl.yaml")].into_iter().chain(user).chain([system]).collect()
    }
}

/// Where the files of this run are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The fleet file: the one named, else the first that is there. It need not exist when named.
    pub fleet: Option<PathBuf>,
    /// The pool file or folder: the one named, else `pools` beside the fleet file.
    pub pools: PathBuf,
    /// The policy file, if one is named.
    pub policy: Option<PathBuf>,
}

impl Places {
    /// From the flags, the environment and what is there, in this order.
    pub fn find(globals: &Globals, surroundings: &Surroundings) -> Self {
        let there = || surroundings.fleet_files().into_iter().find(|it| it.exists());
        let fleet = globals.config.clone().or_else(there);
        let pools = globals.pools.clone().unwrap_or_else(|| beside(fleet.as_deref(), "pools"));
        Self { fleet, pools, policy: globals.policy.clone() }
    }

    /// The folder that relative paths of the fleet file start from; empty for the working folder.
    pub fn base(&self) -> PathBuf {
        beside(self.fleet.as_deref(), "")
    }
}

/// `name` in the folder of `file`, or in the working folder. Without `./` in front, as a person
/// would write it.
fn beside(file: Option<&Path>, name: &str) -> PathBuf {
    file.and_then(Path::parent).map_or_else(|| PathBuf::from(name), |it| it.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn globals(line: &[&str]) -> Globals {
        let line = ["runnerctl"].iter().chain(line).chain(&["schema"]);
        super::super::args::Cli::try_parse_from(line).unwrap().globals
    }

    #[test]
    fn a_fleet_file_is_looked_for_here_then_at_the_users_then_at_the_systems() {
        let home = Some(PathBuf::from("/home/ada"));
        let here = Surroundings { home, ..Surroundings::default() };
        assert_eq!(
            here.fleet_files(),
            [
                "runnerctl.yaml",
                "/home/ada/.config/runnerctl/runnerctl.yaml",
                "/etc/runnerctl/runnerctl.yaml"
            ]
            .map(PathBuf::from)
        );
        let xdg = Surroundings { config_home: Some("/c".into()), ..here.clone() };
        assert_eq!(xdg.fleet_files()[1], PathBuf::from("/c/runnerctl/runnerctl.yaml"));
    }

    #[test]
    fn pool_files_stand_beside_the_fleet_file_unless_they_are_named() {
        let nowhere = Surroundings::default();
        let find = |line: &[&str]| Places::find(&globals(line), &nowhere);
        assert_eq!(find(&["--config", "a/rc.yaml"]).pools, PathBuf::from("a/pools"));
        assert_eq!(find(&["--config", "rc.yaml"]).pools, PathBuf::from("pools"));
        assert_eq!(find(&["--config", "a/rc.yaml"]).base(), PathBuf::from("a/"));
        assert_eq!(find(&["--config", "a/rc.yaml", "-f", "p"]).pools, PathBuf::from("p"));
    }
}
