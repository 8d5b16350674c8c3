//! Whether a log is whole, and if not, which record is the first bad one.

use super::anchor::Statements;
use super::chain::{Head, START};
use super::check::{Check, Line};
use super::keys::Keys;
use super::report::Report;

/// What a log is held against, besides itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Demands<'a> {
    /// Keys of the HMACs: with any, every record must be vouched for by one that is good.
    pub keys: Option<&'a Keys>,
    /// A record that must be there.
    pub head: Option<&'a Head>,
    /// Where the files end that come before the first one here.
    pub since: Option<&'a Head>,
    /// Signed statements about records that must be there.
    pub anchors: Option<&'a Statements>,
}

/// One file of the log.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
}

/// Checks the chain over all files, which are put into the order of their first records.
pub fn verify(files: &[File<'_>], demands: Demands<'_>) -> Report {
    let mut files = files.to_vec();
    files.sort_by_key(|it| first_seq(it.bytes));
    let mut check = Check::new(demands);
    for file in &files {
        check.begin(file.name);
        for line in file.bytes.split_inclusive(|it| *it == b'\n') {
            check.line(match line.strip_suffix(b"\n") {
                Some(line) => Line::Whole(line),
                None => Line::Cut(line),
            });
        }
    }
    check.finish()
}

/// The number of the first record in the first bytes of a file, sound or not: files are checked in
/// this order. Without one the file goes last.
pub fn first_seq(start: &[u8]) -> u64 {
    let seq = |line: &[u8]| -> Option<u64> {
        let digits = line.strip_prefix(START.as_bytes())?;
        let end = digits.iter().position(|it| !it.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    };
    start.split(|it| *it == b'\n').find_map(seq).unwrap_or(u64::MAX)
}
