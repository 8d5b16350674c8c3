//! Unwritable files and held locks, and how they are reported.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::*;
use crate::audit::{self, CheckCriteria, Keys, Report, testing, verify};
use crate::host::audit_file::MissingFolders;
use crate::host::clock::Clock;
use crate::host::state_dir::actor;

fn entry(act: &str) -> Entry {
    testing::entry(actor(), RecordKind::Intent, act, "")
}

/// A sink in a folder, and the events that it reports.
struct Bench {
    folder: tempfile::TempDir,
    sink: AuditSink,
    told: Arc<Mutex<Vec<String>>>,
}

fn bench(rule: RecordPolicy) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let writer = RecordWriter { actor: actor(), clock: Clock::Real, keys: Keys::default() };
    let path = folder.path().join("a.jsonl");
    let audit_file = Arc::new(AuditFile::open(&path, writer, MissingFolders::Fail).unwrap());
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&told);
    let listener: SinkListener = Box::new(move |event| {
        let line = match event {
            SinkEvent::Requested(_) => return,
            SinkEvent::Rotated(ended) => format!("rotated {}", ended.seq),
            SinkEvent::NotRotated(_) => "not rotated".to_owned(),
            SinkEvent::Altered(damage) => format!("damaged {}", damage.known.seq),
            SinkEvent::Written(kind) => format!("written {}", kind.word()),
            SinkEvent::Lost(_) => "lost".to_owned(),
            SinkEvent::Unwritable(_) => "stuck".to_owned(),
            SinkEvent::WritableAgain { lost: 0 } => "free".to_owned(),
            SinkEvent::WritableAgain { lost } => format!("free, {lost} lost"),
        };
        noted.lock().unwrap().push(line);
    });
    let patience = Duration::from_millis(100);
    // Long enough that no retry happens between two statements of a test.
    let retry = Duration::from_millis(700);
    let options = SinkOptions { rule, patience, retry, waiting_max: 64 << 10 };
    let sink = AuditSink::start(audit_file, Cause::default(), options, listener, None).unwrap();
    Bench { folder, sink, told }
}

impl Bench {
    fn path(&self) -> PathBuf {
        self.folder.path().join("a.jsonl")
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    /// The acts of the records in the file, and the result of a check.
    fn read(&self) -> (Vec<String>, Report) {
        let text = fs::read_to_string(self.path()).unwrap();
        let act = |line: &str| -> String {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["act"].as_str().unwrap().to_owned()
        };
        let file = audit::NamedFile { name: "log", bytes: text.as_bytes() };
        (text.lines().map(act).collect(), verify(&[file], CheckCriteria::default()))
    }

    async fn append(&self, act: &str) -> Option<u64> {
        self.sink.append(&entry(act)).await.unwrap().map(|head| head.seq)
    }

    /// Waits until the thread reports this event.
    async fn until_told(&self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.told().iter().any(|told| told == what) {
            assert!(Instant::now() < deadline, "{what} is not told: {:?}", self.told());
            tokio::task::yield_now().await;
        }
    }

    async fn closed(&self) {
        assert_eq!(self.sink.close(Duration::from_secs(20)).await, 0);
    }
}

/// Makes the file unwritable by putting a folder in its place.
struct Blocked(PathBuf);

impl Blocked {
    fn new(path: &Path) -> Self {
        fs::create_dir(path.with_extension("kept")).unwrap();
        let blocked = Self(path.to_owned());
        blocked.exchange();
        blocked
    }

    /// Restores the file in one step; otherwise the thread would create a new one.
    fn exchange(&self) {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let kept = self.0.with_extension("kept");
        renameat_with(CWD, &self.0, CWD, &kept, RenameFlags::EXCHANGE).unwrap();
    }

    fn end(self) {
        self.exchange();
    }
}

#[tokio::test]
async fn lost_records_are_reported_as_soon_as_there_is_space() {
    let bench = bench(RecordPolicy::BestEffort);
    assert_eq!(bench.append("one").await, Some(1));
    let blocked = Blocked::new(&bench.path());
    assert_eq!(bench.append("two").await, None);
    assert_eq!(bench.append("three").await, None);
    assert_eq!(bench.sink.missing(), 2);
    blocked.end();
    // The thread writes them without further calls.
    bench.until_told("free, 2 lost").await;
    assert_eq!((bench.sink.missing(), bench.append("four").await), (0, Some(3)));
    let (acts, report) = bench.read();
    assert_eq!(acts, ["one", "records lost", "four"]);
    assert_eq!((report.lost, report.broken), (2, None));
    let told = [
        "written intent",
        "lost",
        "stuck",
        "lost",
        "written gap",
        "free, 2 lost",
        "written intent",
    ];
    assert_eq!(bench.told(), told);
}

#[tokio::test]
async fn records_without_a_waiting_write_are_kept_until_there_is_space() {
    let bench = bench(RecordPolicy::BestEffort);
    let acts = |from: usize, to: usize| {
        (from..to).map(|number| entry(&number.to_string())).collect::<Vec<_>>()
    };
    bench.append("first").await;
    let blocked = Blocked::new(&bench.path());
    bench.sink.enqueue(&acts(0, 100));
    bench.until_told("stuck").await;
    bench.sink.enqueue(&acts(100, 3_000));
    blocked.end();
    bench.closed().await;
    let (found, report) = bench.read();
    let due: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
    assert_eq!(found[1..], due);
    assert_eq!((report.lost, report.gap_count, report.broken), (0, 0, None));
    assert!(bench.told().contains(&"free".to_owned()));
}

#[tokio::test]
async fn a_held_lock_delays_a_write_by_no_more_than_its_patience() {
    let bench = bench(RecordPolicy::BestEffort);
    bench.append("one").await;
    let holder = File::open(bench.path()).unwrap();
    holder.lock().unwrap();
    bench.sink.enqueue(&[entry("a runner")]);
    let begun = Instant::now();
    assert_eq!(bench.append("two").await, None);
    let waited = begun.elapsed();
    assert!((100..2_000).contains(&waited.as_millis()), "{waited:?}");
    bench.until_told("stuck").await;
    // From here on, no write waits.
    assert_eq!(bench.append("three").await, None);
    drop(holder);
    bench.until_told("free, 2 lost").await;
    assert_eq!(bench.append("four").await, Some(4));
    let (acts, report) = bench.read();
    assert_eq!(acts, ["one", "records lost", "a runner", "four"]);
    assert_eq!((report.lost, report.broken), (2, None));
}

#[tokio::test]
async fn a_briefly_held_lock_loses_no_record() {
    let bench = bench(RecordPolicy::BestEffort);
    bench.append("one").await;
    let holder = File::open(bench.path()).unwrap();
    holder.lock().unwrap();
    let (two, ()) = tokio::join!(bench.append("two"), async { drop(holder) });
    assert_eq!(two, Some(2));
    assert_eq!(bench.told(), ["written intent", "written intent"]);
}

#[tokio::test]
async fn a_write_without_its_required_record_is_refused_and_nothing_is_missing() {
    let bench = bench(RecordPolicy::Required);
    bench.append("one").await;
    let blocked = Blocked::new(&bench.path());
    for _ in 0..2 {
        let error = bench.sink.append(&entry("two")).await.unwrap_err().to_string();
        assert!(error.ends_with("and `watch.audit_required` is set"), "{error}");
    }
    assert_eq!(bench.sink.missing(), 0);
    // An outcome, whose write was sent already, counts as missing.
    let outcome = Entry { kind: RecordKind::Outcome, ..entry("outcome") };
    bench.sink.append(&outcome).await.unwrap_err();
    assert_eq!(bench.sink.missing(), 1);
    blocked.end();
    bench.until_told("free, 1 lost").await;
    bench.append("three").await;
    assert_eq!(bench.read().0, ["one", "records lost", "three"]);
}

#[tokio::test]
async fn with_required_records_a_record_reports_that_the_file_is_writable_again() {
    let bench = bench(RecordPolicy::Required);
    bench.append("one").await;
    let blocked = Blocked::new(&bench.path());
    bench.sink.append(&entry("two")).await.unwrap_err();
    blocked.end();
    bench.until_told("free").await;
    let (acts, report) = bench.read();
    assert_eq!(acts, ["one", "audit file writable again"]);
    assert_eq!((report.gap_count, report.broken), (0, None));
}

#[tokio::test]
async fn records_of_waiting_writes_go_first() {
    let bench = bench(RecordPolicy::BestEffort);
    bench.append("one").await;
    let holder = File::open(bench.path()).unwrap();
    holder.lock().unwrap();
    bench.sink.enqueue(&[entry("a runner"), entry("another")]);
    let (two, ()) = tokio::join!(bench.append("two"), async { drop(holder) });
    bench.closed().await;
    let acts = bench.read().0;
    // The thread may have written the other records between the two.
    assert!(two == Some(2) || two == Some(4), "{two:?} {acts:?}");
    assert_eq!(acts.len(), 4);
}

#[tokio::test]
async fn the_memory_for_waiting_records_is_bounded() {
    let bench = bench(RecordPolicy::BestEffort);
    bench.append("one").await;
    let holder = File::open(bench.path()).unwrap();
    holder.lock().unwrap();
    let mut count = 0;
    while bench.sink.has_room() {
        bench.sink.enqueue(&[entry("a runner")]);
        count += 1;
    }
    assert!((50..500).contains(&count), "{count}");
}

#[tokio::test]
async fn a_cut_under_a_running_sink_is_reported() {
    let bench = bench(RecordPolicy::BestEffort);
    for act in ["one", "two", "three"] {
        bench.append(act).await;
    }
    let text = fs::read_to_string(bench.path()).unwrap();
    let first: String = text.lines().take(1).map(|line| format!("{line}\n")).collect();
    fs::write(bench.path(), first).unwrap();
    assert_eq!(bench.append("four").await, Some(3));
    let (acts, report) = bench.read();
    assert_eq!(acts, ["one", "log altered", "four"]);
    assert!(report.broken.is_some());
    let told = bench.told();
    assert_eq!(told[3..], ["damaged 3", "written gap", "written intent"]);
}

#[tokio::test]
async fn a_rotation_is_reported_with_the_head_of_the_previous_file() {
    let bench = bench(RecordPolicy::BestEffort);
    bench.append("one").await;
    fs::rename(bench.path(), bench.folder.path().join("a.jsonl.1")).unwrap();
    bench.append("two").await;
    assert_eq!(bench.told(), ["written intent", "rotated 1", "written intent"]);
}
