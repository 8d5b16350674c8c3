//! How the C library's allocator keeps memory.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What glibc is to do, in bytes and numbers: two heaps for all threads, and whatever is larger
/// than 128 KiB given back to the system when it is done with. By default it learns from the first
/// large answer of GARM to keep such memory, and a fleet of 1,000 pools costs 30 MB more.
const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// Starts this process anew with these settings, which glibc reads at the start of a process and at
/// no other time; to be called before there is anything to lose. Returns when they are in force,
/// when somebody has set one of them, when another C library is used, and when it cannot be done,
/// which is no reason to do nothing.
pub fn settle() {
    let is_set = |it: &(&str, &str)| std::env::var_os(it.0).is_some();
    if cfg!(not(target_env = "gnu")) || SETTINGS.iter().any(is_set) {
        return;
    }
    let mut line = std::env::args_os();
    let (Ok(program), Some(name)) = (std::env::current_exe(), line.next()) else { return };
    // Returns only when the system refuses.
    let _ = Command::new(program).arg0::<&OsStr>(&name).args(line).envs(SETTINGS).exec();
}
