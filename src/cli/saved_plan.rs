//! Reads a saved plan, and limits the files that it may select.
//!
//! A saved plan is consent to its steps, and others may have changed it since. It names the pool
//! files that it was made from; `apply` plans from them again and compares the steps. Since errors
//! print lines of these files, the plan may only name files below the folder of this run's fleet
//! file, or files that this run names, too. It never overrides the fleet file of this run, which
//! decides where the password goes and which programs run, and never selects a policy.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::domain::name::PoolName;
use crate::domain::text::code;
use crate::host::files::{self, SourcePath};
use crate::plan::saved::{self, SAVED_MAX, SavedPlan};

use super::args::ApplyArgs;
use super::context::Context;
use super::failure::Failure;
use super::load::Loaded;
use super::paths::FilePaths;

/// Reads the file. Fails with 64 if the command line selects pools with `--target` or a policy,
/// too, with 3 if the file is not a saved plan, and with 6 if another user may have written it.
pub fn read(path: &Path, args: &ApplyArgs, cx: Context<'_>) -> Result<SavedPlan, Failure> {
    if !args.targets.is_empty() || cx.settings.policy_is_on_the_line {
        return Err(brings_its_own());
    }
    let saved = open(path)?;
    let named = saved.inputs.garm.as_ref();
    if let Some(other) = args.garm.names.iter().find(|name| Some(*name) != named) {
        let text = match named {
            Some(garm) => format!("the saved plan is for the GARM `{garm}`, not `{other}`"),
            None => format!("`--garm {other}`: the saved plan is for a fleet file without `garms`"),
        };
        return Err(Failure::usage(text).help("leave `--garm` out: the plan file records its own"));
    }
    Ok(saved)
}

/// Reads the file. Fails with 3 if it is not a saved plan, and with 6 if another user may have
/// written it.
pub fn open(path: &Path) -> Result<SavedPlan, Failure> {
    let shown = path.display();
    let unreadable = |why: String| {
        Failure::input(format!("cannot read the saved plan `{shown}`: {why}"))
            .help("run `runnerctl plan --out FILE` to make one")
    };
    let file = files::open_regular(path).map_err(|error| unreadable(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| unreadable(error.to_string()))?;
    may_be_others(metadata.mode(), metadata.uid()).map_or(Ok(()), |why| {
        Err(Failure::refused(format!("the saved plan `{shown}` {why}"))
            .help("run `runnerctl plan --out FILE` to make a new one"))
    })?;
    let mut text = String::new();
    // One byte more than the limit, to detect a larger file.
    file.take(SAVED_MAX as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    saved::read(&text).map_err(|error| unreadable(error.to_string()))
}

/// Why a user other than root and the user of this run may have written the file.
fn may_be_others(mode: u32, owner: u32) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    if owner != user && owner != 0 {
        return Some(format!(
            "belongs to the user with uid {owner}, but this run's user has uid {user}"
        ));
    }
    let mode = mode & 0o777;
    (mode & 0o022 != 0).then(|| format!("has mode {mode:04o}, which lets others write to it"))
}

fn brings_its_own() -> Failure {
    let text = "`-f`, `--target` and `--policy` cannot be combined with a saved plan";
    Failure::usage(text)
        .help("leave them out, since the plan file records its own, or apply without the plan file")
}

/// The paths and the targets that the plan was made with.
pub fn inputs(saved: &SavedPlan, cx: Context<'_>) -> Result<(FilePaths, Vec<PoolName>), Failure> {
    let here = cx.settings.paths.clone();
    let path = |problem: &Option<String>| problem.as_ref().map(PathBuf::from);
    let fleet = match cx.settings.config.clone() {
        Some(named) => Some(SourcePath::Named(named)),
        None => fleet_file(path(&saved.inputs.config), here.fleet)?,
    };
    let policy = policy_file(path(&saved.inputs.policy), here.policy)?;
    let mut places = FilePaths { fleet, pools: here.pools, policy };
    if let Some(planned) = path(&saved.inputs.pools) {
        places.pools = pool_files(&planned, &places.base(), cx)?;
    }
    let targets = saved.inputs.target.iter().map(|problem| PoolName::new(problem)).collect();
    let targets: Result<Vec<PoolName>, String> = targets;
    Ok((
        places,
        targets.map_err(|problem| Failure::input(format!("in the saved plan: {problem}")))?,
    ))
}

/// The files of the GARM that the plan was made for. Fails (6) if the fleet file does not name it, or
/// names several GARMs and the plan none.
pub fn of_its_garm(saved: &SavedPlan, loaded: Vec<Loaded>) -> Result<Vec<Loaded>, Failure> {
    let refused = |text: String| {
        Failure::refused(text).help(
            "make a new plan with `runnerctl plan --out FILE`; if the fleet file has `garms`, add \
             `--garm NAME`",
        )
    };
    let url = code(&saved.garm_url);
    let Some(garm) = &saved.inputs.garm else {
        return if loaded.len() > 1 {
            let text =
                format!("the saved plan is for one GARM, at {url}, but the fleet file has `garms`");
            Err(refused(text))
        } else {
            Ok(loaded)
        };
    };
    let own: Vec<Loaded> = loaded.into_iter().filter(|own| own.garm() == Some(garm)).collect();
    if own.is_empty() {
        let text = format!(
            "the saved plan is for the GARM `{garm}`, at {url}, which the fleet file does not name"
        );
        return Err(refused(text));
    }
    Ok(own)
}

/// The plan's pool files. Fails (6) unless they are below the folder of the fleet file, or this run
/// names them, too.
fn pool_files(planned: &Path, base: &Path, cx: Context<'_>) -> Result<SourcePath, Failure> {
    match &cx.settings.pools {
        Some(named) if are_one(planned, named) => return Ok(SourcePath::Named(named.clone())),
        Some(_) if cx.settings.pools_are_on_the_line => return Err(brings_its_own()),
        Some(_) | None => {}
    }
    let folder = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let above = planned.ancestors().skip(1).find(|folder_above| are_one(folder_above, folder));
    let rest = above.and_then(|above| planned.strip_prefix(above).ok());
    let below = |tail: &Path| SourcePath::Below { folder: base.to_owned(), rest: tail.to_owned() };
    rest.map(below).ok_or_else(|| {
        let text = format!(
            "the saved plan was made from the pool files {}, which are outside the fleet file's folder",
            shown(planned)
        );
        Failure::refused(text)
            .help(format!("to use them, add `-f {}`", planned.display()))
    })
}

/// The fleet file of this run, or the plan's if this run finds none. Fails (6) if the two differ.
fn fleet_file(
    planned: Option<PathBuf>,
    found: Option<SourcePath>,
) -> Result<Option<SourcePath>, Failure> {
    one_of(planned, found, |planned, found| {
        let text = format!(
            "the saved plan was made with the fleet file {planned}, but this run found {found}"
        );
        Failure::refused(text).help("name the fleet file to use with `--config FILE`")
    })
}

/// The policy file. Fails (6) if the plan and the environment name different ones.
fn policy_file(
    planned: Option<PathBuf>,
    set: Option<SourcePath>,
) -> Result<Option<SourcePath>, Failure> {
    one_of(planned, set, |planned, set| {
        let text = format!(
            "the saved plan was made with the policy file {planned}, but `RUNNERCTL_POLICY` is {set}"
        );
        Failure::refused(text).help("run `runnerctl plan --out FILE` to make a new plan")
    })
}

/// The run's file, else the plan's. Fails (6) if both name a file and the files differ.
fn one_of(
    planned: Option<PathBuf>,
    run: Option<SourcePath>,
    refuse: impl FnOnce(String, String) -> Failure,
) -> Result<Option<SourcePath>, Failure> {
    match (planned, run) {
        (Some(planned), Some(run)) if !are_one(&planned, &run.path()) => {
            Err(refuse(shown(&planned), shown(&run.path())))
        }
        (_, Some(run)) => Ok(Some(run)),
        (planned, None) => Ok(planned.as_deref().and_then(in_its_folder)),
    }
}

/// A file that only the plan names: it is opened in its folder without following links.
fn in_its_folder(path: &Path) -> Option<SourcePath> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    Some(SourcePath::Below { folder: folder.to_owned(), rest: name.into() })
}

fn are_one(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    whole(one) == whole(other)
}

fn shown(path: &Path) -> String {
    code(path.display().to_string())
}
