//! `env:NAME`: an environment variable.

use std::ffi::OsString;

use secrecy::SecretString;

use super::error::SourceError;

/// Reads the variable. Its value is not trimmed.
pub(super) fn read(name: &str) -> Result<SecretString, SourceError> {
    judge(std::env::var_os(name))
}

fn judge(found: Option<OsString>) -> Result<SecretString, SourceError> {
    let help = "set and export it where `runnerctl` is started";
    let value = found.ok_or_else(|| SourceError::new("the variable is not set").help(help))?;
    // The error is dropped, because it contains the value.
    let value =
        value.into_string().map_err(|_| SourceError::new("the value is not valid UTF-8"))?;
    if value.is_empty() {
        return Err(SourceError::new("the variable is empty").help(help));
    }
    Ok(SecretString::from(value))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn check(found: Option<OsString>, expected: Result<&str, &str>) {
        let got = judge(found);
        let got = got.as_ref().map(ExposeSecret::expose_secret).map_err(|why| why.got.as_str());
        assert_eq!(got, expected);
    }

    #[test]
    fn a_variable_is_read_unchanged() {
        check(Some(" s3cret\n".into()), Ok(" s3cret\n"));
    }

    #[test]
    fn a_missing_empty_or_binary_variable_is_refused() {
        check(None, Err("the variable is not set"));
        check(Some(OsString::new()), Err("the variable is empty"));
        check(Some(OsString::from_vec(vec![0xff])), Err("the value is not valid UTF-8"));
    }

    #[test]
    fn invalid_names_are_reported_as_not_set() {
        for name in ["", "A=B", "A\0B", "RUNNERCTL_TEST_NO_SUCH_VARIABLE"] {
            assert_eq!(read(name).unwrap_err().got, "the variable is not set", "{name:?}");
        }
    }
}
