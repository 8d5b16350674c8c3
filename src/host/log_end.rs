//! Finds the end of a log, which the next record must continue.

use std::fs::File;
use std::io;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::rotation::{TAIL_MAX, TAIL_MIN, predecessor, tail};
use crate::audit::{Damage, DamageKind, FinalNewline, Head, Keys, LastRecord, Tail};

/// The end of a log.
#[derive(Debug)]
pub(super) struct LogEnd {
    /// How the log ends, across rotated files; never empty or foreign.
    pub(super) tail: Tail,
    /// The head at which the previous file ended, if the current file is new.
    pub(super) rotated: Option<Head>,
    /// Set if the log does not continue the records that this process knows.
    pub(super) damage: Option<Damage>,
}

/// Why no record can be appended.
#[derive(Debug)]
pub(super) enum LogEndError {
    Io(io::Error),
    /// The file is not an audit log.
    Foreign,
    /// The log is signed with a key that this process does not have.
    OtherKey,
}

impl From<io::Error> for LogEndError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Finds the end of the log whose current file is `file`, at `path`. Torn bytes at the end of a
/// renamed file belong to the end of the log, because that file is never appended to again.
pub(super) fn log_end(
    path: &Path,
    file: &File,
    keys: &Keys,
    checkpoint: Option<&Checkpoint>,
) -> Result<LogEnd, LogEndError> {
    let Some(checkpoint) = checkpoint else { return at_first(path, file, keys) };
    let continuation = checkpoint.continuation(path, file, keys)?;
    if continuation.is_signed_by_others {
        return Err(LogEndError::OtherKey);
    }
    let (head, signer) = continuation.last;
    let known = LastRecord { head, signer, ..LastRecord::start() };
    if continuation.is_unchanged {
        let has_newline = file.metadata()?.len() >= checkpoint.end;
        let ending = if has_newline { FinalNewline::Present } else { FinalNewline::Missing };
        let last = LastRecord { written: checkpoint.written.clone(), ..known };
        let tail = Tail::Sound { last, ending };
        return Ok(LogEnd { tail, rotated: None, damage: None });
    }
    let (tail, rotated) = match (tail(file, keys, TAIL_MIN)?.0, &continuation.before) {
        (Tail::Foreign, _) => return Err(LogEndError::Foreign),
        (Tail::Empty, Some(before)) => {
            let end = match before.is_compressed() {
                true => before.compressed_tail(keys, TAIL_MIN)?,
                false => tail(before.file(), keys, TAIL_MIN)?.0,
            };
            (end.in_new_file(), Some(known.head.clone()))
        }
        (Tail::Empty, None) => {
            (Tail::Sound { last: known.clone(), ending: FinalNewline::Present }, None)
        }
        (tail @ (Tail::Sound { .. } | Tail::Torn { .. }), _) => (tail, None),
    };
    let tail = match tail {
        Tail::Torn { last: None, bytes, ending } => Tail::Torn { last: Some(known), bytes, ending },
        tail => tail,
    };
    let damage = continuation.harm.map(|harm| {
        let found = tail.last().map(|last| last.head.clone());
        let found = found.filter(|_| matches!(harm, DamageKind::Altered(_)));
        Damage { harm, known: checkpoint.head.clone(), found }
    });
    Ok(LogEnd { tail, rotated, damage })
}

/// Finds the end of a log that this process has neither read nor written yet.
fn at_first(path: &Path, file: &File, keys: &Keys) -> Result<LogEnd, LogEndError> {
    let mut rotated = None;
    let tail = match tail(file, keys, TAIL_MAX)?.0 {
        Tail::Foreign => return Err(LogEndError::Foreign),
        Tail::Empty => {
            let before = predecessor(path, keys)?.map(Tail::in_new_file);
            rotated = before.as_ref().and_then(Tail::last).map(|last| last.head.clone());
            before
                .unwrap_or(Tail::Sound { last: LastRecord::start(), ending: FinalNewline::Present })
        }
        Tail::Torn { last: None, bytes, ending } => match predecessor(path, keys)? {
            Some(Tail::Sound { last, .. }) => Tail::Torn { last: Some(last), bytes, ending },
            Some(Tail::Torn { last, bytes: earlier, .. }) => {
                Tail::Torn { last, bytes: [earlier, bytes].join(&b'\n'), ending }
            }
            Some(Tail::Empty | Tail::Foreign) | None => Tail::Torn { last: None, bytes, ending },
        },
        tail @ (Tail::Sound { .. } | Tail::Torn { .. }) => tail,
    };
    Ok(LogEnd { tail, rotated, damage: None })
}
