//! Resolves references to secrets, as late as possible.
//!
//! Decides where a value comes from and which sources are unsafe. Never stores or prints a value.
//! No error message contains a part of a value, or an argument of an `exec:` command.

mod app_key;
mod env;
mod error;
mod exec;
mod file;
mod harden;
pub mod vault;

use std::path::PathBuf;

use secrecy::SecretString;
use zeroize::Zeroizing;

pub use app_key::{AppKey, InvalidKey};
pub use error::{FaultOrigin, SecretError};
pub use harden::harden;

use crate::domain::secret::SecretRef;

/// The maximum length of a secret, in bytes. A private key has 3 KiB; anything much longer is a
/// wrong file.
pub const VALUE_MAX: usize = 64 << 10;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolveOptions {
    /// `--allow-exec`: whether `exec:` references may run their program.
    pub allow_exec: bool,
    /// The folder of the fleet file, in which an `exec:` program runs and to which its path is
    /// relative. Empty for the working folder.
    pub base_dir: PathBuf,
}

/// Resolves a reference. Errors if the source is missing, unsafe, empty, too long or not UTF-8.
pub async fn resolve(
    reference: &SecretRef,
    options: &ResolveOptions,
) -> Result<SecretString, SecretError> {
    let found = match reference {
        SecretRef::Env(name) => env::read(name),
        SecretRef::File(path) => file::read(PathBuf::from(path)).await,
        SecretRef::Exec(words) => exec::read(words, options, exec::TIMEOUT).await,
        SecretRef::Vault { path, field } => vault::read_here(path, field).await,
    };
    found.map_err(|why| SecretError::new(reference, why))
}

/// Converts bytes to a secret. Drops one final newline, and requires non-empty UTF-8 of at most
/// [`VALUE_MAX`] bytes.
fn value(mut bytes: Zeroizing<Vec<u8>>) -> Result<SecretString, error::SourceError> {
    if bytes.len() > VALUE_MAX {
        return Err(error::SourceError::new("the value is longer than 64 KiB"));
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| error::SourceError::new("the value is not valid UTF-8"))?;
    if text.is_empty() {
        return Err(error::SourceError::new("the value is empty"));
    }
    Ok(SecretString::from(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn check(bytes: &[u8], expected: Result<&str, &str>) {
        let got = value(Zeroizing::new(bytes.to_vec()));
        let got = got.as_ref().map(ExposeSecret::expose_secret).map_err(|why| why.got.as_str());
        assert_eq!(got, expected, "{bytes:?}");
    }

    #[test]
    fn exactly_one_final_newline_is_dropped() {
        check(b"s3cret", Ok("s3cret"));
        check(b"s3cret\n", Ok("s3cret"));
        check(b"s3cret\r\n", Ok("s3cret"));
        check(b"s3cret\n\n", Ok("s3cret\n"));
        check(b" s3cret \r", Ok(" s3cret \r"));
        check(b"-----BEGIN\nx\n-----END\n", Ok("-----BEGIN\nx\n-----END"));
    }

    #[test]
    fn empty_long_and_binary_values_are_refused() {
        check(b"", Err("the value is empty"));
        check(b"\n", Err("the value is empty"));
        check(b"\r\n", Err("the value is empty"));
        check(b"\xff\xfe", Err("the value is not valid UTF-8"));
        check(&vec![b'a'; VALUE_MAX + 1], Err("the value is longer than 64 KiB"));
    }
}
