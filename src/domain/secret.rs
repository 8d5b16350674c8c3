//! A secret as the fleet file names it: a reference, never the secret.

use std::fmt;

/// Where a secret is to be had. Resolved by `secrets`, at the last moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// `env:NAME`
    Env(String),
    /// `file:PATH`; the path is already taken relative to the fleet file.
    File(String),
    /// `vault:PATH#FIELD`, key/value version 2.
    Vault {
        /// Mount and path.
        path: String,
        /// Field of the secret.
        field: String,
    },
    /// `exec:` and a command line: the words, run without a shell.
    Exec(Vec<String>),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Vault { path, field } => write!(f, "vault:{path}#{field}"),
            // Arguments may be telling; the program is enough to know which line is meant.
            Self::Exec(words) => write!(f, "exec:{}", words.first().map_or("", String::as_str)),
        }
    }
}
