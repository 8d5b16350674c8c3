//! Appends lines to the anchor file, usually on a mount outside this machine.

use std::io;
use std::path::Path;

use super::disk;

/// Appends a line and syncs it to disk. Blocks; on a mount that does not respond, possibly forever.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = disk::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    disk::append(&mut file, format!("{line}\n").as_bytes())?;
    disk::sync(&file)?;
    if about.len() == 0 {
        disk::sync_folder(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_to_a_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anchor");
        append_line(&path, "one").unwrap();
        append_line(&path, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert!(append_line(Path::new("/dev/null"), "x").is_err());
        assert!(append_line(&folder.path().join("absent/anchor"), "x").is_err());
    }
}
