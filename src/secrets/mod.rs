//! Secrets by reference: brings the value that a [`SecretRef`] names, at the last moment.
//!
//! Decides where a value comes from and what makes a source unfit; never keeps a value, never
//! prints one. No error text of this room holds a byte of a value, nor a word of an `exec:` line
//! after its first.

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
pub use error::{Blame, SecretError};
pub use harden::harden;

use crate::domain::secret::SecretRef;

/// Longest secret, in bytes. A private key has 3 KiB; what is longer is the wrong file.
pub const VALUE_MAX: usize = 64 << 10;

/// What resolving may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolveOptions {
    /// `--allow-exec`: whether `exec:` references may start their program.
    pub allow_exec: bool,
    /// The folder of the fleet file: where an `exec:` program runs, and what a relative path to
    /// it starts from. Empty means the working folder.
    pub base_dir: PathBuf,
}

/// Brings the value. Errors when the source is missing, unfit, empty, too long or not UTF-8.
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

/// Bytes from outside as a secret: one newline at the end dropped, UTF-8, not empty.
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
    fn one_newline_at_the_end_is_dropped_and_no_more() {
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
