//! The audit file and power failures.

use super::*;
use crate::audit::{Cause, Check, CheckCriteria, Draft, Entry, Keys, RecordKind, testing};
use crate::host::audit_file::{AuditFile, MissingFolders, RecordWriter};
use crate::host::clock::Clock;
use crate::host::log_set::LogSet;
use crate::host::segments::{self, RotationLimits, SegmentFile};
use crate::host::{disk, state_dir};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A gap record, because a check lists those.
fn entry(detail: &str) -> Entry {
    Entry {
        time: Clock::Real.now(),
        // Several records of this size span more than one sector.
        after: Some(serde_json::json!({ "filler": "x".repeat(700) })),
        ..testing::entry(state_dir::actor(), RecordKind::Gap, "test", detail)
    }
}

/// Writes records with one call, as another process would, and reports them.
fn write(path: &Path, details: &[&str]) {
    let writer =
        RecordWriter { actor: state_dir::actor(), clock: Clock::Real, keys: Keys::default() };
    let audit_file = AuditFile::open(path, writer, MissingFolders::Fail).unwrap();
    let drafts: Vec<Draft> = details.iter().map(|detail| (&entry(detail)).into()).collect();
    audit_file.append_all(&drafts.iter().collect::<Vec<_>>(), &Cause::default()).unwrap();
    details.iter().for_each(|detail| said(detail));
}

/// Checks that the next process can write after a crash, and that the chain is unbroken and
/// contains every reported record.
fn check(root: &Path, due: &[String]) {
    write(&root.join("log"), &["after"]);
    check_that(root, due);
}

/// Checks the chain, and that it contains every reported record.
fn check_that(root: &Path, due: &[String]) {
    let paths: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    let logs = LogSet::open(&paths, None).unwrap();
    let since = logs.deleted();
    let mut check = Check::new(CheckCriteria { since, ..CheckCriteria::default() });
    logs.feed(&mut check, |_| {}).unwrap();
    let report = check.finish();
    assert_eq!(report.broken, None, "{due:?}");
    let gaps: Vec<&str> = report.gaps.iter().map(|gap| gap.detail.as_str()).collect();
    for due in due {
        assert!(gaps.contains(&due.as_str()), "{due} is lost: {gaps:?}");
    }
}

#[test]
fn a_reported_record_survives_a_power_failure_at_any_point() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let run = || {
        write(&path, &["first"]);
        write(&path, &["a", "b", "c"]);
        // As another program does, `logrotate` for example.
        disk::rename(&path, &folder.path().join("log.1")).unwrap();
        write(&path, &["d", "e"]);
        write(&path, &["last"]);
    };
    let count = replay(folder.path(), run, check);
    assert!(count > 30, "{count}");
}

/// Writes records as a process does that closes the file before each write and then archives it.
fn rotate(path: &Path, details: &[&str]) {
    let writer =
        RecordWriter { actor: state_dir::actor(), clock: Clock::Real, keys: Keys::default() };
    let limits = RotationLimits { max_size: 1, every: Duration::from_hours(1), keep: None };
    let audit_file = AuditFile::open(path, writer, MissingFolders::Fail).unwrap();
    let audit_file = audit_file.rotating(Some(limits));
    let drafts: Vec<Draft> = details.iter().map(|detail| (&entry(detail)).into()).collect();
    audit_file.append_all(&drafts.iter().collect::<Vec<_>>(), &Cause::default()).unwrap();
    details.iter().for_each(|detail| said(detail));
    audit_file.archive(&Cause::default(), &AtomicBool::new(false)).unwrap();
}

/// A kill at any point is a power failure that loses nothing, so it is among these.
#[test]
fn a_power_failure_at_any_point_of_a_rotation_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let run = || {
        write(&path, &["first"]);
        rotate(&path, &["a", "b"]);
        rotate(&path, &["c"]);
    };
    let count = replay(folder.path(), run, |root, due| {
        let path = root.join("log");
        // Whole without any repair, unless nothing was written or a write was interrupted.
        if let Ok(logs) = LogSet::open(&[&path], None) {
            let mut check = Check::new(CheckCriteria::default());
            logs.feed(&mut check, |_| {}).unwrap();
            let broken = check.finish().broken;
            let is_torn = |reason: &str| reason.contains("complete") || reason.contains("cut");
            assert!(broken.is_none_or(|broken| is_torn(&broken.reason)), "{due:?}");
        }
        rotate(&path, &["after"]);
        rotate(&path, &["at last"]);
        check_that(root, due);
        let logs = LogSet::open(&[&path], None).unwrap();
        assert_eq!(logs.check_manifests(&Keys::default()).unwrap(), None);
        let is_plain = |file: &&SegmentFile| !file.is_compressed;
        assert_eq!(segments::segments(&path).iter().filter(is_plain).count(), 0);
    });
    assert!(count > 60, "{count}");
}

#[test]
fn a_second_power_failure_during_recovery_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let run = || {
        write(&path, &["first"]);
        write(&path, &["a", "b"]);
    };
    replay(folder.path(), run, |root, due| {
        // Every point of the recovery, for every point of the first failure.
        let again = || {
            due.iter().for_each(|detail| said(detail));
            write(&root.join("log"), &["d"]);
        };
        replay(root, again, check);
    });
}

#[test]
fn a_torn_first_write_after_a_rotation_is_reported_and_continues_the_previous_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    write(&path, &["first"]);
    fs::write(folder.path().join("log.1"), fs::read(&path).unwrap()).unwrap();
    for torn in [&b"{\"v\":1,\"se"[..], &[0; 900]] {
        fs::write(&path, torn).unwrap();
        check(folder.path(), &["first".to_owned()]);
    }
}
