//! The configuration of the service from the files, and the settings that can change while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::cli::context::{Context, RunSettings};
use crate::cli::failure::Failure;
use crate::cli::garms::check_names;
use crate::cli::load::{CheckedFiles, check_files, missing_fleet_file};
use crate::cli::paths::FilePaths;
use crate::cli::policies::PolicySet;
use crate::config::{DeclaredPool, FleetFile, Problem, WatchSettings, has_error};
use crate::domain::desired::Scope;
use crate::domain::name::{FleetName, GarmName};
use crate::domain::owners::AdoptedSets;
use crate::domain::text::code;
use crate::election::{JoinedLeases, join};
use crate::host::files::{self, PoolFiles};
use crate::reconcile::watch::{DeclaredPools, DeclaredScaling};
use crate::render::problem;
use crate::render::words::count;
use crate::secrets;

/// The fleet file and the pools of one GARM, without errors.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DaemonConfig {
    /// The name of the GARM in the fleet file; absent without `garms`.
    pub(super) garm: Option<GarmName>,
    pub(super) file: FleetFile,
    /// `watch:` of the fleet file, or its defaults.
    pub(super) watch: WatchSettings,
    pub(super) pools: Arc<[DeclaredPool]>,
    /// The policies that apply to the pools.
    pub(super) policies: PolicySet,
    /// The folder of the fleet file.
    pub(super) base: PathBuf,
    /// Whether the files declare the whole fleet.
    pub(super) is_whole: bool,
    /// The number of warnings; `validate` prints them.
    pub(super) warnings: usize,
}

/// The declared pools in the form that the loop takes.
pub(in crate::cli) fn declared_pools(fleet: &FleetName, pools: &[DeclaredPool]) -> DeclaredPools {
    let enrolled = |pool: &DeclaredPool| DeclaredScaling {
        enabled: pool.may_be_enabled(),
        policy: pool.scale.clone(),
    };
    let adopted = AdoptedSets::of(pools.iter().map(|pool| &pool.settings));
    let pools: BTreeMap<_, _> =
        pools.iter().map(|pool| (pool.name.clone(), enrolled(pool))).collect();
    DeclaredPools { fleet: fleet.clone(), pools, adopted, is_whole: false }
}

/// The error of refused files, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConfigError {
    pub(super) message: String,
    /// The report of all problems, as `validate` prints it; may be empty.
    pub(super) report: String,
    /// The hint; may be empty.
    pub(super) help: String,
}

impl DaemonConfig {
    /// Reads the files at the start, for the GARMs that `selected` names; all if it is empty. Returns
    /// at least one. Fails (3) if the files have errors, after printing these to stderr, and (64) if
    /// they name no such GARM.
    pub(super) fn load(selected: &[GarmName], cx: Context<'_>) -> Result<Vec<Self>, Failure> {
        match read(cx.settings, selected) {
            Ok(setup) => Ok(setup),
            Err(refused) if refused.report.is_empty() && refused.help.is_empty() => {
                Err(missing_fleet_file())
            }
            Err(refused) if refused.report.is_empty() => {
                Err(Failure::usage(refused.message).help(refused.help))
            }
            Err(refused) => {
                cx.print.say(&refused.report);
                Err(Failure::input(refused.message)
                    .help("correct the errors above, then run `runnerctl validate`"))
            }
        }
    }

    /// The pools for the loop to scale.
    pub(super) fn declared_pools(&self) -> DeclaredPools {
        DeclaredPools { is_whole: self.is_whole, ..declared_pools(&self.file.fleet, &self.pools) }
    }

    /// How the secret references of the files are resolved.
    pub(super) fn allowed(&self, run: &RunSettings) -> secrets::ResolveOptions {
        run.secret_options(self.base.clone())
    }

    /// The keys of the fleet file that differ in `fresh` and need a restart.
    pub(super) fn needs_restart(&self, fresh: &Self) -> Vec<&'static str> {
        let (old, new) = (&self.watch, &fresh.watch);
        let rows = [
            ("fleet", self.file.fleet != fresh.file.fleet),
            ("garm", self.file.garm != fresh.file.garm),
            ("watch.listen", old.listen != new.listen),
            ("watch.resync", old.resync != new.resync),
            ("watch.audit", old.audit != new.audit),
            ("watch.audit_key", old.audit_key != new.audit_key),
            ("watch.previous_audit_keys", old.previous_audit_keys != new.previous_audit_keys),
            ("watch.audit_required", old.audit_required != new.audit_required),
            ("watch.audit_rotate", old.audit_rotate != new.audit_rotate),
            ("watch.audit_anchor", old.audit_anchor != new.audit_anchor),
            ("watch.leader", old.leader != new.leader),
            ("watch.tls", old.tls.is_some() != new.tls.is_some()),
        ];
        rows.into_iter().filter(|row| row.1).map(|row| row.0).collect()
    }

    /// The keys of the fleet file, pools excepted, that differ in `fresh` and need an `apply`.
    pub(super) fn needs_apply(&self, fresh: &Self) -> Vec<&'static str> {
        let (old, new) = (&self.file, &fresh.file);
        let rows = [
            ("controller", old.controller != new.controller),
            ("credentials", old.credentials != new.credentials),
            ("runner_mtls", old.runner_mtls != new.runner_mtls),
            (
                "policy.networks.must_not_reach",
                old.policy.must_not_reach != new.policy.must_not_reach,
            ),
        ];
        rows.into_iter().filter(|row| row.1).map(|row| row.0).collect()
    }
}

/// The error for a group that also has pools of a GARM which `--garm` leaves out: its limit could not
/// be kept.
pub(super) fn partial_group(garms: &[DaemonConfig]) -> Option<ConfigError> {
    let is_served = |name: &GarmName| garms.iter().any(|garm| garm.garm.as_ref() == Some(name));
    let pools = garms.iter().flat_map(|garm| garm.pools.iter());
    let mut groups = pools.filter_map(|pool| pool.scale.group.as_ref());
    let (group, garm) = groups
        .find_map(|group| Some((group, group.garms.iter().find(|garm| !is_served(garm))?)))?;
    Some(ConfigError {
        message: format!(
            "group {} also has pools of GARM {}, which `--garm` leaves out: its limit could not be kept",
            code(group.name.as_str()),
            code(garm.as_str())
        ),
        report: String::new(),
        help: "name all GARMs of the group, or none".to_owned(),
    })
}

/// The leases of GARMs that have pools in a common group: only a process that leads at all of them
/// may raise `max_runners` there.
pub(super) fn joined_leases(garms: &[DaemonConfig]) -> JoinedLeases {
    let lease = |name: &GarmName| {
        let garm = garms.iter().find(|garm| garm.garm.as_ref() == Some(name))?;
        garm.watch.leader.as_ref().map(|leader| leader.name.clone())
    };
    let pools = garms.iter().flat_map(|garm| garm.pools.iter());
    let groups: BTreeSet<&[GarmName]> =
        pools.filter_map(|pool| Some(pool.scale.group.as_ref()?.garms.as_slice())).collect();
    let sets: Vec<_> =
        groups.into_iter().map(|group| group.iter().filter_map(lease).collect()).collect();
    join(&sets)
}

/// The digest of the files. Files with the same digest are not decoded again, which takes twenty
/// times the memory of their text. Blocks on disk access.
pub(super) fn digest(run: &RunSettings) -> [u8; 32] {
    let places = &run.paths;
    let PoolFiles { sources, problems, .. } =
        files::read_pools(std::slice::from_ref(&places.pools));
    let others = [places.fleet.as_ref(), places.policy.as_ref()].into_iter().flatten();
    let others: Vec<_> = others.map(files::read_fleet).collect();
    let mut digest = Sha256::new();
    for source in sources.iter().chain(others.iter().flatten()) {
        digest.update(format!("{:?} {}\n", source.path, source.text.len()));
        digest.update(&source.text);
    }
    for problem in problems.iter().chain(others.iter().filter_map(|other| other.as_ref().err())) {
        digest.update(format!("{problem:?}\n"));
    }
    digest.update(format!("{places:?}"));
    digest.finalize().into()
}

/// Reads the files that the flags and the environment select. Returns the configuration of each GARM
/// that `selected` names, or of all if it is empty; at least one. Blocks on disk access.
pub(super) fn read(
    run: &RunSettings,
    selected: &[GarmName],
) -> Result<Vec<DaemonConfig>, ConfigError> {
    let places = &run.paths;
    judge(&check_files(places, std::slice::from_ref(&places.pools)), places, selected)
}

fn judge(
    files: &CheckedFiles,
    places: &FilePaths,
    selected: &[GarmName],
) -> Result<Vec<DaemonConfig>, ConfigError> {
    if has_error(&files.problems) {
        let errors = files.problems.iter().filter(|problem| is_error(problem)).count();
        let message = format!("{} in the files", count(errors, "problem"));
        let help = "run `runnerctl validate` to see the errors".to_owned();
        return Err(ConfigError { message, report: problem::text(&files.problems), help });
    }
    let garms = files.per_garm().into_iter().filter_map(|own| of_garm(own, places));
    let garms: Vec<DaemonConfig> = garms.collect();
    if garms.is_empty() {
        let message = "no fleet file found".to_owned();
        return Err(ConfigError { message, report: String::new(), help: String::new() });
    }
    check_names(selected, &files.manifest).map_err(|unknown| ConfigError {
        message: unknown.message,
        report: String::new(),
        help: unknown.help.unwrap_or_default(),
    })?;
    let is_meant = |garm: &DaemonConfig| {
        selected.is_empty() || garm.garm.as_ref().is_some_and(|name| selected.contains(name))
    };
    Ok(garms.into_iter().filter(is_meant).collect())
}

fn of_garm(files: CheckedFiles, places: &FilePaths) -> Option<DaemonConfig> {
    let file = files.manifest.fleet_file?;
    Some(DaemonConfig {
        garm: file.garm.name.clone(),
        watch: file.watch.clone().unwrap_or_default(),
        file,
        pools: files.manifest.pools.into(),
        policies: files.policies,
        base: places.base(),
        is_whole: files.scope == Scope::Whole,
        warnings: files.problems.len(),
    })
}

fn is_error(problem: &Problem) -> bool {
    has_error(std::slice::from_ref(problem))
}
