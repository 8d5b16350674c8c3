//! The settings of a run, resolved once from command line and environment, and the printer.

use std::path::PathBuf;

use super::args::{Globals, Output};
use super::paths::{FilePaths, PathEnvironment};
use super::print::Printer;
use crate::secrets;

/// The global options of one run, resolved.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// The paths of the fleet file, the pool files and the policy file.
    pub paths: FilePaths,
    /// The fleet file that `--config` or `RUNNERCTL_CONFIG` names.
    pub config: Option<PathBuf>,
    /// `--config` is on the command line, not only in the environment.
    pub config_is_on_the_line: bool,
    /// The pool files that `--pools` or `RUNNERCTL_POOLS` names.
    pub pools: Option<PathBuf>,
    /// `--pools` is on the command line, not only in the environment.
    pub pools_are_on_the_line: bool,
    /// `--policy` is on the command line, not only in the environment.
    pub policy_is_on_the_line: bool,
    pub allow_exec: bool,
    pub output: Output,
    /// The number of `-v` flags.
    pub verbose: u8,
}

impl RunSettings {
    /// Finds the files without reading them.
    pub fn resolve(globals: &Globals, environment: &PathEnvironment) -> Self {
        let Globals { config, pools, policy, .. } = globals;
        Self {
            paths: FilePaths::find(
                config.as_deref(),
                pools.as_deref(),
                policy.as_deref(),
                environment,
            ),
            config: config.clone(),
            pools: pools.clone(),
            config_is_on_the_line: globals.config_is_on_the_line,
            pools_are_on_the_line: globals.pools_are_on_the_line,
            policy_is_on_the_line: globals.policy_is_on_the_line,
            allow_exec: globals.allow_exec,
            output: globals.output,
            verbose: globals.verbose,
        }
    }

    /// How secret references are resolved; relative paths in them are relative to `base_dir`.
    pub fn secret_options(&self, base_dir: PathBuf) -> secrets::ResolveOptions {
        secrets::ResolveOptions { allow_exec: self.allow_exec, base_dir }
    }
}

/// The argument of every command.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub settings: &'a RunSettings,
    /// All output to stdout and stderr goes through it.
    pub print: &'a Printer,
}
