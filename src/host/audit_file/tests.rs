//! Several writers, rotation, keys and the clock.

mod damage;

use std::os::unix::fs::PermissionsExt;

use secrecy::SecretString;

use super::*;
use crate::audit::{self, CheckCriteria, Key, RecordKind, testing, verify};

fn writer() -> RecordWriter {
    let actor = Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() };
    RecordWriter { actor, clock: Clock::Real, keys: Keys::default() }
}

fn entry(detail: &str) -> Entry {
    testing::entry(writer().actor, RecordKind::Intent, "create pool", detail)
}

fn open(path: &Path) -> AuditFile {
    AuditFile::open(path, writer(), MissingFolders::Fail).unwrap()
}

/// The numbers of records and gaps, and the bad line.
fn check(path: &Path) -> (u64, usize, Option<usize>) {
    let bytes = std::fs::read(path).unwrap();
    let report =
        verify(&[audit::NamedFile { name: "log", bytes: &bytes }], CheckCriteria::default());
    (report.records, report.gaps.len(), report.broken.map(|found| found.line))
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, change(&text)).unwrap();
}

#[test]
fn two_writers_make_one_chain_in_a_private_file() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let (one, two) = (open(&path), open(&path));
    for round in 0..3 {
        one.append(&entry(&format!("one {round}"))).unwrap();
        two.append(&entry(&format!("two {round}"))).unwrap();
    }
    assert_eq!(check(&path), (6, 0, None));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn asking_for_space_does_not_change_the_file() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let audit_file = open(&path);
    audit_file.append(&entry("one")).unwrap();
    let before = std::fs::read(&path).unwrap();
    audit_file.find_room().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    audit_file.append(&entry("two")).unwrap();
    assert_eq!(check(&path), (2, 0, None));
}

#[test]
fn many_threads_share_one_file() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let audit_file = open(&path);
                let mut left = 10;
                while left > 0 {
                    match audit_file.append(&entry("x")) {
                        Ok(_) => left -= 1,
                        Err(AuditFileError::Locked(_)) => std::thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(check(&path), (40, 0, None));
}

#[test]
fn a_torn_end_is_reported_and_the_chain_continues() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    for _ in 0..3 {
        // Another process each time: the previous one died during a write.
        open(&path).append(&entry("x")).unwrap();
        let mut file = disk::open(&path).unwrap();
        disk::append(&mut file, br#"{"v":1,"seq":"#).unwrap();
    }
    let audit_file = open(&path);
    audit_file.append(&entry("x")).unwrap();
    assert_eq!(check(&path), (7, 3, None));
    // If only the newline was lost, the record is complete.
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    audit_file.append(&entry("x")).unwrap();
    assert_eq!(check(&path), (8, 3, None));
}

#[test]
fn an_altered_end_is_a_break() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let audit_file = open(&path);
    audit_file.append(&entry("one")).unwrap();
    audit_file.append(&entry("two")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("two", "2")).unwrap();
    // The same with a process that has not read the original.
    open(&path).append(&entry("three")).unwrap();
    assert_eq!(check(&path), (1, 0, Some(2)));
}

#[test]
fn after_a_rotation_the_chain_continues_in_the_new_file() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let audit_file = open(&path);
    audit_file.append(&entry("x")).unwrap();
    std::fs::rename(&path, temporary.path().join("a.jsonl.1")).unwrap();
    let head = audit_file.append(&entry("x")).unwrap();
    // The new file alone lacks the records before it.
    assert_eq!((head.seq, check(&path)), (2, (1, 0, Some(1))));
}

#[test]
fn a_file_that_is_not_an_audit_file_is_not_written_to() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("notes.txt");
    std::fs::write(&path, "my notes\n").unwrap();
    let refused = |path: &Path| {
        let error = AuditFile::open(path, writer(), MissingFolders::Fail).unwrap_err().to_string();
        error.replace(&temporary.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(
        refused(&path),
        @"`DIR/notes.txt` does not end with an audit record, so it is not an audit file"
    );
    insta::assert_snapshot!(
        refused(temporary.path()),
        @"cannot open the audit file `DIR`: Is a directory (os error 21)"
    );
    insta::assert_snapshot!(
        refused(&temporary.path().join("absent/a.jsonl")),
        @"cannot open the audit file `DIR/absent/a.jsonl`: No such file or directory (os error 2)"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes\n");
    let below = temporary.path().join("made/a.jsonl");
    AuditFile::open(&below, writer(), MissingFolders::Create).unwrap();
}

#[test]
fn a_full_disk_is_an_error() {
    let audit_file = AuditFile {
        path: "/dev/full".into(),
        writer: writer(),
        rotation: None,
        state: Mutex::default(),
    };
    assert!(matches!(audit_file.append(&entry("x")), Err(AuditFileError::NotAFile(_))));
    let mut full = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
    insta::assert_snapshot!(
        audit_file.write(&mut full, b"x").unwrap_err(),
        @"cannot write to the audit file `/dev/full`: No space left on device (os error 28)"
    );
}

#[test]
fn a_locked_file_asks_for_another_attempt() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let audit_file = open(&path);
    let holder = File::open(&path).unwrap();
    holder.lock().unwrap();
    assert!(matches!(audit_file.append(&entry("x")), Err(AuditFileError::Locked(_))));
    drop(holder);
    audit_file.append(&entry("x")).unwrap();
}

fn keyed(path: &Path, signing: &str, earlier: &[&str]) -> Result<AuditFile, AuditFileError> {
    let key = |letter: &&str| Key::new(SecretString::from(letter.repeat(32)));
    let signing = Some(key(&signing));
    let keys = Keys::new(signing, earlier.iter().map(key).collect());
    AuditFile::open(path, RecordWriter { keys, ..writer() }, MissingFolders::Fail)
}

fn check_with(path: &Path, keys: &[&str]) -> Option<(usize, String)> {
    let keys = keys.iter().map(|letter| Key::new(SecretString::from(letter.repeat(32)))).collect();
    let keys = Keys::checking(keys);
    let bytes = std::fs::read(path).unwrap();
    let criteria = CheckCriteria { keys: Some(&keys), ..CheckCriteria::default() };
    let report = verify(&[audit::NamedFile { name: "log", bytes: &bytes }], criteria);
    report.broken.map(|found| (found.line, found.reason))
}

#[test]
fn a_process_that_has_the_keys_adds_and_changes_them() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    open(&path).append(&entry("unsigned")).unwrap();
    let old = keyed(&path, "a", &[]).unwrap();
    old.append(&entry("signed")).unwrap();
    keyed(&path, "b", &["a"]).unwrap().append(&entry("signed anew")).unwrap();
    // Unsigned, key added, signed, key changed, signed with the new key.
    assert_eq!(check(&path), (5, 0, None));
    assert_eq!(check_with(&path, &["a", "b"]), None);
    assert_eq!(check_with(&path, &["a"]).unwrap().0, 4);
    // A process that has only the old key cannot continue the log, and leaves it unchanged.
    let error = old.append(&entry("too late")).unwrap_err();
    assert!(matches!(error, AuditFileError::OtherKey(_)), "{error}");
    assert_eq!(check_with(&path, &["a", "b"]), None);
    let refused = |audit_file: Result<AuditFile, AuditFileError>| {
        let error = audit_file.unwrap_err().to_string();
        error.replace(&temporary.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(
        refused(keyed(&path, "c", &["a"])),
        @"the records in `DIR/a.jsonl` are signed with another key: list it under `watch.previous_audit_keys`, or restart the process that has the old key"
    );
    insta::assert_snapshot!(
        refused(AuditFile::open(&path, writer(), MissingFolders::Fail)),
        @"the records in `DIR/a.jsonl` have an HMAC, but no key is set: set it with `watch.audit_key`"
    );
}

#[test]
fn records_added_without_the_key_are_reported() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let audit_file = keyed(&path, "a", &[]).unwrap();
    let head = audit_file.append(&entry("one")).unwrap();
    let (line, _) = audit::seal(&entry("forged"), &head, None);
    edit(&path, |text| format!("{text}{line}"));
    let appended = audit_file.append_all(&[&(&entry("two")).into()], &Cause::default()).unwrap();
    assert_eq!(
        appended.damage.unwrap().harm,
        audit::DamageKind::Altered("its HMAC is missing or made with another key".into())
    );
    assert_eq!(check_with(&path, &["a"]).unwrap().0, 2);
}

#[test]
fn a_clock_that_was_set_back_is_recorded() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let at = |time: &str| {
        let clock =
            Clock::Virtual { epoch: time.parse().unwrap(), began: tokio::time::Instant::now() };
        let audit_file =
            AuditFile::open(&path, RecordWriter { clock, ..writer() }, MissingFolders::Fail)
                .unwrap();
        let entry = Entry { time: time.parse().unwrap(), ..entry("x") };
        audit_file.append(&entry).unwrap();
    };
    at("2026-01-02T10:00:00Z");
    at("2026-01-02T10:00:00Z");
    assert_eq!(check(&path).0, 2);
    at("2026-01-02T09:00:00Z");
    at("2026-01-02T09:00:01Z");
    let text = std::fs::read_to_string(&path).unwrap();
    let acts = text.matches("\"act\":\"clock set back\"").count();
    assert_eq!((check(&path).0, acts), (5, 1), "{text}");
    assert!(text.contains("the clock of this machine was set back by "), "{text}");
}

#[test]
fn a_running_process_notices_a_clock_set_back_by_less_than_the_time_since_its_last_record() {
    let audit_file = open(&tempfile::tempdir().unwrap().path().join("a.jsonl"));
    let time: Timestamp = "2026-01-02T10:00:00Z".parse().unwrap();
    let minute = std::time::Duration::from_secs(60);
    let wrote = Instant::now().checked_sub(minute).map(|instant| (time, instant));
    let state = FileState { wrote, ..FileState::default() };
    let seconds = |count: i64| time + SignedDuration::from_secs(count);
    assert_eq!(audit_file.set_back(seconds(60), &state, None), None);
    let (_, by) = audit_file.set_back(seconds(30), &state, None).unwrap();
    assert_eq!(by.as_secs(), 30);
}
