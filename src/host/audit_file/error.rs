//! Why a record is not in the audit file.

use std::io;

/// Why a record is not in the file.
#[derive(Debug, thiserror::Error)]
pub enum AuditFileError {
    /// Another process has the file at this moment: try again.
    #[error("the audit file `{0}` is held by another process")]
    Locked(String),
    /// The system said no: permission, a full disk, a folder that is not there.
    #[error("cannot {what} the audit file `{path}`: {error}")]
    Io {
        /// What we were about to do.
        what: &'static str,
        /// Which file.
        path: String,
        /// The system's words.
        error: io::Error,
    },
    /// It is a folder, a device, a pipe.
    #[error("the audit file `{0}` is not a regular file")]
    NotAFile(String),
    /// It holds something, and that is not an audit log.
    #[error("`{0}` does not end with an audit record: it is not an audit file")]
    Foreign(String),
    /// Records cannot be written, and the rule is that nothing is done without one.
    #[error("{0}, and `watch.audit_required` is set")]
    Unwritable(String),
    /// Its records have an HMAC, and new ones would have none.
    #[error(
        "the records in `{0}` have an HMAC, and there is no key: name it with `watch.audit_key`"
    )]
    Unsigned(String),
    /// Its records have an HMAC made with a key that is not at hand.
    #[error(
        "the records in `{0}` are signed with another key: name it under \
         `watch.previous_audit_keys`, or restart the process that has the old key"
    )]
    OtherKey(String),
}
