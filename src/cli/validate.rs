//! `validate`: every problem of the files.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Context;
use super::args::Output;
use super::exit::Exit;
use super::failure::Failure;
use super::places::{Places, Surroundings};
use crate::domain::text::escape;
use crate::host::files;
use crate::manifest::{self, Manifest, Problem, has_error};
use crate::view::problem;
use crate::view::words::count;

/// `validate`
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Pool files or folders, instead of --pools
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A warning fails, too
    #[arg(long)]
    pub strict: bool,
}

/// What the files say, and every problem in reading and understanding them.
#[derive(Debug)]
pub struct Gathered {
    /// What they say.
    pub manifest: Manifest,
    /// What is wrong: first what could not be read, then the manifest's own problems.
    pub problems: Vec<Problem>,
    /// The files that were read, as they are shown.
    pub files: Vec<String>,
}

/// Reads a fleet file, if there is one, and pool files or folders of them.
pub fn gather(fleet: Option<&Path>, pools: &[PathBuf]) -> Gathered {
    let (sources, mut problems) = files::read_all(pools);
    let mut paths: Vec<String> = sources.iter().map(|it| it.path.clone()).collect();
    let manifest = match fleet.map(files::read_fleet).transpose() {
        Ok(fleet) => {
            paths.extend(fleet.iter().map(|it| it.path.clone()));
            manifest::load(fleet.as_ref(), &sources)
        }
        Err(problem) => {
            problems.insert(0, problem);
            manifest::load_in_doubt(&sources)
        }
    };
    problems.extend(manifest.problems.iter().cloned());
    Gathered { manifest, problems, files: paths }
}

/// Checks the files.
pub fn run(args: &ValidateArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let places = Places::find(cx.globals, &Surroundings::read());
    let pools = if args.paths.is_empty() { vec![places.pools] } else { args.paths.clone() };
    let gathered = gather(places.fleet.as_deref(), &pools);
    for annotation in problem::annotations(&gathered.problems) {
        cx.print.annotate(&annotation);
    }
    match cx.globals.output {
        Output::Json => {
            let problems = problem::json(&gathered.problems);
            cx.print.document("validate", json!({ "problems": problems }))?;
        }
        Output::Text | Output::Markdown => cx.print.result(&text(&gathered))?,
    }
    let fails = has_error(&gathered.problems) || (args.strict && !gathered.problems.is_empty());
    Ok(if fails { Exit::Input } else { Exit::Done })
}

fn text(gathered: &Gathered) -> String {
    let pools = count(gathered.manifest.pools.len(), "pool");
    match (gathered.problems.as_slice(), gathered.files.as_slice()) {
        ([], [file]) => format!("{}: {pools}, no problems", escape(file)),
        ([], files) => format!("{} in {}, no problems", pools, count(files.len(), "file")),
        (problems, files) => {
            let unread = problems.iter().filter(|it| !files.contains(&it.place.file)).count();
            let summary = problem::summary(problems, files.len() + unread);
            format!("{}{summary}", problem::text(problems))
        }
    }
}
