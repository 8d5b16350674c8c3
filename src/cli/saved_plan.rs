//! The file of a saved plan: whether it may be read, and what it may choose.
//!
//! It is consent, and may have been in other hands since. It says which pool files the steps were
//! planned from, which is harmless: the steps have to be the same. It never chooses the fleet file,
//! which says where the password goes and what is run, over one that this run has, nor a policy.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::domain::name::PoolName;
use crate::domain::text::code;
use crate::plan::saved::{self, SAVED_MAX, Saved};

use super::Context;
use super::args::ApplyArgs;
use super::failure::Failure;
use super::places::{Places, Surroundings};

/// Reads the file. Fails with 64 when the command line chooses, too, with 3 when it is no plan, and
/// with 6 when somebody else may have written it.
pub fn read(path: &Path, args: &ApplyArgs, cx: Context<'_>) -> Result<Saved, Failure> {
    let globals = cx.globals;
    let is_named = globals.pools_are_on_the_line || globals.policy_is_on_the_line;
    if !args.targets.is_empty() || is_named {
        let text = "a saved plan brings its own `-f`, `--target` and `--policy`";
        return Err(Failure::usage(text).help("leave them out, or apply without the plan file"));
    }
    let shown = path.display();
    let unreadable = |why: String| {
        Failure::input(format!("cannot read the saved plan `{shown}`: {why}"))
            .help("`runnerctl plan --out FILE` makes one")
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mode = file.metadata().map_err(|error| unreadable(error.to_string()))?.mode() & 0o777;
    if mode & 0o022 != 0 {
        let text =
            format!("the saved plan `{shown}` has mode {mode:04o}, which lets others write to it");
        let help =
            "`runnerctl plan --out FILE` makes a new one; `chmod 600` if nobody has written to it";
        return Err(Failure::refused(text).help(help));
    }
    let mut text = String::new();
    // One more byte than it may have, so that a larger one is told from one that fits.
    file.take(SAVED_MAX as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    saved::read(&text).map_err(|error| unreadable(error.to_string()))
}

/// The files and pools that the plan was made from.
pub fn inputs(saved: &Saved, cx: Context<'_>) -> Result<(Places, Vec<PoolName>), Failure> {
    let here = Places::find(cx.globals, &Surroundings::read());
    let path = |it: &Option<String>| it.as_ref().map(PathBuf::from);
    let places = Places {
        fleet: cx
            .globals
            .config
            .clone()
            .map_or_else(|| fleet_file(saved, here.fleet), |it| Ok(Some(it)))?,
        pools: path(&saved.inputs.pools).unwrap_or(here.pools),
        policy: policy_file(path(&saved.inputs.policy), here.policy)?,
    };
    let targets = saved.inputs.target.iter().map(|it| PoolName::new(it)).collect();
    let targets: Result<Vec<PoolName>, String> = targets;
    Ok((places, targets.map_err(|it| Failure::input(format!("in the saved plan: {it}")))?))
}

/// The plan's where this run finds none; one that is found has to be the plan's.
fn fleet_file(saved: &Saved, found: Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
    let planned = saved.inputs.config.as_ref().map(PathBuf::from);
    one_of(planned, found, |planned, found| {
        let text = format!(
            "the saved plan was made with the fleet file {planned}, and this run finds {found}"
        );
        Failure::refused(text).help("say which one is meant: `--config FILE`")
    })
}

/// The plan's and the environment's have to be one, where both are named.
fn policy_file(planned: Option<PathBuf>, set: Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
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
    run: Option<PathBuf>,
    refuse: impl FnOnce(String, String) -> Failure,
) -> Result<Option<PathBuf>, Failure> {
    match (planned, run) {
        (Some(planned), Some(run)) if !are_one(&planned, &run) => {
            Err(refuse(shown(&planned), shown(&run)))
        }
        (planned, run) => Ok(run.or(planned)),
    }
}

fn are_one(one: &Path, other: &Path) -> bool {
    let whole = |it: &Path| it.canonicalize().or_else(|_| std::path::absolute(it)).ok();
    whole(one) == whole(other)
}

fn shown(path: &Path) -> String {
    code(path.display().to_string())
}
