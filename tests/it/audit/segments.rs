//! Segments: several processes that close them, kills, a full disk, and the commands that read them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use runnerctl::audit::Cause;
use runnerctl::host::audit_file::AuditFile;
use runnerctl::host::segments::RotationLimits;

use super::{WRITER, append, audit_file, run, writer};

/// The environment variable that sets the size at which `the_writer` closes the file.
pub(super) const MAX_SIZE: &str = "RUNNERCTL_TEST_MAX_SIZE";

/// The audit file, closed at this size.
pub(super) fn rotating(path: &Path, max_size: u64) -> AuditFile {
    // The records of `entry` are old.
    let every = Duration::from_hours(1_000_000);
    audit_file(path, None).rotating(Some(RotationLimits { max_size, every, keep: None }))
}

pub(super) fn archive(log: &AuditFile) {
    // A full disk or another process; the next call tries again.
    let _ = log.archive(&Cause::default(), &AtomicBool::new(false));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes `records` records in segments of about three.
fn write(folder: &Path, records: usize) {
    let log = rotating(&folder.join("audit.jsonl"), 1_000);
    for record in 0..records {
        append(&log, &format!("record {record} {}", "x".repeat(100)));
        archive(&log);
    }
}

#[test]
fn killed_processes_that_close_segments_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut reported = 0;
    for round in 0..6 {
        let start = || writer(&path, 1_000_000).env(MAX_SIZE, "2000").spawn().unwrap();
        let children: Vec<_> = (0..3).map(|_| start()).collect();
        std::thread::sleep(Duration::from_millis(150 + 40 * round));
        for mut child in children {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let whole = text.rsplit_once('\n').map_or("", |lines| lines.0);
            let seqs = whole.lines().filter_map(|line| line.split_once("seq ")?.1.parse().ok());
            reported = seqs.max().unwrap_or(0).max(reported);
        }
    }
    let log = rotating(&path, 2_000);
    let head = append(&log, "after");
    assert!(head.seq > reported && reported > 20, "{} {reported}", head.seq);
    append(&log, "and again");
    log.archive(&Cause::default(), &AtomicBool::new(false)).unwrap();
    let (code, stdout, _) = run(folder.path(), &["."]);
    assert_eq!(code, 0, "{stdout}");
    let last = head.seq + 1;
    assert!(stdout.contains(&format!(", 1 to {last}\n")), "{stdout}");
    let is_left = |name: &&String| {
        !name.ends_with(".gz") && !["audit.jsonl", "audit.jsonl.manifest"].contains(&name.as_str())
    };
    let left: Vec<String> = names(folder.path()).iter().filter(is_left).cloned().collect();
    assert!(left.iter().all(|name| name.ends_with(".gz.tmp")), "{left:?}");
}

#[test]
fn a_full_disk_during_rotation_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    // The manifest does not fit after some segments; see `a_full_disk_leaves_a_log_that_verifies`.
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact audit::the_writer --nocapture";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .envs([(WRITER, path.as_os_str()), (MAX_SIZE, "1000".as_ref())])
        .env("RUNNERCTL_TEST_RECORDS", "60")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let plain = |names: &[String]| {
        let is_plain = |name: &&String| name.starts_with("audit.jsonl.") && !name.contains(".gz");
        names.iter().filter(is_plain).count()
    };
    assert!(plain(&names(folder.path())) > 2, "{:?}", names(folder.path()));
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.starts_with("whole: 60 records in "), "{stdout}");
    archive(&rotating(&path, 1_000));
    // The manifest is what is left.
    assert_eq!(plain(&names(folder.path())), 1, "{:?}", names(folder.path()));
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl"]);
    assert_eq!(code, 0, "{stdout}");
}

#[test]
fn verify_takes_the_current_file_a_segment_or_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 10);
    let names = names(folder.path());
    let first = names.iter().find(|name| name.starts_with("audit.jsonl.1-")).unwrap();
    let whole = |line: &[&str], said: &str| {
        let (code, stdout, _) = run(folder.path(), line);
        assert_eq!(code, 0, "{line:?}: {stdout}");
        assert!(stdout.starts_with("whole: ") && stdout.contains(said), "{line:?}: {stdout}");
    };
    whole(&["audit.jsonl"], ", 1 to 10\n");
    whole(&["."], ", 1 to 10\n");
    whole(&["audit.jsonl.manifest"], ", 1 to 10\n");
    whole(&[first], ", 1 to ");
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    whole(&all, ", 1 to 10\n");
    fs::copy(folder.path().join("audit.jsonl"), folder.path().join("other.jsonl")).unwrap();
    let (code, _, stderr) = run(folder.path(), &["."]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("several audit logs in `.`: name one of"), "{stderr}");
    fs::remove_file(folder.path().join(first)).unwrap();
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl"]);
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("the segment with the records 1 to "), "{stdout}");
}

#[test]
fn show_reads_the_segments_before_the_named_file() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 10);
    let show = |line: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("runnerctl").unwrap();
        let command = command.current_dir(folder.path()).env_clear().args(["audit", "show"]);
        let output = command.args(line).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().lines().count())
    };
    assert_eq!(show(&["audit.jsonl", "-o", "json"]), (Some(0), 10));
    // The records of `entry` are from January; so the manifest alone shows that none is later.
    assert_eq!(show(&[".", "-o", "json", "--since", "2026-02-01"]), (Some(0), 0));
}
