//! The check of an audit file by the process that writes it, which has the keys and knows the last
//! record.

use std::io;

use super::audit_file::AuditFile;
use super::logs;
use super::rotation::{self, is_same_file};
use crate::audit::{Check, CheckCriteria, Head, Report};

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfCheck {
    /// The check of the file.
    pub report: Report,
    /// The number of records before this file, if neither this process nor a rotated file confirms
    /// the last of them.
    pub unvouched: Option<u64>,
}

/// Checks the file; returns `None` if it has more than `most` bytes. Blocks.
pub fn check(audit_file: &AuditFile, most: u64) -> io::Result<Option<SelfCheck>> {
    // The head is read first, so that records written in the meantime come after it.
    let known = audit_file.known()?;
    let log = logs::open_own(audit_file.path())?;
    if log.length() > most {
        return Ok(None);
    }
    let keys = &audit_file.writer().keys;
    let before = log.before()?;
    let is_here = match &known.file {
        Some(file) => is_same_file(file, log.file())?,
        None => false,
    };
    let is_vouched = before.as_ref().is_none_or(|head| head.seq == 0)
        || before == known.began_after
        || before == predecessor(audit_file)?;
    let mut check = Check::new(CheckCriteria {
        keys: Some(keys),
        head: known.head.as_ref().filter(|_| is_here),
        since: before.as_ref().filter(|head| head.seq > 0),
        anchors: None,
    });
    log.feed(&mut check)?;
    let unvouched = before.as_ref().map(|head| head.seq).filter(|_| !is_vouched);
    Ok(Some(SelfCheck { report: check.finish(), unvouched }))
}

fn predecessor(audit_file: &AuditFile) -> io::Result<Option<Head>> {
    let tail = rotation::predecessor(audit_file.path(), &audit_file.writer().keys)?;
    Ok(tail.as_ref().and_then(|tail| tail.last()).map(|last| last.head.clone()))
}
