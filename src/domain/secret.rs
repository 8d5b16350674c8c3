//! References to secrets, as the fleet file writes them. A reference is never the secret itself.

use std::fmt;

/// Where to get a secret. `secrets` resolves it, as late as possible.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// `env:NAME`
    Env(String),
    /// `file:PATH`; the path has already been resolved relative to the fleet file.
    File(String),
    /// `vault:PATH#FIELD`, key/value version 2.
    Vault {
        path: String,
        /// The field of the secret.
        field: String,
    },
    /// `exec:` and a command line, split into words and run without a shell.
    Exec(Vec<String>),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Vault { path, field } => write!(f, "vault:{path}#{field}"),
            // Arguments may reveal secrets; the program is enough to identify the command.
            Self::Exec(words) => write!(f, "exec:{}", words.first().map_or("", String::as_str)),
        }
    }
}
