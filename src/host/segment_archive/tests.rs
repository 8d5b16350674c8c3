//! Rotation, archiving and the checks that `audit verify` makes.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::audit::{Actor, Check, CheckCriteria, Keys, RecordKind, Report, testing};
use crate::host::clock::Clock;
use crate::host::log_set::LogSet;

const SMALL: RotationLimits =
    RotationLimits { max_size: 3_000, every: Duration::from_hours(24), keep: None };

fn actor() -> Actor {
    Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0".into() }
}

fn entry(detail: &str) -> Entry {
    Entry {
        time: Timestamp::now(),
        after: Some(serde_json::json!({ "filler": "x".repeat(700) })),
        ..testing::entry(actor(), RecordKind::Event, "test", detail)
    }
}

/// A log in a folder of its own.
struct Log {
    folder: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn file(&self, limits: RotationLimits) -> AuditFile {
        let writer = RecordWriter { actor: actor(), clock: Clock::Real, keys: Keys::default() };
        let file = AuditFile::open(&self.path(), writer, MissingFolders::Fail).unwrap();
        file.rotating(Some(limits))
    }

    /// Appends records one by one and archives what was closed.
    fn write(&self, limits: RotationLimits, records: usize) {
        let file = self.file(limits);
        for record in 0..records {
            file.append(&entry(&record.to_string())).unwrap();
            file.archive(&Cause::default(), &AtomicBool::new(false)).unwrap();
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The reason of the first break, and the number of records before it.
    fn verify(&self) -> (Option<String>, u64) {
        let report = self.report();
        (report.broken.map(|broken| format!("{}: {}", broken.seq, broken.reason)), report.records)
    }

    fn report(&self) -> Report {
        let logs = LogSet::open(&[self.folder.path()], None).unwrap();
        let since = logs.deleted();
        let mut check = Check::new(CheckCriteria { since, ..CheckCriteria::default() });
        logs.feed(&mut check, |_| {}).unwrap();
        let mut report = check.finish();
        if report.broken.is_none() {
            report.broken = logs.check_manifests(&Keys::default()).unwrap();
        }
        report
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    }

    fn swap(&self, one: &str, other: &str) {
        let at = |name: &str| self.folder.path().join(name);
        fs::rename(at(one), at("aside")).unwrap();
        fs::rename(at(other), at(one)).unwrap();
        fs::rename(at("aside"), at(other)).unwrap();
    }
}

#[test]
fn a_large_file_becomes_a_compressed_segment_that_the_manifest_lists() {
    let log = Log::new();
    log.write(SMALL, 7);
    assert_eq!(
        log.names(),
        ["audit.jsonl", "audit.jsonl.1-3.gz", "audit.jsonl.4-6.gz", "audit.jsonl.manifest"]
    );
    assert_eq!(log.verify(), (None, 7));
    let manifest = read_manifest(&manifest_of(&log.path())).unwrap();
    let spans: Vec<_> = manifest.segments().map(|it| (it.first(), it.head.seq)).collect();
    assert_eq!(spans, [(1, 3), (4, 6)]);
}

#[test]
fn an_old_file_is_closed_by_the_next_record() {
    let log = Log::new();
    let brief = RotationLimits { max_size: u64::MAX, every: Duration::ZERO, keep: None };
    log.write(brief, 2);
    assert_eq!(log.names(), ["audit.jsonl", "audit.jsonl.1-1.gz", "audit.jsonl.manifest"]);
    let patient = RotationLimits { every: Duration::from_hours(1), ..brief };
    log.write(patient, 2);
    assert_eq!(log.names().len(), 3);
    assert_eq!(log.verify(), (None, 4));
}

#[test]
fn segments_beyond_those_kept_are_deleted_and_the_manifest_says_so() {
    let log = Log::new();
    log.write(RotationLimits { keep: Some(2), ..SMALL }, 13);
    assert_eq!(
        log.names(),
        ["audit.jsonl", "audit.jsonl.10-12.gz", "audit.jsonl.7-9.gz", "audit.jsonl.manifest"]
    );
    assert_eq!(log.verify(), (None, 7));
    assert_eq!(log.report().first, Some(7));
}

#[test]
fn each_damage_to_the_segments_is_a_break() {
    let whole = || {
        let log = Log::new();
        log.write(SMALL, 10);
        assert_eq!(log.verify(), (None, 10));
        log
    };
    let broken = |damage: &dyn Fn(&Log)| {
        let log = whole();
        damage(&log);
        log.verify().0.unwrap_or_default()
    };
    let missing =
        broken(&|log| fs::remove_file(log.folder.path().join("audit.jsonl.4-6.gz")).unwrap());
    assert_eq!(missing, "4: the segment with the records 4 to 6 is missing");
    let swapped = broken(&|log| log.swap("audit.jsonl.1-3.gz", "audit.jsonl.4-6.gz"));
    assert_eq!(swapped, "4: it is not the file that the manifest describes");
    let truncated =
        broken(&|log| log.change("audit.jsonl.4-6.gz", |bytes| bytes.truncate(bytes.len() / 2)));
    assert!(truncated.contains("the compressed data are damaged"), "{truncated}");
    let altered = broken(&|log| log.change("audit.jsonl.4-6.gz", |bytes| bytes[40] ^= 1));
    assert!(!altered.is_empty());
    // Compressed again: the same records in another file.
    let again = broken(&|log| {
        log.change("audit.jsonl.4-6.gz", |bytes| {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
            io::Write::write_all(&mut encoder, &text).unwrap();
            *bytes = encoder.finish().unwrap();
        });
    });
    assert_eq!(again, "4: it is not the file that the manifest describes");
    let no_manifest = broken(&|log| fs::remove_file(manifest_of(&log.path())).unwrap());
    assert_eq!(no_manifest, "1: the manifest does not list this segment");
    let manifest = broken(&|log| {
        log.change("audit.jsonl.manifest", |bytes| {
            let at = bytes.windows(9).position(|it| it == b"\"until\":\"").unwrap() + 9;
            bytes[at] ^= 1;
        });
    });
    // A record of the manifest that cannot be read describes no segment.
    assert_eq!(manifest, "1: the manifest does not list this segment");
    let shortened = broken(&|log| {
        log.change("audit.jsonl.manifest", |bytes| {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            bytes.truncate(end + 1);
        });
    });
    assert_eq!(shortened, "4: the manifest does not list this segment");
}

#[test]
fn a_decompression_bomb_is_a_break_and_is_not_kept_in_memory() {
    let log = Log::new();
    log.write(SMALL, 4);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        io::Write::write_all(&mut encoder, &vec![b'0'; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let log_bytes = bomb.len();
    log.change("audit.jsonl.1-3.gz", |bytes| *bytes = bomb);
    let (reason, records) = log.verify();
    assert!(log_bytes < 200_000);
    assert!(reason.unwrap().contains("expands to more than 100 times its size"));
    assert_eq!(records, 0);
}

#[test]
fn a_process_that_slept_over_two_rotations_continues_the_log() {
    let log = Log::new();
    let idle = log.file(SMALL);
    idle.append(&entry("idle")).unwrap();
    log.write(SMALL, 12);
    let awake = (&entry("awake")).into();
    let appended = idle.append_all(&[&awake], &Cause::default()).unwrap();
    assert_eq!((appended.damage, appended.head.seq), (None, 14));
    assert_eq!(log.verify(), (None, 14));
}

/// The current file was closed, and the process ended before the next record.
#[test]
fn a_log_without_a_current_file_is_whole_and_is_continued() {
    let log = Log::new();
    log.write(SMALL, 6);
    fs::rename(log.path(), log.folder.path().join("audit.jsonl.4-6")).unwrap();
    assert_eq!(log.verify(), (None, 6));
    // Nothing is archived while the last segment is the end of the log.
    let file = log.file(SMALL);
    fs::remove_file(log.path()).unwrap();
    assert!(file.archive(&Cause::default(), &AtomicBool::new(false)).is_err());
    let head = file.append(&entry("next")).unwrap();
    assert_eq!(head.seq, 7);
    file.archive(&Cause::default(), &AtomicBool::new(false)).unwrap();
    assert_eq!(log.verify(), (None, 7));
    // The same, if only compressed segments are left.
    fs::remove_file(log.path()).unwrap();
    assert_eq!(log.file(SMALL).append(&entry("again")).unwrap().seq, 7);
}

#[test]
fn lost_records_of_a_segment_are_counted_in_the_manifest() {
    let log = Log::new();
    let file = log.file(SMALL);
    let note = LogNote { time: Timestamp::now(), actor: actor(), cause: Cause::default() };
    file.append(&note.lost(7, None, "a full disk")).unwrap();
    log.write(SMALL, 6);
    assert_eq!(read_manifest(&manifest_of(&log.path())).unwrap().lost(), 7);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Two processes write, archive and are restarted in any order.
    #[test]
    fn the_log_is_whole_after_any_sequence_of_writes_archives_and_restarts(
        steps in proptest::collection::vec((0..2_usize, 0..4_u8), 1..60),
        max_size in 1_u64..6_000,
    ) {
        let log = Log::new();
        let limits = RotationLimits { max_size, ..SMALL };
        let mut processes = [log.file(limits), log.file(limits)];
        let mut written = 0;
        for (process, step) in steps {
            match step {
                0 | 1 => {
                    processes[process].append(&entry(&written.to_string())).unwrap();
                    written += 1;
                }
                2 => {
                    // There may be no file yet.
                    let _ = processes[process].archive(&Cause::default(), &AtomicBool::new(false));
                }
                _ => processes[process] = log.file(limits),
            }
        }
        processes[0].append(&entry("last")).unwrap();
        proptest::prop_assert_eq!(log.verify(), (None, written + 1));
        proptest::prop_assert_eq!(log.report().gap_count, 0);
    }
}
