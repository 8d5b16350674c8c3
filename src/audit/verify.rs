//! Verifies a log that consists of one or more files, and finds the first bad record.

use super::chain::START;
use super::check::{Check, CheckCriteria, FileLine};
use super::report::Report;

/// One file of a log.
#[derive(Debug, Clone, Copy)]
pub struct NamedFile<'a> {
    /// The name that reports show.
    pub name: &'a str,
    pub bytes: &'a [u8],
}

/// Checks the chain across all files, in the order of their first records.
pub fn verify(files: &[NamedFile<'_>], criteria: CheckCriteria<'_>) -> Report {
    let mut files = files.to_vec();
    files.sort_by_key(|file| first_seq(file.bytes));
    let mut check = Check::new(criteria);
    for file in &files {
        check.begin(file.name);
        for line in file.bytes.split_inclusive(|byte| *byte == b'\n') {
            check.line(match line.strip_suffix(b"\n") {
                Some(line) => FileLine::Whole(line),
                None => FileLine::Cut(line),
            });
        }
    }
    check.finish()
}

/// The sequence number of the first record in the first bytes of a file, whether intact or not.
/// Files are checked in this order; a file without a record comes last.
pub fn first_seq(start: &[u8]) -> u64 {
    let seq = |line: &[u8]| -> Option<u64> {
        let digits = line.strip_prefix(START.as_bytes())?;
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    };
    start.split(|byte| *byte == b'\n').find_map(seq).unwrap_or(u64::MAX)
}
