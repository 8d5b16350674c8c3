//! The manifest: everything that the files declare, and every problem in them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::checks::{self, LocatedPool};
use super::declared::DeclaredPool;
use super::diagnostic_code::{Code, Severity};
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan, finished};
use super::field_spans::{FieldSpans, keys_of_specs};
use super::file_reporter::FileReporter;
use super::garms::GarmChoices;
use super::invalid_value::MessageSubject;
use super::node::{Node, SourceSpan};
use super::pool::{Defaults, Merger};
use super::problem::{Location, Problem};
use super::settings::{FleetFile, PolicySettings};
use super::source::SourceFile;
use super::tables::{FLEET_FILE, POLICY_FILE, POOL_FILE};
use super::text::{FileText, ParseState};
use super::value::{LocatedValue, Mapping, Value};
use super::{decode, fleet, groups, yaml};
use crate::domain::desired::{Desired, Scope};
use crate::domain::entity::EntityKind;
use crate::domain::name::PoolName;

/// The contents of a fleet's files, as read by [`load`].
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The fleet file, if one was given and its vital parts could be read. `None`, too, while it
    /// names several GARMs: [`Self::per_garm`] makes one of each.
    pub fleet_file: Option<FleetFile>,
    /// The valid pools, in the order of the files.
    pub pools: Vec<DeclaredPool>,
    /// All problems, ordered by file, then by line.
    pub problems: Vec<Problem>,
    /// With `garms`, the fleet file for each GARM, by its name.
    pub(super) garms: Vec<FleetFile>,
    /// In the manifest of one of several GARMs, the pools of all.
    pub(super) all_pools: Arc<[DeclaredPool]>,
    pub(super) choices: Arc<GarmChoices>,
    pub(super) files: Arc<[FileText]>,
    /// The locations of each pool's fields, in the order of `pools`.
    pub(super) places: Vec<FieldSpans>,
    /// The locations of the fields of `defaults`.
    pub(super) defaults: HashMap<&'static str, FileSpan>,
    /// The locations of the top-level keys of their `extra_specs`.
    pub(super) default_specs: BTreeMap<String, FileSpan>,
    /// The locations of the fields of each entry of `credentials`, by its name.
    pub(super) credentials: HashMap<String, HashMap<&'static str, FileSpan>>,
}

/// A problem with a field that the policy or a check against GARM found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    pub code: Code,
    pub severity: Severity,
    /// One sentence without a full stop.
    pub message: String,
    pub help: Option<String>,
}

/// Reads a fleet file and pool files. Never fails: everything that is wrong is among the problems.
pub fn load(fleet: Option<&SourceFile>, pools: &[SourceFile]) -> Manifest {
    let mut diagnostics = Diagnostics::default();
    let (mapping, defaults) = read_fleet(fleet, &mut diagnostics);
    load_onto(diagnostics, fleet.zip(mapping.as_ref()), &defaults, pools)
}

/// Reads only the pool files, when the fleet file could not be opened: missing fields are not
/// reported, since the fleet file may set them.
pub fn load_in_doubt(pools: &[SourceFile]) -> Manifest {
    load_onto(Diagnostics::default(), None, &Defaults::Unknown, pools)
}

/// Reads a policy file. Returns all problems, and `None` if the file cannot be understood.
pub fn load_policy(source: &SourceFile) -> (Option<PolicySettings>, Vec<Problem>) {
    let mut diagnostics = Diagnostics::default();
    let (file, root) = parsed(source, ParseState::BrokenPolicyFile, &mut diagnostics);
    let mut reporter = FileReporter { diagnostics: &mut diagnostics, file };
    let subject = MessageSubject::Phrase("a policy file");
    let mapping = root.and_then(|root| decode::mapping(&mut reporter, &root, POLICY_FILE, subject));
    let policy = mapping.and_then(|mapping| mapping.mapping("policy").map(fleet::policy));
    (policy, diagnostics.finish().1)
}

fn load_onto(
    mut diagnostics: Diagnostics,
    fleet: Option<(&SourceFile, &Mapping)>,
    defaults: &Defaults,
    pools: &[SourceFile],
) -> Manifest {
    let pool_files: Vec<PoolFile> =
        pools.iter().map(|file| read_pools(file, &mut diagnostics)).collect();
    let mut garms = fleet.map_or_else(Vec::new, |(source, mapping)| {
        fleet::settings(mapping, &source.path, &mut diagnostics)
    });
    no_pools(&pool_files, &mut diagnostics);
    let declared: Vec<DeclaredMapping> =
        pool_files.into_iter().flat_map(|file| file.pools).collect();
    one_name_each(&declared, &mut diagnostics);
    let mut merger = Merger::new(defaults, &mut diagnostics);
    let merged = declared
        .iter()
        .filter_map(|declared| Some((merger.merge(&declared.mapping, declared.at)?, declared)));
    let (mut pools, merged): (Vec<_>, Vec<_>) = merged.unzip();
    let places: Vec<FieldSpans> =
        merged.iter().map(|own| FieldSpans::of(own.at, &own.mapping)).collect();
    let choices = GarmChoices::of(fleet.map(|file| file.1));
    choices.assign(&mut pools, &merged, defaults, &mut diagnostics);
    together(&placed(&pools, &places), defaults, &mut diagnostics);
    match fleet {
        Some((_, mapping)) => {
            groups::assign(mapping, &mut pools, &mut diagnostics);
            checks::watched(mapping, &pools, &mut diagnostics);
        }
        None => diagnostics.help_on(Code::NeededForPlan, "; `plan` needs a fleet file in any case"),
    }
    let (defaults, default_specs) = match defaults {
        Defaults::Known(mapping) => {
            (mapping.iter().map(|(key, item)| (key, item.at)).collect(), keys_of_specs(mapping))
        }
        Defaults::Unknown => (HashMap::new(), BTreeMap::new()),
    };
    let credentials = fleet.map(|file| fleet::credential_places(file.1)).unwrap_or_default();
    let (files, problems) = diagnostics.finish();
    let is_single = garms.iter().all(|file| file.garm.name.is_none());
    let fleet_file = if is_single { garms.pop() } else { None };
    Manifest {
        fleet_file,
        pools,
        problems,
        garms,
        all_pools: Arc::default(),
        choices: Arc::new(choices),
        files: files.into(),
        places,
        defaults,
        default_specs,
        credentials,
    }
}

/// Parses a file and reports errors in its YAML. Returns `None` if there is no document.
fn parsed<'s>(
    source: &'s SourceFile,
    broken: ParseState,
    diagnostics: &mut Diagnostics,
) -> (usize, Option<Node<'s>>) {
    let tree = yaml::parse(&source.text);
    let knowledge = if tree.is_whole { ParseState::Parsed } else { broken };
    let file = diagnostics.add(FileText::new(&source.path, &source.text, tree.tokens, knowledge));
    for error in tree.errors {
        let mut diagnostic =
            Diagnostic::error(error.code, FileSpan { file, span: error.span }, error.message);
        if let Some(help) = error.help {
            diagnostic = diagnostic.help(help);
        }
        if let Some((span, label)) = error.context {
            diagnostic = diagnostic.context(FileSpan { file, span }, label);
        }
        diagnostics.report(diagnostic);
    }
    let root = tree.root.filter(|root| !root.is_null());
    if tree.is_whole && root.is_none() {
        let at =
            FileSpan { file, span: SourceSpan { line: 1, column: 1, ..SourceSpan::default() } };
        let (key, help) = match broken {
            ParseState::BrokenFleetFile => ("fleet", "start the fleet file with `fleet: NAME`"),
            ParseState::BrokenPolicyFile => ("policy", "start the policy file with `policy:`"),
            ParseState::BrokenPoolFile | ParseState::Parsed => {
                ("pools", "write `pools: []` to declare no pools")
            }
        };
        let message = format!("the file has no `{key}:`");
        diagnostics.report(Diagnostic::error(Code::Empty, at, message).help(help));
    }
    (file, root)
}

fn read_fleet(
    fleet: Option<&SourceFile>,
    diagnostics: &mut Diagnostics,
) -> (Option<Mapping>, Defaults) {
    let Some(source) = fleet else { return (None, Defaults::Known(Mapping::default())) };
    let (file, root) = parsed(source, ParseState::BrokenFleetFile, diagnostics);
    let mut reporter = FileReporter { diagnostics, file };
    let subject = MessageSubject::Phrase("the fleet file");
    let mapping = root.and_then(|root| decode::mapping(&mut reporter, &root, FLEET_FILE, subject));
    let defaults = match &mapping {
        None => Defaults::Unknown,
        Some(mapping) => match mapping.value("defaults") {
            None => Defaults::Known(Mapping::default()),
            Some(Value::Mapping(defaults)) => Defaults::Known(defaults.clone()),
            Some(_) => Defaults::Unknown,
        },
    };
    (mapping, defaults)
}

/// The contents of one pool file.
struct PoolFile {
    pools: Vec<DeclaredMapping>,
    /// The location of its list if that is empty.
    empty: Option<FileSpan>,
}

/// A pool and the location that stands for it: that of its name, if it has one.
#[derive(Debug, Clone)]
pub(super) struct DeclaredMapping {
    pub(super) mapping: Mapping,
    pub(super) at: FileSpan,
    /// The name of the folder that its file is in.
    pub(super) folder: Option<String>,
}

fn read_pools(source: &SourceFile, diagnostics: &mut Diagnostics) -> PoolFile {
    let (file, root) = parsed(source, ParseState::BrokenPoolFile, diagnostics);
    let mut reporter = FileReporter { diagnostics, file };
    let subject = MessageSubject::Phrase("a pool file");
    let mapping = root
        .and_then(|root| decode::mapping(&mut reporter, &root, POOL_FILE, subject))
        .unwrap_or_default();
    let items = mapping.list("pools");
    let empty = match items {
        Some([]) => mapping.get("pools").map(|pools| pools.at),
        Some(_) | None => None,
    };
    let declared = |item| declared(item, source.folder.as_deref());
    PoolFile { pools: items.unwrap_or(&[]).iter().filter_map(declared).collect(), empty }
}

fn declared(item: &LocatedValue, folder: Option<&str>) -> Option<DeclaredMapping> {
    match &item.value {
        Value::Mapping(mapping) => {
            let at = mapping.get("name").or_else(|| mapping.iter().next().map(|first| first.1));
            Some(DeclaredMapping {
                mapping: mapping.clone(),
                at: at.map_or(item.at, |item| item.at),
                folder: folder.map(str::to_owned),
            })
        }
        _ => None,
    }
}

fn no_pools(files: &[PoolFile], diagnostics: &mut Diagnostics) {
    let Some(at) = files.iter().find_map(|file| file.empty) else { return };
    if files.iter().all(|file| file.empty.is_some()) {
        let diagnostic = Diagnostic::warning(Code::NoPools, at, "no pools are declared");
        diagnostics
            .report(diagnostic.help("applying this to the whole fleet deletes all its pools"));
    }
}

/// Reports duplicate pool names; they are unique in the fleet, across all files.
fn one_name_each(declared: &[DeclaredMapping], diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<String, FileSpan> = HashMap::new();
    for DeclaredMapping { mapping, at, .. } in declared {
        let Some(name) = mapping.text("name") else { continue };
        match seen.get(&name) {
            Some(first) => {
                let message = format!("two pools are named `{name}`");
                let diagnostic = Diagnostic::error(Code::DuplicatePool, *at, message);
                diagnostics
                    .report(diagnostic.context(*first, "first here").help("rename one of them"));
            }
            None => drop(seen.insert(name, *at)),
        }
    }
}

fn placed<'p>(pools: &'p [DeclaredPool], places: &[FieldSpans]) -> Vec<LocatedPool<'p>> {
    pools.iter().zip(places).map(|(pool, spans)| LocatedPool { pool, at: spans.name }).collect()
}

/// Checks that need all pools together.
fn together(placed: &[LocatedPool<'_>], defaults: &Defaults, diagnostics: &mut Diagnostics) {
    checks::one_adopter(placed, diagnostics);
    if let Defaults::Known(_) = defaults {
        checks::equal_labels(placed, diagnostics);
        checks::equal_set_names(placed, diagnostics);
        for diagnostic in checks::needed(placed, Diagnostic::warning) {
            diagnostics.report(diagnostic);
        }
    }
}

impl Manifest {
    /// The kinds of entities that pools name.
    pub fn entity_kinds(&self) -> Vec<EntityKind> {
        let entities = || self.pools.iter().filter_map(|pool| pool.entity.as_ref());
        let is_named = |kind: &EntityKind| entities().any(|entity| entity.kind == *kind);
        EntityKind::ALL.into_iter().filter(is_named).collect()
    }

    /// Whether a pool names an install template.
    pub fn names_template(&self) -> bool {
        self.pools.iter().any(|pool| pool.template.is_some())
    }

    /// Whether a pool names a proxy.
    pub fn names_proxy(&self) -> bool {
        self.pools.iter().any(|pool| pool.named_proxy().is_some())
    }

    /// The complete desired state, with pools sorted by name, or the problems that `plan` cannot
    /// work with. The caller first checks [`Self::problems`] for other errors.
    pub fn complete(&self, scope: Scope) -> Result<Desired, Vec<Problem>> {
        let Some(fleet_file) = &self.fleet_file else {
            let problem =
                Problem::of_file(Code::NeededForPlan, "runnerctl.yaml", "there is no fleet file");
            return Err(vec![
                problem
                    .with_help("create one that names GARM and the fleet, or pass `--config FILE`"),
            ]);
        };
        let diagnostics = checks::needed(&placed(&self.pools, &self.places), Diagnostic::error);
        if !diagnostics.is_empty() {
            return Err(diagnostics
                .iter()
                .map(|diagnostic| finished(&self.files, diagnostic))
                .collect());
        }
        let mut pools: Vec<_> = self.pools.iter().filter_map(DeclaredPool::complete).collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Desired {
            fleet: fleet_file.fleet.clone(),
            controller: fleet_file.controller.clone(),
            // Filled in by the caller, who first has to resolve their keys.
            credentials: Vec::new(),
            pools,
            scope,
        })
    }

    /// The location of a field of a pool: in the pool, else in the defaults, else the pool's name.
    pub fn place(&self, pool: &PoolName, field: &str) -> Option<Location> {
        let at = self.at(pool, field)?;
        Some(self.files[at.file].place(at.span))
    }

    /// A problem with a field of a pool, with its source line. It has no location if the pool is
    /// not declared.
    pub fn problem(&self, pool: &PoolName, field: &str, finding: FieldProblem) -> Problem {
        self.placed(self.at(pool, field), pool.as_str(), finding)
    }

    /// A problem with a top-level key of a pool's `extra_specs`, at the location of the key.
    pub fn problem_in_specs(&self, pool: &PoolName, key: &str, finding: FieldProblem) -> Problem {
        let index = self.pools.iter().position(|declared| declared.name == *pool);
        let own = index.and_then(|index| self.places[index].specs.get(key));
        let at = own.or_else(|| self.default_specs.get(key)).copied();
        self.placed(at.or_else(|| self.at(pool, "extra_specs")), pool.as_str(), finding)
    }

    /// A problem with a field of an entry of `credentials`, with its source line.
    pub fn credential_problem(&self, name: &str, field: &str, finding: FieldProblem) -> Problem {
        let fields = self.credentials.get(name);
        let at = fields.and_then(|places| places.get(field).or_else(|| places.get("name")));
        self.placed(at.copied(), name, finding)
    }

    fn placed(&self, at: Option<FileSpan>, otherwise: &str, finding: FieldProblem) -> Problem {
        let FieldProblem { code, severity, message, help } = finding;
        let Some(at) = at else {
            let problem = Problem::of_file(code, otherwise, message);
            return Problem { severity, help, ..problem };
        };
        let diagnostic = match severity {
            Severity::Error => Diagnostic::error(code, at, message),
            Severity::Warning => Diagnostic::warning(code, at, message),
        };
        finished(
            &self.files,
            &match help {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            },
        )
    }

    fn at(&self, pool: &PoolName, field: &str) -> Option<FileSpan> {
        let index = self.pools.iter().position(|declared| declared.name == *pool)?;
        let fields = &self.places[index];
        Some(*fields.values.get(field).or_else(|| self.defaults.get(field)).unwrap_or(&fields.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIFICATION: &str = include_str!("../../pools/default.yaml");

    #[test]
    fn the_specifications_file_is_valid_and_lacks_only_what_plan_needs() {
        let source = SourceFile {
            path: "pools/default.yaml".into(),
            text: SPECIFICATION.into(),
            folder: None,
        };
        let manifest = load(None, &[source]);
        let said: Vec<&str> =
            manifest.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            said,
            ["`plan` needs `provider`, `image` and one of `organization`, `repository` or \
              `enterprise` for pool `default`"]
        );
        assert_eq!(manifest.problems[0].severity, Severity::Warning);
        assert_eq!(manifest.pools[0].scale.max_runners, 20);
    }
}
