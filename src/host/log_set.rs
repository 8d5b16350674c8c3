//! Finds the files of a log: those that are named, the earlier segments beside them, and the manifest.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::logs::{self, InodeId, LogFile, words};
use super::rotation::named_like;
use super::segment_archive::read_manifest;
use super::segments::{self, COMPRESSED, DRAFT, MANIFEST, SegmentFile, manifest_of};
use crate::audit::{
    ChainBreak, Check, CheckCriteria, FileLine, Head, Keys, ReadOn, Segment, SegmentManifest,
    open as open_record,
};

/// The ending of the name of a log.
const LOG: &str = ".jsonl";

/// How often the files are looked for, if another process archives segments meanwhile.
const TRIES_MAX: u32 = 3;

/// The files of one log.
#[derive(Debug, Default)]
pub struct LogSet {
    /// In the order of their records.
    parts: Vec<LogPart>,
    /// The manifests that were read.
    manifests: Vec<LogFile>,
    /// The end of the segments that `watch.audit_rotate.keep` has deleted, if the files continue it.
    deleted: Option<Head>,
    opened: Vec<InodeId>,
    /// A segment was compressed or deleted while the files were being opened.
    has_moved: bool,
}

/// A file of a log, or the place of a missing one.
#[derive(Debug)]
struct LogPart {
    first_seq: u64,
    file: PartFile,
}

#[derive(Debug)]
enum PartFile {
    /// The current file, or one that another program has renamed.
    Found(LogFile),
    /// A compressed segment, and its description in the manifest.
    Listed(LogFile, Segment),
    /// A compressed segment that the manifest does not have.
    Unlisted(LogFile),
    /// A segment of the manifest without a file, and the path of that file.
    Missing(String, Segment),
}

impl PartFile {
    fn log(&self) -> Option<&LogFile> {
        match self {
            Self::Found(log) | Self::Listed(log, _) | Self::Unlisted(log) => Some(log),
            Self::Missing(..) => None,
        }
    }
}

impl LogSet {
    /// Opens the named files and the segments before them; with `since`, only those with later
    /// records. A folder stands for the log in it. A file that is given twice is opened once. Errors
    /// with a message.
    pub fn open(paths: &[impl AsRef<Path>], since: Option<u64>) -> Result<Self, String> {
        for _ in 1..TRIES_MAX {
            let set = Self::look(paths, since)?;
            if !set.has_moved {
                return Ok(set);
            }
        }
        Self::look(paths, since)
    }

    fn look(paths: &[impl AsRef<Path>], since: Option<u64>) -> Result<Self, String> {
        let mut set = Self::default();
        let mut named = Vec::new();
        for path in paths {
            let path = path.as_ref();
            if let Some(log) = segments::log_of(path).filter(|_| is_manifest(path)) {
                // It stands for the whole log.
                named.push(log);
            }
            if path.is_dir() { named.extend(in_folder(path)?) } else { named.push(path.to_owned()) }
        }
        let log = |path: &PathBuf| segments::log_of(path).unwrap_or_else(|| path.clone());
        for log in named.iter().map(log).collect::<BTreeSet<_>>() {
            // Before the manifest, which lists each file that is only there compressed.
            let files = segments::segments(&log);
            let manifest_path = manifest_of(&log);
            let manifest = read_manifest(&manifest_path).map_err(failed(&manifest_path))?;
            if manifest_path.exists() {
                let opened = logs::open_one(&manifest_path).map_err(failed(&manifest_path))?;
                set.manifests.push(opened.0);
            }
            let of_log =
                |path: &&PathBuf| **path == log || segments::log_of(path).as_ref() == Some(&log);
            let named: Vec<&PathBuf> = named.iter().filter(of_log).collect();
            set.add_log((&log, &files), (&named, since), &manifest)?;
        }
        set.parts.sort_by_key(|part| part.first_seq);
        Ok(set)
    }

    /// Adds the named files of one log and the segments before them.
    fn add_log(
        &mut self,
        (log, segments): (&Path, &[SegmentFile]),
        (named, since): (&[&PathBuf], Option<u64>),
        manifest: &SegmentManifest,
    ) -> Result<(), String> {
        let is_archived = !segments.is_empty() || manifest.head().is_some();
        let mut latest = None;
        let is_part = |path: &&&PathBuf| {
            let name = path.to_string_lossy();
            ![MANIFEST, DRAFT].iter().any(|ending| name.ends_with(ending))
        };
        for path in named.iter().filter(is_part) {
            match self.add(path, manifest) {
                Ok(first) => latest = latest.max(Some(first)),
                // The current file was closed, and no record has followed yet.
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        && path.as_path() == log
                        && is_archived =>
                {
                    latest = Some(u64::MAX);
                }
                Err(error) => return Err(failed(path)(error)),
            }
        }
        let latest = latest.unwrap_or(u64::MAX);
        let is_wanted = |last: u64| last < latest && since.is_none_or(|since| last > since);
        // A file may be left of a segment whose deletion was interrupted.
        let deleted = manifest.deleted().map_or(0, |segment| segment.head.seq);
        for SegmentFile { path, span, .. } in segments {
            if !is_wanted(span.1) || span.1 <= deleted {
                continue;
            }
            match self.add(path, manifest) {
                Err(error) if error.kind() == ErrorKind::NotFound => self.has_moved = true,
                added => {
                    added.map_err(failed(path))?;
                }
            }
        }
        for segment in manifest.segments().filter(|segment| is_wanted(segment.head.seq)) {
            let span = (segment.first(), segment.head.seq);
            if !segments.iter().any(|file| file.span == span) {
                let path = log.with_file_name(&segment.name).display().to_string();
                let file = PartFile::Missing(path, segment.clone());
                self.parts.push(LogPart { first_seq: segment.first(), file });
            }
        }
        let first = self.parts.iter().map(|part| part.first_seq).min();
        let deleted = manifest.deleted().map(|segment| segment.head.clone());
        self.deleted = deleted.filter(|head| first == Some(head.seq + 1)).or(self.deleted.take());
        Ok(())
    }

    /// Opens a file unless it is open. Returns the number of its first record.
    fn add(&mut self, path: &Path, manifest: &SegmentManifest) -> io::Result<u64> {
        let (log, id) = logs::open_one(path)?;
        let first_seq = log.first_seq();
        if self.opened.contains(&id) {
            return Ok(first_seq);
        }
        self.opened.push(id);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_segment = name.ends_with(COMPRESSED) && segments::log_of(path).is_some();
        let file = match (is_segment, manifest.named(&name)) {
            (true, Some(segment)) => PartFile::Listed(log, segment.clone()),
            // A segment that was moved to another folder has no manifest there.
            (true, None) if manifest.head().is_some() || is_beside_log(path) => {
                PartFile::Unlisted(log)
            }
            (_, _) => PartFile::Found(log),
        };
        let place = match &file {
            // Damage may hide its records.
            PartFile::Listed(_, segment) if first_seq == u64::MAX => segment.first(),
            _ => first_seq,
        };
        self.parts.push(LogPart { first_seq: place, file });
        Ok(first_seq)
    }

    /// The files with records, in order.
    pub fn files(&self) -> impl Iterator<Item = &LogFile> {
        self.parts.iter().filter_map(|part| part.file.log())
    }

    /// The files that may have records of `since` or later, according to the manifest.
    pub fn files_since(&self, since: Option<jiff::Timestamp>) -> impl Iterator<Item = &LogFile> {
        let is_late = move |part: &&LogPart| match (&part.file, since) {
            (PartFile::Listed(_, segment), Some(since)) => {
                let until: Option<jiff::Timestamp> = segment.span.1.parse().ok();
                until.is_none_or(|until| until >= since)
            }
            (_, _) => true,
        };
        self.parts.iter().filter(is_late).filter_map(|part| part.file.log())
    }

    /// Whether no file has a byte.
    pub fn is_empty(&self) -> bool {
        self.files().all(LogFile::is_empty)
    }

    /// The last record of the deleted segments, which the first record continues.
    pub fn deleted(&self) -> Option<&Head> {
        self.deleted.as_ref()
    }

    /// Passes every line to the check until it finds a break. Compares the segments with the
    /// manifest. `begin` is called with the name of each file. Errors with a message.
    pub fn feed(&self, check: &mut Check<'_>, mut begin: impl FnMut(&str)) -> Result<(), String> {
        for part in &self.parts {
            let Some(log) = part.file.log() else {
                if let PartFile::Missing(path, segment) = &part.file {
                    let (first, last) = (segment.first(), segment.head.seq);
                    let why = format!("the segment with the records {first} to {last} is missing");
                    check.lack(path, first, &why);
                }
                continue;
            };
            begin(&log.name);
            let bad = |error| format!("cannot read `{}`: {error}", log.name);
            log.feed(check).map_err(bad)?;
            match &part.file {
                PartFile::Listed(log, segment) => {
                    if let Some(why) = difference(log, segment, check).map_err(bad)? {
                        check.lack(&log.name, segment.first(), &why);
                    }
                }
                PartFile::Unlisted(log) => {
                    check.lack(
                        &log.name,
                        part.first_seq,
                        "the manifest does not list this segment",
                    );
                }
                PartFile::Found(_) | PartFile::Missing(..) => {}
            }
        }
        Ok(())
    }

    /// Checks the manifests. Returns the first break. Errors with a message.
    pub fn check_manifests(&self, keys: &Keys) -> Result<Option<ChainBreak>, String> {
        for log in &self.manifests {
            let mut check = Check::new(CheckCriteria { keys: Some(keys), ..Default::default() });
            let bad = |error| format!("cannot read `{}`: {error}", log.name);
            log.feed(&mut check).map_err(bad)?;
            let mut manifest = SegmentManifest::default();
            let described = log.each_line(|line| match line {
                FileLine::Whole(bytes) => {
                    match open_record(bytes).map(|record| manifest.take(&record)) {
                        Ok(Err(why)) => {
                            check.refuse(&why);
                            ReadOn::Stop
                        }
                        Ok(Ok(())) | Err(_) => ReadOn::GoOn,
                    }
                }
                FileLine::Cut(_) | FileLine::Begun(_) | FileLine::More(_) => ReadOn::GoOn,
            });
            described.map_err(bad)?;
            if let Some(broken) = check.finish().broken {
                return Ok(Some(broken));
            }
        }
        Ok(None)
    }
}

/// How a segment that was fed to the check differs from its description.
fn difference(log: &LogFile, segment: &Segment, check: &Check<'_>) -> io::Result<Option<String>> {
    let digest = log.source().digest()?;
    if digest != (segment.size, segment.sha256.clone()) {
        return Ok(Some("it is not the file that the manifest describes".to_owned()));
    }
    let ends = check.last().is_none_or(|(head, _)| head == segment.head);
    Ok((!ends).then(|| format!("the manifest says that it ends with record {}", segment.head)))
}

fn is_manifest(path: &Path) -> bool {
    path.to_string_lossy().ends_with(MANIFEST)
}

/// Whether the log of a segment is in the same folder.
fn is_beside_log(segment: &Path) -> bool {
    segments::log_of(segment).is_some_and(|log| log.exists())
}

/// A message about a file that cannot be read.
fn failed(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("cannot read `{}`: {}", path.display(), words(path, &error))
}

/// The files of the log in a folder, without its segments. Errors with a message if there is not
/// exactly one log.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(failed(folder))?;
    let paths: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| folder.join(entry.file_name())).collect();
    let is_log = |path: &PathBuf| path.to_string_lossy().ends_with(LOG);
    let log = |path: &PathBuf| segments::log_of(path).or_else(|| Some(path.clone()).filter(is_log));
    let logs: BTreeSet<PathBuf> = paths.iter().filter_map(log).collect();
    let names = logs.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>();
    match (logs.first(), logs.len()) {
        (Some(log), 1) => {
            let is_part = |path: &PathBuf| {
                let name = path.to_string_lossy();
                segments::log_of(path).is_none() && !name.ends_with(DRAFT)
            };
            let renamed = named_like(log).into_iter().map(|(_, path)| path).filter(is_part);
            Ok(std::iter::once(log.clone()).chain(renamed).collect())
        }
        (None, _) => Err(format!("no audit log in `{}`", folder.display())),
        (Some(_), _) => Err(format!(
            "several audit logs in `{}`: name one of {}",
            folder.display(),
            names.join(", ")
        )),
    }
}
