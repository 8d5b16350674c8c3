//! `plan --policy-since REV`: what has changed in the files since a git revision and is not in
//! GARM.

use std::path::Path;

use crate::config::{self, Manifest, Problem, Severity, SourceFile, has_error, leaves};
use crate::domain::text::{code, count};
use crate::host::files::{self, SourcePath};
use crate::host::git::{GitError, Revision, RevisionFile};
use crate::plan::{PolicyChanges, policy_changes};
use crate::render::problem;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::load::Loaded;
use super::paths::FilePaths;

/// The files as they were.
pub(super) struct EarlierFiles {
    revision: Revision,
    since: String,
    manifest: Manifest,
    /// The fleet file; `None` if it is outside of the repository.
    fleet: Option<SourceFile>,
}

/// Reads the pool files and the fleet file of the revision. A fleet file outside of the repository
/// is taken as it is now. Fails with 64 for an unknown revision, with 3 if the revision does not
/// have the files or they have errors, and with 1 if `git` is missing or fails.
pub(super) async fn read(
    since: &str,
    places: &FilePaths,
    cx: Context<'_>,
) -> Result<EarlierFiles, Failure> {
    let pools = places.pools.path();
    let folder = pools.parent().unwrap_or(Path::new(""));
    let revision = Revision::find(folder, since).await.map_err(|error| failure(&error))?;
    let outside = |path: &Path| {
        Failure::input(format!(
            "{} is outside of the git repository",
            code(path.display().to_string())
        ))
        .help("`--policy-since` needs pool files that are in it")
    };
    let below = revision.below(&pools).ok_or_else(|| outside(&pools))?;
    let sources =
        revision.files(&below, files::is_pool_file).await.map_err(|error| failure(&error))?;
    let decode = |file: RevisionFile| {
        SourceFile::decode(format!("{since}:{}", file.path.display()), file.bytes)
    };
    let sources: Result<Vec<SourceFile>, _> = sources.into_iter().map(decode).collect();
    let sources = sources.map_err(|problem| invalid(since, &[problem], cx))?;
    let fleet_path = places.fleet.as_ref().map(SourcePath::path);
    let fleet = match fleet_path.as_deref().and_then(|path| revision.below(path)) {
        None => None,
        Some(path) => {
            let found = revision.files(&path, |_| true).await.map_err(|error| failure(&error))?;
            let first = found.into_iter().next().map(decode).transpose();
            first.map_err(|problem| invalid(since, &[problem], cx))?
        }
    };
    let now = match (&fleet, &places.fleet) {
        (None, Some(start)) => files::read_fleet(start).ok(),
        (Some(_), _) | (None, None) => None,
    };
    let manifest = config::load(fleet.as_ref().or(now.as_ref()), &sources);
    if has_error(&manifest.problems) {
        return Err(invalid(since, &manifest.problems, cx));
    }
    Ok(EarlierFiles { revision, since: since.to_owned(), manifest, fleet })
}

impl EarlierFiles {
    /// The changes from these files to those of the run.
    pub(super) fn changes(&self, loaded: &Loaded) -> PolicyChanges {
        let before = self.manifest.pools.iter().map(|pool| &pool.settings);
        let after = loaded.manifest.pools.iter().map(|pool| &pool.settings);
        let settings = match (&self.fleet, &loaded.fleet_source) {
            (Some(before), Some(after)) => {
                policy_changes::settings(&leaves(before), &leaves(after))
            }
            (_, _) => Vec::new(),
        };
        PolicyChanges {
            since: self.since.clone(),
            commit: self.revision.commit.clone(),
            pools: policy_changes::pools(before, after),
            settings,
        }
    }
}

fn failure(error: &GitError) -> Failure {
    let text = format!("`--policy-since`: {error}");
    match error {
        GitError::NoRevision(_) => Failure::usage(text).help(
            "name a branch, a tag or a commit; in a shallow clone fetch it first \
             (`actions/checkout`: `fetch-depth: 0`)",
        ),
        GitError::NoRepository(_) => {
            Failure::input(text).help("run it in a clone of the repository with the pool files")
        }
        GitError::NoPath { .. } => {
            Failure::input(text).help("name a revision that has the pool files and the fleet file")
        }
        GitError::NotAFile(_) | GitError::TooLarge => Failure::input(text),
        GitError::NoGit => Failure::new(Exit::Failed, text).help("install `git`"),
        GitError::TimedOut | GitError::Failed(_) => Failure::new(Exit::Failed, text),
    }
}

fn invalid(since: &str, problems: &[Problem], cx: Context<'_>) -> Failure {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<Problem> = errors.cloned().collect();
    cx.print.say(&problem::text(&errors));
    let problems = count(errors.len(), "problem");
    Failure::input(format!(
        "`--policy-since`: the files of revision {} have {problems}",
        code(since)
    ))
    .help("name a revision whose files are valid")
}
