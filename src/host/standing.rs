//! What the next record of a log continues.

use std::fs::File;
use std::io;
use std::path::Path;

use super::mark::Mark;
use super::rotation::{TAIL_MAX, TAIL_MIN, predecessor, tail};
use crate::audit::{Damage, Ending, Harm, Head, Keys, Last, Tail};

/// The end of a log.
#[derive(Debug)]
pub(super) struct Standing {
    /// How it ends, as if all of it stood in the file that is written to; never empty or foreign.
    pub(super) tail: Tail,
    /// That file is a new one: where the one before ends.
    pub(super) rotated: Option<Head>,
    /// The log does not continue what this process knows to be in it.
    pub(super) damage: Option<Damage>,
}

/// Why nothing can continue it.
#[derive(Debug)]
pub(super) enum Obstacle {
    Io(io::Error),
    /// It is no audit log.
    Foreign,
    /// Another key signs it, which is not at hand.
    OtherKey,
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How the log ends of which `file` stands under `path`. What is torn in a file that was renamed
/// belongs to the end, because nothing is added to that file any more.
pub(super) fn standing(
    path: &Path,
    file: &File,
    keys: &Keys,
    mark: Option<&Mark>,
) -> Result<Standing, Obstacle> {
    let Some(mark) = mark else { return at_first(path, file, keys) };
    let course = mark.course(path, file, keys)?;
    if course.is_signed_by_others {
        return Err(Obstacle::OtherKey);
    }
    let (head, signer) = course.last;
    let known = Last { head, signer, ..Last::start() };
    if course.is_unchanged {
        let has_newline = file.metadata()?.len() >= mark.end;
        let ending = if has_newline { Ending::Newline } else { Ending::Cut };
        let last = Last { written: mark.written.clone(), ..known };
        let tail = Tail::Sound { last, ending };
        return Ok(Standing { tail, rotated: None, damage: None });
    }
    let (tail, rotated) = match (tail(file, keys, TAIL_MIN)?.0, &course.before) {
        (Tail::Foreign, _) => return Err(Obstacle::Foreign),
        (Tail::Empty, Some(before)) => {
            (tail(before, keys, TAIL_MIN)?.0.in_new_file(), Some(known.head.clone()))
        }
        (Tail::Empty, None) => (Tail::Sound { last: known.clone(), ending: Ending::Newline }, None),
        (tail @ (Tail::Sound { .. } | Tail::Torn { .. }), _) => (tail, None),
    };
    let tail = match tail {
        Tail::Torn { last: None, bytes, ending } => Tail::Torn { last: Some(known), bytes, ending },
        tail => tail,
    };
    let damage = course.harm.map(|harm| {
        let found = tail.last().map(|it| it.head.clone());
        let found = found.filter(|_| matches!(harm, Harm::Altered(_)));
        Damage { harm, known: mark.head.clone(), found }
    });
    Ok(Standing { tail, rotated, damage })
}

/// The same when this process knows nothing of the log yet.
fn at_first(path: &Path, file: &File, keys: &Keys) -> Result<Standing, Obstacle> {
    let mut rotated = None;
    let tail = match tail(file, keys, TAIL_MAX)?.0 {
        Tail::Foreign => return Err(Obstacle::Foreign),
        Tail::Empty => {
            let before = predecessor(path, keys)?.map(Tail::in_new_file);
            rotated = before.as_ref().and_then(Tail::last).map(|it| it.head.clone());
            before.unwrap_or(Tail::Sound { last: Last::start(), ending: Ending::Newline })
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
    Ok(Standing { tail, rotated, damage: None })
}
