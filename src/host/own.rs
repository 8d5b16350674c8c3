//! The audit file as the process checks it that writes to it: with its keys, and with the head that
//! it knows.

use std::fs::File;
use std::io;

use super::audit_file::Ledger;
use super::logs;
use super::rotation::{self, is_same_file};
use crate::audit::{Check, Demands, Head, Report};

/// What this process knows of the log.
pub(super) struct Known {
    /// The last record.
    pub(super) head: Option<Head>,
    /// The file that it is in.
    pub(super) file: Option<File>,
    /// Where the file before ended, when this process has begun the present one.
    pub(super) began_after: Option<Head>,
}

/// What a check of the own file has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The check of the file.
    pub report: Report,
    /// So many records come before it, and neither this process nor a file beside it knows their
    /// end.
    pub unvouched: Option<u64>,
}

/// Checks the file that a ledger writes to; nothing when it has more than `most` bytes. Blocks.
pub fn check(ledger: &Ledger, most: u64) -> io::Result<Option<Own>> {
    // First the head: what is written meanwhile comes after it.
    let known = ledger.known()?;
    let log = logs::open_own(ledger.path())?;
    if log.length() > most {
        return Ok(None);
    }
    let keys = &ledger.scribe().keys;
    let before = log.before()?;
    let is_here = match &known.file {
        Some(file) => is_same_file(file, log.file())?,
        None => false,
    };
    let is_vouched = before.as_ref().is_none_or(|it| it.seq == 0)
        || before == known.began_after
        || before == predecessor(ledger)?;
    let mut check = Check::new(Demands {
        keys: Some(keys),
        head: known.head.as_ref().filter(|_| is_here),
        since: before.as_ref().filter(|it| it.seq > 0),
        anchors: None,
    });
    log.feed(&mut check)?;
    let unvouched = before.as_ref().map(|it| it.seq).filter(|_| !is_vouched);
    Ok(Some(Own { report: check.finish(), unvouched }))
}

fn predecessor(ledger: &Ledger) -> io::Result<Option<Head>> {
    let tail = rotation::predecessor(ledger.path(), &ledger.scribe().keys)?;
    Ok(tail.as_ref().and_then(|it| it.last()).map(|it| it.head.clone()))
}
