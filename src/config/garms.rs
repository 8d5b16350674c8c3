//! Which GARM runs which pool, and the files of a fleet with several GARMs as those of each.

use std::collections::HashSet;
use std::sync::Arc;

use super::checks::{LocatedPool, names};
use super::declared::DeclaredPool;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan, finished};
use super::manifest::{DeclaredMapping, Manifest};
use super::pool::Defaults;
use super::problem::Problem;
use super::settings::FleetFile;
use super::suggest;
use super::value::{LocatedValue, Mapping, Value};
use crate::domain::name::GarmName;
use crate::domain::text::{self, quote};

/// The most names of GARMs that a hint lists.
const LISTED_MAX: usize = 8;

/// The GARMs among which pools choose.
#[derive(Debug)]
pub(super) enum GarmChoices {
    /// There is no valid fleet file, so a pool may name any GARM.
    Unknown,
    /// There is no `garms`: one GARM runs all pools.
    Single,
    /// The names, in order, each with its location.
    Named(Vec<(GarmName, FileSpan)>),
}

impl GarmChoices {
    /// The choices that a fleet file offers.
    pub(super) fn of(fleet: Option<&Mapping>) -> Self {
        let Some(fleet) = fleet else { return Self::Unknown };
        let Some(garms) = fleet.value("garms") else {
            return if fleet.has("garm") { Self::Single } else { Self::Unknown };
        };
        let Value::Named(named, _) = garms else { return Self::Unknown };
        let names = named.iter().map(|(name, at, _)| (GarmName::new(name), *at));
        let single = fleet.key_at("garm").map(|at| (Ok(GarmName::default_name()), at));
        let mut names: Vec<(GarmName, FileSpan)> =
            names.chain(single).filter_map(|(name, at)| Some((name.ok()?, at))).collect();
        names.sort_by(|one, other| one.0.cmp(&other.0));
        // A second `default` has been reported.
        names.dedup_by(|one, other| one.0 == other.0);
        Self::Named(names)
    }

    /// Sets the GARM of each pool and reports the pools that have none.
    pub(super) fn assign(
        &self,
        pools: &mut [DeclaredPool],
        declared: &[&DeclaredMapping],
        defaults: &Defaults,
        diagnostics: &mut Diagnostics,
    ) {
        let none = Mapping::default();
        let defaults = match defaults {
            Defaults::Known(defaults) => defaults,
            Defaults::Unknown => &none,
        };
        let mut reported = HashSet::new();
        let mut undecided = Vec::new();
        for (at, (pool, own)) in pools.iter_mut().zip(declared).enumerate() {
            match self.choice(own, defaults) {
                GarmChoice::Garm(garm) => pool.garm = garm,
                GarmChoice::NotNamed(item) => {
                    if reported.insert((item.at.file, item.at.span.start)) {
                        diagnostics.report(self.unknown(item));
                    }
                }
                GarmChoice::Undecided => undecided.push(at),
            }
        }
        self.report_undecided(&undecided, (pools, declared), diagnostics);
    }

    /// The pool's own choice, else that of its folder, else that of the defaults, else the only GARM
    /// or `default`.
    fn choice<'m>(&self, own: &'m DeclaredMapping, defaults: &'m Mapping) -> GarmChoice<'m> {
        let written = own.mapping.get("garm");
        let names = match self {
            Self::Unknown => return GarmChoice::Garm(None),
            Self::Single => {
                return match written.or_else(|| defaults.get("garm")) {
                    Some(item) => GarmChoice::NotNamed(item),
                    None => GarmChoice::Garm(None),
                };
            }
            Self::Named(names) => names,
        };
        let named = |wanted: &str| {
            names.iter().find(|(name, _)| name.as_str() == wanted).map(|(name, _)| name.clone())
        };
        let folder = own.folder.as_deref().and_then(named);
        let written = match (written, folder) {
            (Some(own), _) => Some(own),
            (None, Some(folder)) => return GarmChoice::Garm(Some(folder)),
            (None, None) => defaults.get("garm"),
        };
        match (written, names.as_slice()) {
            (Some(item), _) => match item.text() {
                Some(wanted) => match named(wanted) {
                    Some(garm) => GarmChoice::Garm(Some(garm)),
                    None => GarmChoice::NotNamed(item),
                },
                // Invalid, which has been reported.
                None => GarmChoice::Garm(None),
            },
            (None, [(only, _)]) => GarmChoice::Garm(Some(only.clone())),
            (None, _) => match named(GarmName::default_name().as_str()) {
                Some(usual) => GarmChoice::Garm(Some(usual)),
                None => GarmChoice::Undecided,
            },
        }
    }

    fn unknown(&self, item: &LocatedValue) -> Diagnostic {
        let wanted = item.text().unwrap_or_default();
        let message = format!("the fleet file names no GARM `{}`", quote(wanted));
        let help = match self {
            Self::Named(names) => {
                let known: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
                match suggest::near(wanted, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        format!("it names {}", text::list(known.iter().map(text::code), LISTED_MAX))
                    }
                }
            }
            Self::Unknown | Self::Single => {
                format!(
                    "name it under `garms:` in the fleet file, or remove `garm: {}`",
                    quote(wanted)
                )
            }
        };
        Diagnostic::error(Code::UnknownGarm, item.at, message).help(help)
    }

    fn report_undecided(
        &self,
        undecided: &[usize],
        (pools, declared): (&[DeclaredPool], &[&DeclaredMapping]),
        diagnostics: &mut Diagnostics,
    ) {
        let Self::Named(garms) = self else { return };
        let placed: Vec<LocatedPool<'_>> = undecided
            .iter()
            .map(|at| LocatedPool { pool: &pools[*at], at: declared[*at].at })
            .collect();
        let Some(first) = placed.first() else { return };
        let listed =
            text::list(garms.iter().map(|(name, _)| text::code(name.as_str())), LISTED_MAX);
        let message = format!(
            "the fleet file names several GARMs, and nothing chooses one for {}",
            names(&placed.iter().collect::<Vec<_>>())
        );
        let help = format!(
            "set `garm` in the pool or under `defaults:`, or move the file into a folder with the \
             name of a GARM: {listed}"
        );
        diagnostics.report(Diagnostic::error(Code::NoGarm, first.at, message).help(help));
    }
}

enum GarmChoice<'m> {
    Garm(Option<GarmName>),
    /// The fleet file does not name this GARM.
    NotNamed(&'m LocatedValue),
    /// Several GARMs, and nothing chooses one.
    Undecided,
}

impl Manifest {
    /// Whether the fleet file has `garms`.
    pub fn has_garms(&self) -> bool {
        !self.garms.is_empty()
    }

    /// The fleet file for each GARM that it names; none without a fleet file.
    pub fn fleet_files(&self) -> impl Iterator<Item = &FleetFile> {
        self.fleet_file.iter().chain(&self.garms)
    }

    /// [`Self::fleet_files`], for changes that concern all GARMs.
    pub fn fleet_files_mut(&mut self) -> impl Iterator<Item = &mut FleetFile> {
        self.fleet_file.iter_mut().chain(&mut self.garms)
    }

    /// The names in `garms`, and `default` for `garm` beside it, sorted; empty without `garms`.
    pub fn garm_names(&self) -> impl Iterator<Item = &GarmName> {
        self.garms.iter().filter_map(|file| file.garm.name.as_ref())
    }

    /// The manifest of each GARM: the fleet file with its connection, and its pools. Each has the
    /// problems of all. Without `garms` it is the manifest itself.
    pub fn per_garm(&self) -> Vec<Self> {
        if !self.has_garms() {
            return vec![self.clone()];
        }
        let all: Arc<[DeclaredPool]> = self.pools.as_slice().into();
        self.garms.iter().map(|file| self.of_garm(file, &all)).collect()
    }

    /// The pools that other GARMs of the fleet run.
    pub fn elsewhere(&self) -> impl Iterator<Item = &DeclaredPool> {
        let own = self.fleet_file.as_ref().and_then(|file| file.garm.name.as_ref());
        self.all_pools.iter().filter(move |pool| pool.garm.as_ref() != own)
    }

    fn of_garm(&self, file: &FleetFile, all: &Arc<[DeclaredPool]>) -> Self {
        let is_own = |pool: &DeclaredPool| pool.garm == file.garm.name;
        let own = self.pools.iter().zip(&self.places).filter(|(pool, _)| is_own(pool));
        let (pools, places) = own.map(|(pool, place)| (pool.clone(), place.clone())).unzip();
        Self {
            fleet_file: Some(file.clone()),
            pools,
            all_pools: Arc::clone(all),
            places,
            garms: Vec::new(),
            problems: self.problems.clone(),
            choices: Arc::clone(&self.choices),
            files: Arc::clone(&self.files),
            defaults: self.defaults.clone(),
            default_specs: self.default_specs.clone(),
            credentials: self.credentials.clone(),
        }
    }

    /// Warns of GARMs for which the files declare no pool, although they declare some for others.
    pub fn without_pools(&self) -> Vec<Problem> {
        let GarmChoices::Named(names) = &*self.choices else { return Vec::new() };
        let is_used =
            |name: &GarmName| self.pools.iter().any(|pool| pool.garm.as_ref() == Some(name));
        let unused = names.iter().filter(|(name, _)| !self.pools.is_empty() && !is_used(name));
        unused
            .map(|(name, at)| {
                let message = format!("no pool is declared for the GARM `{name}`");
                let diagnostic = Diagnostic::warning(Code::NoPools, *at, message)
                    .help("applying this to the whole fleet deletes all its pools there");
                finished(&self.files, &diagnostic)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Severity, SourceFile, load};

    const TWO: &str = "\
fleet: acme
garms:
  east: { url: https://east, password: env:P }
  west: { url: https://west, password: env:P }
";

    fn file(path: &str, text: &str) -> SourceFile {
        let folder = Path::new(path).parent().and_then(Path::file_name);
        let folder = folder.map(|name| name.to_string_lossy().into_owned());
        SourceFile { path: path.into(), text: text.into(), folder }
    }

    fn pool(path: &str, name: &str, fields: &str) -> SourceFile {
        file(
            path,
            &format!("pools: [{{ name: {name}, max_runners: 2, instance_type: m, {fields} }}]"),
        )
    }

    /// Which GARM runs each pool: `POOL@GARM`, or the codes of the errors.
    fn check(fleet: &str, pools: &[SourceFile], expected: &[&str]) {
        let manifest = load(Some(&file("runnerctl.yaml", fleet)), pools);
        let errors = manifest.problems.iter().filter(|it| it.severity == Severity::Error);
        let errors: Vec<String> =
            errors.map(|it| format!("{} {}", it.code.text(), it.message)).collect();
        let placed = manifest.per_garm().into_iter().flat_map(|own| {
            let garm = own.fleet_file.unwrap().garm.name;
            let garm = garm.map_or_else(|| "-".to_owned(), |name| name.to_string());
            own.pools.into_iter().map(move |pool| format!("{}@{garm}", pool.name))
        });
        let said = if errors.is_empty() { placed.collect() } else { errors };
        assert_eq!(said, expected);
    }

    #[test]
    fn a_pool_is_on_the_garm_of_its_field_else_its_folder_else_the_defaults() {
        let pools = [
            pool("pools/a.yaml", "field", "garm: west"),
            pool("pools/west/b.yaml", "folder", ""),
            pool("pools/west/c.yaml", "both", "garm: east"),
            pool("pools/team/d.yaml", "neither", ""),
        ];
        let with_defaults = format!("{TWO}defaults: {{ garm: east }}\n");
        check(&with_defaults, &pools, &["both@east", "neither@east", "field@west", "folder@west"]);
        let message =
            "RC0522 the fleet file names several GARMs, and nothing chooses one for pool `neither`";
        check(TWO, &pools, &[message]);
    }

    #[test]
    fn the_only_garm_and_the_one_of_garm_need_no_choice() {
        let one = "fleet: acme\ngarms: { east: { url: https://east, password: env:P } }\n";
        check(one, &[pool("a.yaml", "a", "")], &["a@east"]);
        let both = format!("{TWO}garm: {{ url: https://g, password: env:P }}\n");
        let pools = [pool("a.yaml", "a", ""), pool("b.yaml", "b", "garm: west")];
        check(&both, &pools, &["a@default", "b@west"]);
        check("fleet: acme\ngarm: { url: https://g, password: env:P }\n", &pools[..1], &["a@-"]);
    }

    #[test]
    fn a_garm_that_the_fleet_file_does_not_name_is_reported_once_per_place() {
        let pools = [pool("a.yaml", "a", ""), pool("b.yaml", "b", "")];
        let defaults = format!("{TWO}defaults: {{ garm: eats }}\n");
        check(&defaults, &pools, &["RC0521 the fleet file names no GARM `eats`"]);
        let single = "fleet: acme\ngarm: { url: https://g, password: env:P }\n";
        let named = [pool("a.yaml", "a", "garm: east")];
        check(single, &named, &["RC0521 the fleet file names no GARM `east`"]);
    }

    #[test]
    fn pools_without_a_fleet_file_may_name_any_garm() {
        let manifest = load(None, &[pool("a.yaml", "a", "garm: east")]);
        assert!(!crate::config::has_error(&manifest.problems), "{:?}", manifest.problems);
    }

    #[test]
    fn each_garm_has_its_own_audit_log_anchors_and_lease() {
        let fleet = format!(
            "{TWO}watch: {{ audit: /log/audit.jsonl, audit_anchor: {{ key: env:K, file: /nfs/anchors }}, \
             leader: {{ etcd: {{ endpoints: [https://e] }} }} }}\n"
        );
        let manifest = load(Some(&file("runnerctl.yaml", &fleet)), &[]);
        assert_eq!(manifest.fleet_file, None);
        let own: Vec<String> = manifest
            .per_garm()
            .into_iter()
            .map(|own| {
                let watch = own.fleet_file.unwrap().watch.unwrap();
                let anchors = watch.audit_anchor.unwrap().file.unwrap();
                let audit = watch.audit.unwrap();
                format!("{} {} {}", audit.display(), anchors.display(), watch.leader.unwrap().name)
            })
            .collect();
        assert_eq!(
            own,
            [
                "/log/audit.east.jsonl /nfs/anchors.east runnerctl-acme-east",
                "/log/audit.west.jsonl /nfs/anchors.west runnerctl-acme-west",
            ]
        );
    }

    #[test]
    fn the_problems_of_a_pool_are_placed_in_the_manifest_of_its_garm() {
        let pools = [pool("a.yaml", "a", "garm: west"), pool("b.yaml", "b", "garm: east")];
        let manifest = load(Some(&file("runnerctl.yaml", TWO)), &pools);
        let [east, west] = manifest.per_garm().try_into().unwrap();
        let name = |text| crate::domain::name::PoolName::new(text).unwrap();
        assert_eq!(east.place(&name("b"), "garm").unwrap().file, "b.yaml");
        assert_eq!(east.place(&name("a"), "garm"), None);
        assert_eq!(west.place(&name("a"), "garm").unwrap().file, "a.yaml");
        assert_eq!(west.elsewhere().count(), 1);
    }
}
