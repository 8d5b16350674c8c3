//! Settings of the C library's memory allocator.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Environment variables of glibc: two heaps for all threads, and blocks larger than 128 KiB are
/// returned to the system when they are freed. By default, glibc starts to keep such blocks after
/// GARM's first large response, and a fleet of 1,000 pools takes 30 MB more.
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Restarts this process with these settings, because glibc reads them only when a process starts.
/// Must be called before anything else. Does nothing if one of the variables is set, which is the
/// case after the restart, or if the C library is not glibc. A failure is ignored: the program
/// works without the settings, too.
pub fn settle() {
    let is_set = |(name, _): &(&str, &str)| std::env::var_os(name).is_some();
    if cfg!(not(target_env = "gnu")) || SETTINGS.iter().any(is_set) {
        return;
    }
    let mut line = std::env::args_os();
    let (Ok(program), Some(name)) = (std::env::current_exe(), line.next()) else { return };
    // `exec` returns only if it fails.
    let _ = Command::new(program).arg0::<&OsStr>(&name).args(line).envs(SETTINGS).exec();
}
