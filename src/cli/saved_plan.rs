//! The file of a saved plan: whether it may be read, and what it may choose.
//!
//! It is consent, and may have been in other hands since. It names the pool files that the steps were
//! planned from, and whatever it names has to be the same steps; but problems in files are shown, so
//! it names only those below the folder of this run's fleet file, unless the run names them, too. It
//! never chooses the fleet file, which says where the password goes and what is run, over one that
//! this run has, nor a policy.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::domain::name::PoolName;
use crate::domain::text::code;
use crate::host::files::{self, Start};
use crate::plan::saved::{self, SAVED_MAX, SavedPlan};

use super::args::ApplyArgs;
use super::context::Context;
use super::failure::Failure;
use super::paths::FilePaths;

/// Reads the file. Fails with 64 when the command line chooses, too, with 3 when it is no plan, and
/// with 6 when another user may have written it.
pub fn read(path: &Path, args: &ApplyArgs, cx: Context<'_>) -> Result<SavedPlan, Failure> {
    if !args.targets.is_empty() || cx.settings.policy_is_on_the_line {
        return Err(brings_its_own());
    }
    let shown = path.display();
    let unreadable = |why: String| {
        Failure::input(format!("cannot read the saved plan `{shown}`: {why}"))
            .help("`runnerctl plan --out FILE` makes one")
    };
    let file = files::open_regular(path).map_err(|error| unreadable(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| unreadable(error.to_string()))?;
    may_be_others(metadata.mode(), metadata.uid()).map_or(Ok(()), |why| {
        Err(Failure::refused(format!("the saved plan `{shown}` {why}"))
            .help("`runnerctl plan --out FILE` makes a new one"))
    })?;
    let mut text = String::new();
    // One more byte than it may have, so that a larger one is told from one that fits.
    file.take(SAVED_MAX as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    saved::read(&text).map_err(|error| unreadable(error.to_string()))
}

/// Why a user other than the user of this run and root may have written a file.
fn may_be_others(mode: u32, owner: u32) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    if owner != user && owner != 0 {
        return Some(format!("belongs to the user with uid {owner}, and this run's is {user}"));
    }
    let mode = mode & 0o777;
    (mode & 0o022 != 0).then(|| format!("has mode {mode:04o}, which lets others write to it"))
}

fn brings_its_own() -> Failure {
    let text = "a saved plan brings its own `-f`, `--target` and `--policy`";
    Failure::usage(text).help("leave them out, or apply without the plan file")
}

/// The files and pools that the plan was made from.
pub fn inputs(saved: &SavedPlan, cx: Context<'_>) -> Result<(FilePaths, Vec<PoolName>), Failure> {
    let here = cx.settings.paths.clone();
    let path = |it: &Option<String>| it.as_ref().map(PathBuf::from);
    let fleet = match cx.settings.config.clone() {
        Some(named) => Some(Start::Named(named)),
        None => fleet_file(path(&saved.inputs.config), here.fleet)?,
    };
    let policy = policy_file(path(&saved.inputs.policy), here.policy)?;
    let mut places = FilePaths { fleet, pools: here.pools, policy };
    if let Some(planned) = path(&saved.inputs.pools) {
        places.pools = pool_files(&planned, &places.base(), cx)?;
    }
    let targets = saved.inputs.target.iter().map(|it| PoolName::new(it)).collect();
    let targets: Result<Vec<PoolName>, String> = targets;
    Ok((places, targets.map_err(|it| Failure::input(format!("in the saved plan: {it}")))?))
}

/// The plan's pool files: where this run names them, too, or below the folder of the fleet file.
fn pool_files(planned: &Path, base: &Path, cx: Context<'_>) -> Result<Start, Failure> {
    match &cx.settings.pools {
        Some(named) if are_one(planned, named) => return Ok(Start::Named(named.clone())),
        Some(_) if cx.settings.pools_are_on_the_line => return Err(brings_its_own()),
        Some(_) | None => {}
    }
    let folder = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let above = planned.ancestors().skip(1).find(|it| are_one(it, folder));
    let rest = above.and_then(|it| planned.strip_prefix(it).ok());
    rest.map(|it| Start::Below { folder: base.to_owned(), rest: it.to_owned() }).ok_or_else(|| {
        let text = format!(
            "the saved plan was made from the pool files {}, outside of the fleet file's folder",
            shown(planned)
        );
        Failure::refused(text)
            .help(format!("name them if they are meant: `-f {}`", planned.display()))
    })
}

/// The plan's where this run finds none; one that is found has to be the plan's.
fn fleet_file(planned: Option<PathBuf>, found: Option<Start>) -> Result<Option<Start>, Failure> {
    one_of(planned, found, |planned, found| {
        let text = format!(
            "the saved plan was made with the fleet file {planned}, and this run finds {found}"
        );
        Failure::refused(text).help("say which one is meant: `--config FILE`")
    })
}

/// The plan's and the environment's have to be one, where both are named.
fn policy_file(planned: Option<PathBuf>, set: Option<Start>) -> Result<Option<Start>, Failure> {
    one_of(planned, set, |planned, set| {
        let text = format!(
            "the saved plan was made with the policy file {planned}, and `RUNNERCTL_POLICY` is {set}"
        );
        Failure::refused(text).help("`runnerctl plan --out FILE` makes a new plan")
    })
}

/// The run's file, else the plan's; refused when there are two and they are not one.
fn one_of(
    planned: Option<PathBuf>,
    run: Option<Start>,
    refuse: impl FnOnce(String, String) -> Failure,
) -> Result<Option<Start>, Failure> {
    match (planned, run) {
        (Some(planned), Some(run)) if !are_one(&planned, &run.path()) => {
            Err(refuse(shown(&planned), shown(&run.path())))
        }
        (_, Some(run)) => Ok(Some(run)),
        (planned, None) => Ok(planned.as_deref().and_then(in_its_folder)),
    }
}

/// A file that only the plan names: in its folder, and not through a link.
fn in_its_folder(path: &Path) -> Option<Start> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    Some(Start::Below { folder: folder.to_owned(), rest: name.into() })
}

fn are_one(one: &Path, other: &Path) -> bool {
    let whole = |it: &Path| it.canonicalize().or_else(|_| std::path::absolute(it)).ok();
    whole(one) == whole(other)
}

fn shown(path: &Path) -> String {
    code(path.display().to_string())
}
