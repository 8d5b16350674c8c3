//! Reads the files of a run and stops at problems in them.

use crate::config::{self, DeclaredPool, FleetFile, Manifest, Problem, Severity, has_error};
use crate::domain::desired::{Desired, Scope};
use crate::domain::entity::EntityKind;
use crate::domain::name::PoolName;
use crate::domain::text::{code, list};
use crate::host::files::{self, Pools, Start};
use crate::plan::{self, RunnerKit};
use crate::policy::UndeclaredPools;
use crate::reconcile::read_fleet::{DeclaredIdentity, FleetRequest, SpecsRequest};
use crate::render::problem;
use crate::render::words::count;

use tracing::info;

use super::context::Context;
use super::failure::Failure;
use super::paths::FilePaths;
use super::policies::PolicySet;
use super::step_summary;

/// What the files say, and every problem in reading and understanding them.
#[derive(Debug)]
pub struct CheckedFiles {
    pub manifest: Manifest,
    /// What is wrong: first what could not be read, then the manifest's own problems.
    pub problems: Vec<Problem>,
    /// The files that were read, as they are shown.
    pub files: Vec<String>,
    /// How much of the fleet they speak for.
    pub scope: Scope,
    /// What lies beside the pool files and was not read.
    pub unread: Vec<String>,
    /// The policies that apply to the pools.
    pub policies: PolicySet,
}

/// Reads the fleet file and the policy file, if there are any, and pool files or folders of them.
pub fn read_files(places: &FilePaths, pools: &[Start]) -> CheckedFiles {
    let fleet = places.fleet.as_ref();
    let Pools { sources, mut problems, is_folder, unread } = files::read_pools(pools);
    let mut paths: Vec<String> = sources.iter().map(|it| it.path.clone()).collect();
    let mut manifest = match fleet.map(files::read_fleet).transpose() {
        Ok(fleet) => {
            paths.extend(fleet.iter().map(|it| it.path.clone()));
            config::load(fleet.as_ref(), &sources)
        }
        Err(problem) => {
            problems.insert(0, problem);
            config::load_in_doubt(&sources)
        }
    };
    problems.extend(manifest.problems.iter().cloned());
    let policies = PolicySet::gather(places.policy.as_ref(), &mut manifest, &mut problems);
    paths.extend(places.policy.iter().map(|it| it.path().display().to_string()));
    let scope = if is_folder { Scope::Whole } else { Scope::Part };
    CheckedFiles { manifest, problems, files: paths, scope, unread, policies }
}

/// Reads the files and judges them by the policy, without GARM.
pub fn check_files(places: &FilePaths, pools: &[Start]) -> CheckedFiles {
    let mut files = read_files(places, pools);
    let violations = files.policies.violations(&files.manifest, UndeclaredPools::default());
    files.problems.extend(violations);
    files.problems.extend(files.policies.unbound(&files.manifest));
    files
}

/// A note that names the files that were not read, if there are any.
pub fn not_read(unread: &[String]) -> Option<String> {
    const SHOWN: usize = 8;
    let names = list(unread.iter().map(code), SHOWN);
    (!unread.is_empty())
        .then(|| format!("note: not read, since pool files are named `*.yaml` or `*.yml`: {names}"))
}

/// The files of a run, without errors.
pub struct Loaded {
    pub manifest: Manifest,
    pub places: FilePaths,
    /// How much of the fleet they speak for.
    pub scope: Scope,
    /// Warnings about them; `validate` shows them.
    pub warnings: usize,
    policies: PolicySet,
}

/// Reads fleet file and pool files where the flags and the environment say.
pub fn load(cx: Context<'_>) -> Result<Loaded, Failure> {
    load_from(cx.settings.paths.clone(), cx)
}

/// Reads fleet file and pool files. Fails (3) when they have errors, which are on stderr by then.
pub fn load_from(places: FilePaths, cx: Context<'_>) -> Result<Loaded, Failure> {
    let files = read_files(&places, std::slice::from_ref(&places.pools));
    stop_at(&files.problems, cx)?;
    if let Some(note) = not_read(&files.unread).filter(|_| files.scope == Scope::Whole) {
        cx.print.say_quietly(&note);
    }
    let warnings = files.problems.len();
    info!(
        event = "step",
        "read {}: {}",
        files.files.join(", "),
        count(files.manifest.pools.len(), "pool")
    );
    let CheckedFiles { manifest, scope, policies, .. } = files;
    Ok(Loaded { manifest, places, scope, warnings, policies })
}

/// Fails when there is an error among the problems; they are on stderr then.
pub fn stop_at(problems: &[Problem], cx: Context<'_>) -> Result<(), Failure> {
    if has_error(problems) {
        cx.print.say(&problem::text(problems));
        let errors = problems.iter().filter(|it| it.severity == Severity::Error).count();
        let errors = format!("{} in the files", count(errors, "problem"));
        step_summary::problems(problems, &errors, cx);
        return Err(Failure::input(errors)
            .help("correct what is marked above; `runnerctl validate` shows it again"));
    }
    Ok(())
}

/// The failure of a command that needs a fleet file and has none.
pub fn missing_fleet_file() -> Failure {
    Failure::input("there is no fleet file, which says where GARM is").help(
        "write `runnerctl.yaml`, or name one with `--config FILE`; to try things out: \
         `runnerctl sandbox --write-config runnerctl.yaml`",
    )
}

impl Loaded {
    /// The fleet file, which everything that asks GARM needs.
    pub fn fleet_file(&self) -> Result<&FleetFile, Failure> {
        self.manifest.fleet_file.as_ref().ok_or_else(missing_fleet_file)
    }

    /// What is asked for, complete. Fails (3) with what `plan` still needs, which is on stderr
    /// by then.
    pub fn desired(&self, cx: Context<'_>) -> Result<Desired, Failure> {
        self.fleet_file()?;
        self.manifest.complete(self.scope).map_err(|problems| {
            cx.print.say(&problem::text(&problems));
            let open = format!("the files leave {} open", count(problems.len(), "thing"));
            step_summary::problems(&problems, &open, cx);
            Failure::input(open)
                .help("say it for each pool, or once for all under `defaults` in the fleet file")
        })
    }

    /// What a plan is made with besides files and fleet.
    pub fn options(
        &self,
        target: &[PoolName],
        kit: RunnerKit,
    ) -> Result<plan::PlanOptions, Failure> {
        let policy = &self.fleet_file()?.policy;
        Ok(plan::PlanOptions {
            target: target.to_vec(),
            protected: policy.protected_pools.clone(),
            show_keys: policy.extra_specs_show.clone(),
            kit,
        })
    }

    /// What the pools ask for and the policy forbids, besides these pools of ours.
    pub fn violations(&self, others: UndeclaredPools) -> Vec<Problem> {
        self.policies.violations(&self.manifest, others)
    }

    fn specs(&self) -> SpecsRequest {
        let Some(file) = &self.manifest.fleet_file else { return SpecsRequest::Unwanted };
        let claims = self.manifest.pools.iter().map(|it| DeclaredIdentity {
            name: it.name.clone(),
            adopt: it.adopt.clone(),
            entity: it.entity.clone(),
            provider: it.provider.clone(),
            os_type: it.os_type.clone(),
        });
        SpecsRequest::Declared { fleet: file.fleet.clone(), pools: claims.collect() }
    }

    /// What has to be read of GARM for these files.
    pub fn ask(&self) -> FleetRequest {
        let is_used = |kind: &EntityKind| {
            self.manifest
                .pools
                .iter()
                .any(|it| it.entity.as_ref().is_some_and(|it| it.kind == *kind))
        };
        let has_template = self.manifest.pools.iter().any(|it| it.template.is_some());
        let names_proxy = |it: &DeclaredPool| it.proxy.as_ref().is_some_and(|it| !it.is_empty());
        let has_proxy = self.manifest.pools.iter().any(names_proxy);
        FleetRequest {
            credentials: false,
            kinds: EntityKind::ALL.into_iter().filter(is_used).collect(),
            templates: has_template,
            proxies: has_proxy,
            specs: self.specs(),
        }
    }
}
