//! `file:PATH`: a file that no other user can read or write.
//!
//! The file must belong to the current user or to root, and others must have no access. Group
//! access is also refused, with two exceptions. Read access of root's group is allowed: systemd
//! passes credentials with an access control list, whose mask appears in the group bits. Kubernetes
//! gives secrets to a group of the pod (`fsGroup`); `RUNNERCTL_GROUP_SECRETS=true` allows that.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::VALUE_MAX;
use super::error::SourceError;

/// Reads the file on another thread, so that a slow disk does not block the runtime.
pub(super) async fn read(path: PathBuf) -> Result<SecretString, SourceError> {
    tokio::task::spawn_blocking(move || read_now(&path))
        .await
        .unwrap_or_else(|_| Err(SourceError::new("the read was cancelled")))
}

/// Opens the file once and checks the open file, because another file could take its place between
/// a check of the path and the opening. Without `NONBLOCK`, opening a FIFO would block.
fn read_now(path: &Path) -> Result<SecretString, SourceError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
        SourceError::new(io::Error::from(error).to_string()).help("check the path")
    })?;
    let file = File::from(file);
    judge(&file)?;
    // Allocated at full size, because a buffer that grows leaves copies of the secret in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(VALUE_MAX + 1));
    file.take(VALUE_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| SourceError::new(error.to_string()))?;
    super::value(bytes)
}

fn judge(file: &File) -> Result<(), SourceError> {
    let meta = file.metadata().map_err(|error| SourceError::new(error.to_string()))?;
    let kind = meta.file_type();
    if kind.is_dir() {
        return Err(SourceError::new("it is a directory, not a file"));
    }
    if !kind.is_file() {
        let word = match () {
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_char_device() || kind.is_block_device() => "a device",
            () => "a special file",
        };
        return Err(SourceError::new(format!("it is {word}, not a regular file")));
    }
    let access = FileAccess { mode: meta.mode() & 0o7777, owner: meta.uid(), group: meta.gid() };
    allowed(&access, rustix::process::geteuid().as_raw(), GroupAccess::read())?;
    if meta.len() > VALUE_MAX as u64 {
        return Err(SourceError::new("the value is longer than 64 KiB"));
    }
    Ok(())
}

/// The permissions of a file.
struct FileAccess {
    mode: u32,
    owner: u32,
    group: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupAccess {
    Refused,
    Allowed,
}

impl GroupAccess {
    fn read() -> Self {
        match std::env::var(GROUPS).as_deref() {
            Ok("true" | "1") => Self::Allowed,
            Ok(_) | Err(_) => Self::Refused,
        }
    }
}

/// The environment variable that allows group access.
const GROUPS: &str = "RUNNERCTL_GROUP_SECRETS";

fn allowed(access: &FileAccess, user: u32, groups: GroupAccess) -> Result<(), SourceError> {
    let &FileAccess { mode, owner, group } = access;
    if owner != user && owner != 0 {
        return Err(SourceError::new(format!("it is owned by the user with uid {owner}"))
            .help("it must be owned by the current user or by root"));
    }
    if mode & 0o007 != 0 {
        return Err(SourceError::new(format!("its mode {mode:04o} gives all users access"))
            .help("remove it with `chmod o-rwx PATH`"));
    }
    if mode & 0o020 != 0 || (mode & 0o070 != 0 && group != 0 && groups == GroupAccess::Refused) {
        return Err(SourceError::new(format!(
            "its mode {mode:04o} gives the group {group} access"
        ))
        .help(format!(
            "remove it with `chmod g-rwx PATH`, or set `{GROUPS}=true` if the group may read it"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    const CANARY: &str = "canary-5b1f";

    fn secret_file(folder: &tempfile::TempDir, content: &[u8], mode: u32) -> PathBuf {
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn check(path: &Path, expected: &str) {
        let why = read_now(path).unwrap_err();
        assert_eq!(why.got, expected);
        assert!(!format!("{why:?}").contains(CANARY), "{why:?}");
    }

    #[test]
    fn a_private_file_is_read_without_its_final_newline() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o400, 0o600] {
            let path = secret_file(&folder, b"s3cret\n", mode);
            assert_eq!(read_now(&path).unwrap().expose_secret(), "s3cret", "{mode:o}");
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, text) in [(0o644, "0644"), (0o602, "0602"), (0o601, "0601")] {
            let path = secret_file(&folder, CANARY.as_bytes(), mode);
            check(&path, &format!("its mode {text} gives all users access"));
        }
    }

    #[test]
    fn only_the_owner_has_access_except_with_systemd_and_kubernetes() {
        let check = |mode, owner, group, groups, expected: &str| {
            let got = allowed(&FileAccess { mode, owner, group }, 1000, groups);
            let got = got.map_or_else(|unexpected| unexpected.got, |()| "read".into());
            assert_eq!(got, expected, "{mode:o} {owner}:{group} {groups:?}");
        };
        use GroupAccess::{Allowed, Refused};
        check(0o600, 1000, 1000, Refused, "read");
        check(0o400, 0, 0, Refused, "read");
        check(0o440, 0, 0, Refused, "read");
        check(0o640, 1000, 1000, Refused, "its mode 0640 gives the group 1000 access");
        check(0o640, 0, 2000, Refused, "its mode 0640 gives the group 2000 access");
        check(0o640, 0, 2000, Allowed, "read");
        check(0o440, 0, 2000, Allowed, "read");
        check(0o660, 0, 2000, Allowed, "its mode 0660 gives the group 2000 access");
        check(0o620, 0, 0, Refused, "its mode 0620 gives the group 0 access");
        check(0o644, 1000, 1000, Allowed, "its mode 0644 gives all users access");
        check(0o600, 1001, 1001, Allowed, "it is owned by the user with uid 1001");
    }

    #[test]
    fn a_long_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let long = CANARY.repeat(VALUE_MAX / CANARY.len() + 1);
        check(&secret_file(&folder, long.as_bytes(), 0o600), "the value is longer than 64 KiB");
    }

    #[test]
    fn other_kinds_of_files_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), "it is a directory, not a file");
        check(Path::new("/dev/null"), "it is a device, not a regular file");
        check(&folder.path().join("absent"), "No such file or directory (os error 2)");
        let fifo = folder.path().join("fifo");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, Mode::RUSR, 0).unwrap();
        check(&fifo, "it is a FIFO, not a regular file");
    }

    #[test]
    fn a_symlink_is_checked_by_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let target = secret_file(&folder, b"s3cret", 0o600);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert_eq!(read_now(&link).unwrap().expose_secret(), "s3cret");
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o604)).unwrap();
        check(&link, "its mode 0604 gives all users access");
    }
}
