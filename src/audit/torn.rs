//! The bytes that an interrupted write left in a log.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::chain::Record;
use super::entry::hex;

/// The digest of lines that are not records, collected line by line.
#[derive(Debug, Clone, Default)]
pub struct Torn {
    sum: Sha256,
    length: u64,
    has_zeros: bool,
    is_begun: bool,
}

impl PartialEq for Torn {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Torn {}

impl Torn {
    /// The digest of torn bytes, newlines included.
    pub fn of(bytes: &[u8]) -> Self {
        let mut torn = Self::default();
        torn.add_line(bytes);
        torn
    }

    pub(super) fn add_line(&mut self, line: &[u8]) {
        if self.is_begun {
            self.add(b"\n");
        }
        self.is_begun = true;
        self.add(line);
    }

    /// Appends bytes to the line that was added last.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.length += bytes.len() as u64;
        self.has_zeros |= bytes.contains(&0);
    }

    /// Whether the bytes contain zeros. A disk that lost power leaves such holes, and the records
    /// after a hole do not continue those before it.
    pub(super) fn has_zeros(&self) -> bool {
        self.has_zeros
    }

    /// The number and SHA-256 of the bytes, in the form in which the gap record contains them.
    pub fn digest(&self) -> Value {
        json!({ "bytes": self.length, "sha256": hex(&self.sum.clone().finalize()) })
    }

    /// Whether `record` is the gap record about exactly these bytes.
    pub(super) fn is_reported_by(&self, record: &Record<'_>) -> bool {
        record.members["kind"] == "gap" && record.members["before"] == self.digest()
    }
}
