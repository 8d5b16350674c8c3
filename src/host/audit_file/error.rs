//! The errors of the audit file.

use std::io;

/// Why a record could not be written to the audit file.
#[derive(Debug, thiserror::Error)]
pub enum AuditFileError {
    /// Another process holds the lock at the moment; the caller should retry.
    #[error("the audit file `{0}` is locked by another process")]
    Locked(String),
    /// A system call failed: no permission, a full disk, a missing folder.
    #[error("cannot {what} the audit file `{path}`: {error}")]
    Io {
        /// The action that failed, as a verb that fits the message.
        what: &'static str,
        /// The path of the file.
        path: String,
        /// The error of the system.
        error: io::Error,
    },
    /// The path leads to a folder, a device or a pipe.
    #[error("the audit file `{0}` is not a regular file")]
    NotAFile(String),
    /// The file is not empty and does not contain an audit log.
    #[error("`{0}` does not end with an audit record, so it is not an audit file")]
    Foreign(String),
    /// A required record cannot be written, so its write is not sent.
    #[error("{0}, and `watch.audit_required` is set")]
    Unwritable(String),
    /// The records of the log have an HMAC, but new ones would not.
    #[error("the records in `{0}` have an HMAC, but no key is set: set it with `watch.audit_key`")]
    Unsigned(String),
    /// The records of the log have an HMAC of a key that is not available.
    #[error(
        "the records in `{0}` are signed with another key: list it under \
         `watch.previous_audit_keys`, or restart the process that has the old key"
    )]
    OtherKey(String),
}
