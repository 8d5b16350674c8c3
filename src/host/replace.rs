//! Writing a file whole or not at all.

use std::fs::{Permissions, metadata};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Puts a file with this text and mode in the place of `path`: whoever waits for it never reads a
/// part. What is there and is no file (a device, a pipe, a folder) is left as it is: a rename would
/// take its place, also behind a link.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    if metadata(path).is_ok_and(|it| !it.is_file()) {
        return Err(io::Error::other("something is there that is no file"));
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is for its owner alone from the first byte on.
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(text.as_bytes())?;
    draft.as_file().set_permissions(Permissions::from_mode(mode))?;
    draft.as_file().sync_all()?;
    draft.persist(path).map_err(|it| it.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{read_dir, read_to_string, symlink_metadata};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        replace(&path, "one", 0o644).unwrap();
        replace(&path, "two", 0o600).unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "two");
        assert_eq!(metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("null");
        symlink("/dev/null", &link).unwrap();
        for path in [&link, folder.path()] {
            let error = replace(path, "text", 0o600).unwrap_err();
            assert_eq!(error.to_string(), "something is there that is no file");
        }
        assert!(symlink_metadata(&link).unwrap().is_symlink());
    }
}
