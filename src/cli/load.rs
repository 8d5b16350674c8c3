//! Reads the files of a run and stops if they have errors.

use crate::config::{self, Code, FleetFile, Manifest, Problem, Severity, SourceFile, has_error};
use crate::domain::desired::{Desired, Scope};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::text::{code, list};
use crate::host::files::{self, PoolFiles, SourcePath};
use crate::plan::{self, RunnerKit};
use crate::policy::UndeclaredPools;
use crate::reconcile::read_fleet::{
    DeclaredIdentity, FleetRequest, SpecsRequest, TemplatesRequest,
};
use crate::render::problem;
use crate::render::words::count;

use tracing::info;

use super::context::Context;
use super::failure::Failure;
use super::garms::check_names;
use super::paths::FilePaths;
use super::policies::PolicySet;
use super::step_summary;

/// The decoded files, and every problem found in them.
#[derive(Debug)]
pub struct CheckedFiles {
    /// That of the whole fleet, or of one GARM after [`Self::per_garm`].
    pub manifest: Manifest,
    /// The fleet file as it was read.
    pub fleet_source: Option<SourceFile>,
    /// Files that could not be read come first, then the problems of the decoder.
    pub problems: Vec<Problem>,
    /// The paths of the files that were read, for display.
    pub files: Vec<String>,
    /// The part of the fleet that the files declare.
    pub scope: Scope,
    /// Files in the pool folders that were not read.
    pub unread: Vec<String>,
    /// The policies that apply to the pools.
    pub policies: PolicySet,
}

impl CheckedFiles {
    /// The files of each GARM that the fleet file names, by its name; without `garms` themselves.
    /// Each has the problems of all.
    pub fn per_garm(&self) -> Vec<Self> {
        let manifests = self.manifest.per_garm().into_iter();
        let of_one = |manifest| Self {
            manifest,
            fleet_source: self.fleet_source.clone(),
            problems: self.problems.clone(),
            files: self.files.clone(),
            scope: self.scope,
            unread: self.unread.clone(),
            policies: self.policies.clone(),
        };
        manifests.map(of_one).collect()
    }
}

/// Reads the fleet file and the policy file, if there are any, and the pool files.
pub fn read_files(places: &FilePaths, pools: &[SourcePath]) -> CheckedFiles {
    let fleet = places.fleet.as_ref();
    let PoolFiles { sources, mut problems, is_folder, unread } = files::read_pools(pools);
    if fleet.is_none() {
        point_to_init(&mut problems, places);
    }
    let mut paths: Vec<String> = sources.iter().map(|source| source.path.clone()).collect();
    let (mut manifest, fleet_source) = match fleet.map(files::read_fleet).transpose() {
        Ok(source) => {
            paths.extend(source.iter().map(|source| source.path.clone()));
            (config::load(source.as_ref(), &sources), source)
        }
        Err(problem) => {
            problems.insert(0, problem);
            (config::load_in_doubt(&sources), None)
        }
    };
    problems.extend(manifest.problems.iter().cloned());
    let policies = PolicySet::gather(places.policy.as_ref(), &mut manifest, &mut problems);
    paths.extend(places.policy.iter().map(|path| path.path().display().to_string()));
    if !is_folder {
        // The other pools of a group are in files that were not read.
        problems.retain(|problem| problem.code != Code::UnknownMember);
    }
    let scope = if is_folder { Scope::Whole } else { Scope::Part };
    CheckedFiles { manifest, fleet_source, problems, files: paths, scope, unread, policies }
}

/// Adds a hint about `init` if neither a fleet file nor the default folder of pool files exists.
fn point_to_init(problems: &mut [Problem], places: &FilePaths) {
    let SourcePath::Below { .. } = places.pools else { return };
    let folder = places.pools.path().display().to_string();
    let is_absent =
        |problem: &&mut Problem| problem.code == Code::Missing && problem.place.file == folder;
    for problem in problems.iter_mut().filter(is_absent) {
        let help = "`runnerctl init` writes the first files of a fleet; `-f PATH` names pool files";
        problem.help = Some(help.to_owned());
    }
}

/// Reads the files and checks them against the policy, without GARM.
pub fn check_files(places: &FilePaths, pools: &[SourcePath]) -> CheckedFiles {
    let mut files = read_files(places, pools);
    let violations = files.policies.violations(&files.manifest, UndeclaredPools::default());
    files.problems.extend(violations);
    files.problems.extend(files.policies.unbound(&files.manifest));
    if files.scope == Scope::Whole {
        files.problems.extend(files.manifest.without_pools());
    }
    files
}

/// A note that names the files that were not read, if there are any.
pub fn not_read(unread: &[String]) -> Option<String> {
    const SHOWN: usize = 8;
    let names = list(unread.iter().map(code), SHOWN);
    (!unread.is_empty()).then(|| {
        format!("note: not read, since the names of pool files end with `.yaml` or `.yml`: {names}")
    })
}

/// The files of a run, without errors.
pub struct Loaded {
    pub manifest: Manifest,
    /// The fleet file as it was read.
    pub fleet_source: Option<SourceFile>,
    pub places: FilePaths,
    /// The part of the fleet that the files declare.
    pub scope: Scope,
    /// The number of warnings; `validate` prints them.
    pub warnings: usize,
    policies: PolicySet,
}

/// Reads the fleet file and the pool files. Returns those of each of the named GARMs; if none is
/// named, of each GARM that the fleet file names. Fails (3) if they have errors, after printing
/// these to stderr, and (64) if the fleet file does not name such a GARM.
pub fn load_each(
    places: &FilePaths,
    garms: &[GarmName],
    cx: Context<'_>,
) -> Result<Vec<Loaded>, Failure> {
    let files = read_files(places, std::slice::from_ref(&places.pools));
    stop_at(&files.problems, cx)?;
    check_names(garms, &files.manifest)?;
    if let Some(note) = not_read(&files.unread).filter(|_| files.scope == Scope::Whole) {
        cx.print.say_quietly(&note);
    }
    info!(
        event = "step",
        "read {}: {}",
        files.files.join(", "),
        count(files.manifest.pools.len(), "pool")
    );
    let own = files.per_garm().into_iter().map(|files| {
        let CheckedFiles { manifest, fleet_source, scope, policies, problems, .. } = files;
        let warnings = problems.len();
        Loaded { manifest, fleet_source, places: places.clone(), scope, warnings, policies }
    });
    Ok(own
        .filter(|own| garms.is_empty() || own.garm().is_some_and(|it| garms.contains(it)))
        .collect())
}

/// Fails (3) if there is an error among the problems, after printing them to stderr.
pub fn stop_at(problems: &[Problem], cx: Context<'_>) -> Result<(), Failure> {
    if has_error(problems) {
        cx.print.say(&problem::text(problems));
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let errors = format!("{} in the files", count(errors, "problem"));
        step_summary::problems(problems, &errors, cx);
        return Err(
            Failure::input(errors).help("correct the errors above, then run `runnerctl validate`")
        );
    }
    Ok(())
}

/// The failure of a command that needs a fleet file and has none.
pub fn missing_fleet_file() -> Failure {
    Failure::input("no fleet file found; it sets the address of GARM").help(
        "`runnerctl init` writes one, `--config FILE` names one; to try things out: \
         `runnerctl sandbox --write-config runnerctl.yaml`",
    )
}

impl Loaded {
    /// The name of the GARM, if the fleet file has `garms`.
    pub fn garm(&self) -> Option<&GarmName> {
        self.manifest.fleet_file.as_ref()?.garm.name.as_ref()
    }

    /// The fleet file. Fails (3) without one: every request to GARM needs it.
    pub fn fleet_file(&self) -> Result<&FleetFile, Failure> {
        self.manifest.fleet_file.as_ref().ok_or_else(missing_fleet_file)
    }

    /// The desired state. Fails (3) if pools lack fields that `plan` needs, after printing these to
    /// stderr.
    pub fn desired(&self, cx: Context<'_>) -> Result<Desired, Failure> {
        self.fleet_file()?;
        self.manifest.complete(self.scope).map_err(|problems| {
            cx.print.say(&problem::text(&problems));
            let open = format!("the pools lack {}", count(problems.len(), "required field"));
            step_summary::problems(&problems, &open, cx);
            Failure::input(open)
                .help("set the fields in each pool, or once for all pools under `defaults` in the fleet file")
        })
    }

    /// The inputs of a plan besides the files and the fleet.
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
            elsewhere: (self.manifest.elsewhere())
                .filter_map(|pool| Some((pool.name.clone(), pool.garm.clone()?)))
                .collect(),
            kit,
        })
    }

    /// The policy violations of the declared pools. The pools of `others` count towards the limits
    /// of the fleet.
    pub fn violations(&self, others: UndeclaredPools) -> Vec<Problem> {
        self.policies.violations(&self.manifest, others)
    }

    fn specs(&self) -> SpecsRequest {
        let Some(file) = &self.manifest.fleet_file else { return SpecsRequest::Unwanted };
        let claims = self.manifest.pools.iter().map(|pool| DeclaredIdentity {
            name: pool.name.clone(),
            adopt: pool.adopt.clone(),
            entity: pool.entity.clone(),
            provider: pool.provider.clone(),
            os_type: pool.os_type.clone(),
        });
        SpecsRequest::Declared { fleet: file.fleet.clone(), pools: claims.collect() }
    }

    /// The parts of GARM that must be read for these files.
    pub fn ask(&self) -> FleetRequest {
        FleetRequest {
            kinds: self.manifest.entity_kinds(),
            templates: match self.manifest.names_template() {
                true => TemplatesRequest::Named,
                false => TemplatesRequest::IfMoved,
            },
            proxies: self.manifest.names_proxy(),
            specs: self.specs(),
            ..FleetRequest::default()
        }
    }
}
