//! The audit log on a real disk: rotation, several processes, a kill in the middle of a write, a
//! full disk, and `audit verify` from the command line.

mod segments;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use runnerctl::audit::{
    Actor, Cause, CheckCriteria, Entry, Head, Key, Keys, NamedFile, RecordKind, Subject, verify,
};
use runnerctl::host::audit_file::{AuditFile, AuditFileError, MissingFolders, RecordWriter};
use runnerctl::host::clock::Clock;
use secrecy::SecretString;
use serde_json::Value;

fn actor() -> Actor {
    Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0".into() }
}

/// An audit file of the user `ada`.
pub(crate) fn audit_file(path: &Path, key: Option<&str>) -> AuditFile {
    let key = key.map(|key| Key::new(SecretString::from(key)));
    let writer = RecordWriter { actor: actor(), clock: Clock::Real, keys: Keys::new(key, vec![]) };
    AuditFile::open(path, writer, MissingFolders::Fail).unwrap()
}

/// A record with this detail and nothing else.
pub(crate) fn entry(detail: &str) -> Entry {
    Entry {
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        actor: actor(),
        kind: RecordKind::Event,
        act: "test".into(),
        subject: Subject::Log,
        before: None,
        after: None,
        cause: Cause::default(),
        seen: None,
        intent: None,
        verdict: None,
        detail: detail.into(),
    }
}

/// Appends a record, and retries while another process has locked the file.
fn append(audit_file: &AuditFile, detail: &str) -> Head {
    loop {
        match audit_file.append(&entry(detail)) {
            Ok(head) => return head,
            Err(AuditFileError::Locked(_)) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// `runnerctl audit verify` in a folder: exit code, stdout, stderr.
fn run(folder: &Path, line: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("runnerctl").unwrap();
    command.current_dir(folder).env_clear().args(["audit", "verify"]).args(line);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn rotated_files_are_one_chain_regardless_of_the_last_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (watch, apply) = (audit_file(&path, None), audit_file(&path, None));
    append(&watch, "1");
    // The other process writes last, then the file is rotated.
    let archived = append(&apply, "2");
    fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    append(&watch, "3");
    fs::rename(folder.path().join("audit.jsonl.1"), folder.path().join("audit.jsonl.2")).unwrap();
    fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    // A process that starts after a rotation which has created an empty file.
    fs::write(&path, "").unwrap();
    let head = append(&audit_file(&path, None), "4");
    assert_eq!(head.seq, 4);
    let names = ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"];
    let (code, stdout, stderr) = run(folder.path(), &names);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.starts_with("whole: 4 records in 3 files, 1 to 4\n"), "{stdout}");
    // A cut between files.
    let (code, stdout, _) = run(folder.path(), &[names[2], names[0]]);
    assert_eq!(code, 1, "{stdout}");
    assert!(
        stdout.starts_with("broken: audit.jsonl:1: record 3: records 3 to 3 are missing\n"),
        "{stdout}"
    );
    // The same file twice, and without the oldest one, which is archived or missing.
    let lately = [names[0], names[1], "./audit.jsonl"];
    let (code, stdout, _) = run(folder.path(), &lately);
    assert_eq!(code, 1, "{stdout}");
    assert!(
        stdout.contains("record 1: records 1 to 2 are missing: give the files that contain them"),
        "{stdout}"
    );
    let since = |head: &str| run(folder.path(), &[&lately[..], &["--since", head]].concat());
    let (code, stdout, _) = since(&archived.to_string());
    assert_eq!(code, 0, "{stdout}");
    assert!(
        stdout.contains("note: records 1 to 2 are archived: the given files continue them"),
        "{stdout}"
    );
    let (code, stdout, _) = since(&head.to_string());
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("it does not continue the archive"), "{stdout}");
}

#[test]
fn a_torn_end_of_a_rotated_file_is_reported_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = audit_file(&path, None);
    append(&log, "1");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"v":1,"seq":2,"#).unwrap();
    fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    append(&log, "2");
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl", "audit.jsonl.1"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("1 gap:\n  record 2 at "), "{stdout}");
}

#[test]
fn every_changed_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = audit_file(&path, Some("key"));
    for detail in ["1", "2", "3"] {
        append(&log, detail);
    }
    let whole = fs::read(&path).unwrap();
    let keys = Keys::checking(vec![Key::new(SecretString::from("key"))]);
    for keys in [None, Some(&keys)] {
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            let report = verify(
                &[NamedFile { name: "log", bytes: &bytes }],
                CheckCriteria { keys, ..CheckCriteria::default() },
            );
            assert_eq!(report.broken.map(|found| found.seq), Some(line + 1), "byte {at}");
        }
    }
}

#[test]
fn keys_and_heads_are_checked_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = audit_file(&path, Some("secret"));
    append(&log, "1");
    let head = append(&log, "2");
    let key = folder.path().join("key");
    fs::write(&key, "secret\n").unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let check = |line: &[&str], code: i32, said: &str| {
        let line = [&["audit.jsonl"], line].concat();
        let (found, stdout, stderr) = run(folder.path(), &line);
        assert_eq!(found, code, "{line:?}: {stdout}{stderr}");
        assert!(format!("{stdout}{stderr}").contains(said), "{line:?}: {stdout}{stderr}");
    };
    check(&[], 0, "HMAC: not checked");
    check(&["--key", "file:key"], 0, "HMAC: checked");
    check(&["--key", "literal"], 64, "--key");
    check(&["--head", &head.to_string()], 0, "whole:");
    check(&["--head", "x"], 64, "write `SEQ:HASH`");
    let later = format!("7:{}", head.hash);
    check(&["--head", &later], 1, "records 3 to 7 are missing at the end");
    fs::write(&key, "another\n").unwrap();
    check(&["--key", "file:key"], 1, "audit.jsonl:1: record 1: its HMAC is missing or made");
    // The fleet file refers to the key, so a fleet file with errors is not ignored.
    fs::write(folder.path().join("runnerctl.yaml"), "fleet: [").unwrap();
    check(&[], 3, "runnerctl.yaml");
}

#[test]
fn json_is_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    append(&audit_file(&path, None), "1");
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl", "-o", "json"]);
    let document = crate::cli::bench::document(&stdout);
    assert_eq!((code, &document["whole"], &document["records"]), (0, &true.into(), &1.into()));
    assert_eq!((&document["command"], &document["break"]), (&"audit".into(), &Value::Null));
    let text = fs::read_to_string(&path).unwrap().replace("ada", "eve");
    fs::write(&path, text).unwrap();
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl", "-o", "json"]);
    let document = crate::cli::bench::document(&stdout);
    assert_eq!((code, &document["break"]["line"]), (1, &1.into()));
}

#[test]
fn hostile_files_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("empty", b"");
    put("binary", &[0, 159, 146, 150, 10, 0, 255].repeat(1_000));
    put("long", &vec![b'x'; 50 * 1024 * 1024]);
    put("packed", &[0x1f, 0x8b, 8, 0]);
    put("deep", "[".repeat(60_000).as_bytes());
    fs::create_dir(folder.path().join("dir")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(folder.path().join("fifo")).status();
    assert!(fifo.unwrap().success());
    let check = |name: &str, code: i32, said: &str| {
        let (found, stdout, stderr) = run(folder.path(), &[name]);
        assert_eq!(found, code, "{name}: {stdout}{stderr}");
        assert!(format!("{stdout}{stderr}").contains(said), "{name}: {stdout}{stderr}");
    };
    check("empty", 3, "no records in empty");
    check("binary", 1, "binary:1: record 1: the line is not a complete record");
    check("long", 1, "long:1: record 1: the line is longer than any record");
    check("deep", 1, "deep:1: record 1: the line is not a complete record");
    check("packed", 1, "packed: record 1: the compressed data are damaged");
    check("dir", 3, "no audit log in `dir`");
    check("fifo", 3, "this is a pipe, not a file");
    check("/dev/null", 3, "this is a device or a socket, not a file");
    check("absent", 3, "there is no such file");
}

/// The environment variable that makes this test binary a writer: see `the_writer`.
const WRITER: &str = "RUNNERCTL_TEST_AUDIT_WRITER";

/// Not a test, but the process that other tests start. Appends records until it is killed or
/// fails, and prints the number of each when it is on disk.
#[test]
fn the_writer() {
    let Ok(path) = std::env::var(WRITER) else { return };
    let max_size = std::env::var(segments::MAX_SIZE).ok().map(|size| size.parse().unwrap());
    let path = Path::new(&path);
    let log = match max_size {
        Some(max_size) => segments::rotating(path, max_size),
        None => audit_file(path, None),
    };
    let count: usize = std::env::var("RUNNERCTL_TEST_RECORDS").unwrap().parse().unwrap();
    for _ in 0..count {
        println!("seq {}", append(&log, &"x".repeat(150)).seq);
        segments::archive(&log);
    }
}

/// The process of `the_writer`.
fn writer(path: &Path, records: usize) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "audit::the_writer", "--nocapture"])
        .env(WRITER, path)
        .env("RUNNERCTL_TEST_RECORDS", records.to_string())
        .stdout(Stdio::piped());
    command
}

#[test]
fn concurrent_processes_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let all: Vec<_> = (0..4).map(|_| writer(&path, 25).spawn().unwrap()).collect();
    for child in all {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.starts_with("whole: 100 records in 1 file, 1 to 100\n"), "{stdout}");
}

#[test]
fn reported_records_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut said = 0;
    for round in 1..=5 {
        let mut child = writer(&path, 1_000_000).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut text = String::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while text.matches("seq ").count() < 5 * round && Instant::now() < deadline {
            let mut part = [0; 64];
            let read = output.read(&mut part).unwrap();
            text.push_str(std::str::from_utf8(&part[..read]).unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        output.read_to_string(&mut text).unwrap();
        // The output may be cut off, too: the last line counts only with its newline.
        let whole = text.rsplit_once('\n').unwrap().0;
        said = whole
            .lines()
            .filter_map(|line| line.split_once("seq ")?.1.parse::<u64>().ok())
            .max()
            .unwrap_or(said);
    }
    // A kill during the write leaves a torn line.
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"v":1,"seq":"#).unwrap();
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl"]);
    assert_eq!(code, 1, "{stdout}");
    let head = append(&audit_file(&path, None), "after");
    assert!(head.seq > said, "{} {said}", head.seq);
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("the previous record was not written completely"), "{stdout}");
}

#[test]
fn a_full_disk_leaves_a_log_that_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    // `ulimit -f` counts in blocks of 1,024 bytes in bash; a write beyond it fails with EFBIG.
    let program = std::env::current_exe().unwrap();
    let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact audit::the_writer --nocapture";
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(program)
        .env(WRITER, &path)
        .env("RUNNERCTL_TEST_RECORDS", "1000")
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!output.status.success() && text.contains("File too large"), "{text}");
    let length = path.metadata().unwrap().len();
    assert!(length <= 4_096 && length > 3_000, "{length}");
    append(&audit_file(&path, None), "there is room again");
    let (code, stdout, _) = run(folder.path(), &["audit.jsonl"]);
    assert_eq!(code, 0, "{stdout}");
}
