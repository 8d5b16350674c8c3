//! Writes a file completely or not at all. Replaces only regular files.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, metadata, symlink_metadata};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, fstat, fstatfs, openat, readlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::disk::{self, folder_of};

/// The number of symbolic links that are followed, as in Linux.
const LINKS_MAX: usize = 40;

/// The end of a path whose symbolic links have been followed.
#[derive(Debug, PartialEq, Eq)]
pub enum WriteTarget {
    /// A regular file, or a path without a file.
    File(PathBuf),
    /// A terminal, a pipe, a character device, or a file that a process has open.
    Stream(PathBuf),
}

/// Writes `text` to the file that `path` leads to. A regular file is replaced by a rename and has
/// `mode` from the start, so that a reader never sees a part of it; a symbolic link to it is kept.
/// The text is written to a terminal, a pipe or a character device. Anything else is an error and
/// is not changed.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    match end_of(path)? {
        WriteTarget::File(end) => disk::put(&end, text, mode),
        WriteTarget::Stream(end) => open_stream(&end)?.write_all(text.as_bytes()),
    }
}

/// Follows the symbolic links of `path`. Errors if it leads to a folder, a socket or a block
/// device, or if a link must not be followed.
pub fn end_of(path: &Path) -> io::Result<WriteTarget> {
    let end = follow(path)?;
    let there = match symlink_metadata(&end) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(WriteTarget::File(end)),
        there => there?,
    };
    let kind = metadata(&end)?.file_type();
    let is_stream = kind.is_fifo() || kind.is_char_device();
    // The only links that are not followed are those of /proc, which refer to an open file instead
    // of a path.
    if is_stream || (there.is_symlink() && kind.is_file()) || own_stream(&end).is_some() {
        return Ok(WriteTarget::Stream(end));
    }
    if kind.is_file() {
        Ok(WriteTarget::File(end))
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

/// Follows the symbolic links of the last component of `path`, except those of /proc, whose targets
/// are not always paths.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut end = path.to_owned();
    for _ in 0..LINKS_MAX {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let there = match openat(CWD, &end, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(end),
            there => there?,
        };
        let about = fstat(&there)?;
        let kind = FileType::from_raw_mode(about.st_mode);
        let folder = metadata(folder_of(&end))?;
        let is_planted =
            is_planted(about.st_uid, (folder.uid(), folder.mode()), geteuid().as_raw());
        if kind != FileType::RegularFile && is_planted {
            let why = "it belongs to another user, in a folder that every user can write to";
            return Err(io::Error::new(ErrorKind::PermissionDenied, why));
        }
        if kind != FileType::Symlink || fstatfs(&there)?.f_type == PROC_SUPER_MAGIC {
            return Ok(end);
        }
        let target = readlinkat(&there, "", Vec::new())?;
        end = folder_of(&end).join(OsStr::from_bytes(target.as_bytes()));
    }
    Err(Errno::LOOP.into())
}

/// Whether a user other than `us` may have placed a file or link in a shared folder such as `/tmp`
/// to misdirect a write. `owner` owns the file or link. This is the rule of the kernel's
/// `fs.protected_symlinks`, which does not cover links that we read ourselves. `folder` is the
/// owner and mode of the folder.
fn is_planted(owner: u32, folder: (u32, u32), us: u32) -> bool {
    const STICKY_AND_SHARED: u32 = 0o1002;
    let is_shared = folder.1 & STICKY_AND_SHARED == STICKY_AND_SHARED;
    is_shared && owner != us && owner != folder.0
}

/// Opens a stream for writing. A pipe without a reader is an error; waiting for one could take
/// forever.
fn open_stream(path: &Path) -> io::Result<File> {
    if let Some(own) = own_stream(path) {
        return Ok(own);
    }
    let is_file = metadata(path)?.is_file();
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().write(true).truncate(is_file).custom_flags(flags).open(path);
    let stream = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::NXIO.raw_os_error() => {
            io::Error::other("it is a pipe that no process reads from")
        }
        _ => error,
    })?;
    rustix::fs::fcntl_setfl(&stream, OFlags::empty())?;
    Ok(stream)
}

/// Our own stdout or stderr, if `path` leads to the same file. A second handle would write from the
/// beginning of the file, and later output would overwrite the text.
fn own_stream(path: &Path) -> Option<File> {
    let there = metadata(path).ok()?;
    let (out, err) = (io::stdout(), io::stderr());
    [out.as_fd(), err.as_fd()].into_iter().find_map(|stream| {
        let own = File::from(stream.try_clone_to_owned().ok()?);
        let about = own.metadata().ok()?;
        ((about.dev(), about.ino()) == (there.dev(), there.ino())).then_some(own)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, read_dir, read_link, read_to_string};
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use rustix::fs::mknodat;

    use super::*;

    fn pipe(path: &Path) {
        mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    }

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
    fn a_link_is_kept_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        create_dir(at("kept")).unwrap();
        symlink("second", at("first")).unwrap();
        symlink(at("kept/plan"), at("second")).unwrap();
        // At first, the last link dangles.
        for text in ["one", "two"] {
            replace(&at("first"), text, 0o600).unwrap();
            assert_eq!(read_to_string(at("kept/plan")).unwrap(), text);
        }
        assert_eq!(read_link(at("first")).unwrap(), Path::new("second"));
        assert_eq!(read_link(at("second")).unwrap(), at("kept/plan"));
        assert_eq!(read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn circular_links_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        symlink("a", &path).unwrap();
        let error = replace(&path, "text", 0o600).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn devices_and_pipes_are_written_to_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (null, fifo) = (folder.path().join("null"), folder.path().join("fifo"));
        symlink("/dev/null", &null).unwrap();
        replace(&null, "text", 0o600).unwrap();
        assert_eq!(read_link(&null).unwrap(), Path::new("/dev/null"));
        assert!(metadata(&null).unwrap().file_type().is_char_device());

        pipe(&fifo);
        let error = replace(&fifo, "text", 0o600).unwrap_err();
        assert_eq!(error.to_string(), "it is a pipe that no process reads from");
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut reader = OpenOptions::new().read(true).custom_flags(flags).open(&fifo).unwrap();
        replace(&fifo, "text", 0o600).unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "text");
    }

    #[test]
    fn a_file_that_a_process_has_open_is_written_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("open"), folder.path().join("link"));
        std::fs::write(&path, "longer than the text").unwrap();
        let open = File::open(&path).unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&open);
        symlink(format!("/proc/self/fd/{descriptor}"), &link).unwrap();
        replace(&link, "text", 0o600).unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "text");
        assert_eq!(open.metadata().unwrap().ino(), metadata(&path).unwrap().ino());
        assert!(symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn folders_and_sockets_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [folder.path(), &socket] {
            let error = replace(path, "text", 0o600).unwrap_err();
            assert_eq!(error.to_string(), "not a regular file");
        }
        assert!(metadata(&socket).unwrap().file_type().is_socket());
    }

    #[test]
    fn a_link_of_another_user_in_a_shared_folder_is_not_followed() {
        const TMP: (u32, u32) = (0, 0o41777);
        for (owner, folder, us, expected) in [
            (1001, TMP, 0, true),
            (1001, TMP, 1000, true),
            (1000, TMP, 1000, false),
            // The folder's owner could replace anything in it anyway.
            (0, TMP, 1000, false),
            (1001, (0, 0o40755), 0, false),
        ] {
            assert_eq!(is_planted(owner, folder, us), expected, "{owner} {folder:?} {us}");
        }
    }
}
