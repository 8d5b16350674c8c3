//! The check of an audit file by the process that writes it, which has the keys and knows the last
//! record.

use std::io;
use std::path::Path;

use super::audit_file::AuditFile;
use super::logs;
use super::rotation::{self, is_same_file};
use super::segment_archive::read_manifest;
use super::segments::{self, manifest_of};
use crate::audit::{Check, CheckCriteria, Head, Report, Segment, SegmentManifest};

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfCheck {
    /// The check of the file.
    pub report: Report,
    /// The number of records before this file, if neither this process nor a rotated file confirms
    /// the last of them.
    pub unvouched: Option<u64>,
    /// The name of the first segment of the manifest that is missing or has another size.
    pub missing: Option<String>,
}

/// Checks the file; returns `None` if it has more than `most` bytes. Blocks.
pub fn check(audit_file: &AuditFile, most: u64) -> io::Result<Option<SelfCheck>> {
    // The head is read first, so that records written in the meantime come after it.
    let known = audit_file.known()?;
    let (log, _) = logs::open_one(audit_file.path())?;
    if log.length() > most {
        return Ok(None);
    }
    let keys = &audit_file.writer().keys;
    let manifest = read_manifest(&manifest_of(audit_file.path()))?;
    let before = log.before()?;
    let is_here = match &known.file {
        Some(file) => is_same_file(file, log.source().file())?,
        None => false,
    };
    let is_vouched = before.as_ref().is_none_or(|head| head.seq == 0)
        || before == known.began_after
        || before.as_ref() == manifest.head()
        || before == predecessor(audit_file)?;
    let mut check = Check::new(CheckCriteria {
        keys: Some(keys),
        head: known.head.as_ref().filter(|_| is_here),
        since: before.as_ref().filter(|head| head.seq > 0),
        anchors: None,
    });
    log.feed(&mut check)?;
    let unvouched = before.as_ref().map(|head| head.seq).filter(|_| !is_vouched);
    let mut missing = missing_segment(audit_file.path(), &manifest);
    if missing.is_some() {
        // It may have been deleted since the manifest was read, with a record.
        let manifest = read_manifest(&manifest_of(audit_file.path()))?;
        missing = missing_segment(audit_file.path(), &manifest);
    }
    let mut report = check.finish();
    report.lost += manifest.lost();
    Ok(Some(SelfCheck { report, unvouched, missing }))
}

/// The name of the first segment that the manifest lists and whose file is missing or has another
/// size. Its content is left to `audit verify`.
fn missing_segment(path: &Path, manifest: &SegmentManifest) -> Option<String> {
    let files = segments::segments(path);
    let is_there = |segment: &Segment| {
        let span = (segment.first(), segment.head.seq);
        let mut twins = files.iter().filter(|file| file.span == span);
        twins.any(|file| {
            let size = std::fs::metadata(&file.path).map(|metadata| metadata.len());
            !file.is_compressed || size.is_ok_and(|size| size == segment.size)
        })
    };
    let missing = manifest.segments().find(|segment| !is_there(segment));
    missing.map(|segment| segment.name.clone())
}

fn predecessor(audit_file: &AuditFile) -> io::Result<Option<Head>> {
    let tail = rotation::predecessor(audit_file.path(), &audit_file.writer().keys)?;
    Ok(tail.as_ref().and_then(|tail| tail.last()).map(|last| last.head.clone()))
}
