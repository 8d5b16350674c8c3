//! A log that is changed while a process writes it.

use super::*;

/// Checks the damage that the last write found, the break that a check finds, and the act of the
/// second-to-last record.
#[track_caller]
fn damaged(tamper: impl Fn(&Path), expected: (&str, Option<usize>)) {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let audit_file = open(&path);
    for detail in ["one", "two", "three"] {
        audit_file.append(&entry(detail)).unwrap();
    }
    let known = audit_file.head().unwrap();
    tamper(&path);
    let appended = audit_file.append_all(&[&(&entry("four")).into()], &Cause::default()).unwrap();
    let damage = appended.damage.expect("the damage is found");
    assert_eq!(damage.known, known);
    let text = std::fs::read_to_string(&path).unwrap();
    let acts: Vec<String> = text
        .lines()
        .filter_map(|line| {
            Some(serde_json::from_str::<serde_json::Value>(line).ok()?["act"].to_string())
        })
        .collect();
    assert_eq!(acts[acts.len() - 2], format!("\"{}\"", expected.0));
    let bytes = text.as_bytes();
    let report = verify(&[audit::NamedFile { name: "log", bytes }], CheckCriteria::default());
    assert_eq!(report.broken.map(|found| found.line), expected.1, "{text}");
    // The damage is reported once; from then on the process expects the new content.
    let next = audit_file.append_all(&[&(&entry("five")).into()], &Cause::default()).unwrap();
    assert_eq!(next.damage, None);
}

fn first(text: &str, records: usize) -> String {
    text.lines().take(records).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_cut_in_a_log_in_use_is_reported_with_both_heads() {
    damaged(|path| edit(path, |text| first(text, 1)), ("log altered", Some(2)));
    // A cut within a record is reported as torn, too.
    let cut = |text: &str| text[..text.len() - 300].to_owned();
    damaged(|path| edit(path, cut), ("log altered", Some(5)));
}

#[test]
fn a_rewritten_log_is_reported() {
    let anew = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        let other = open(path);
        for detail in ["a", "b", "c", "d", "e"] {
            other.append(&entry(detail)).unwrap();
        }
    };
    damaged(anew, ("log altered", Some(6)));
    // The same file, rewritten with a chain that verifies.
    let in_place = |path: &Path| {
        edit(path, |text| {
            let second = text.lines().nth(1).unwrap();
            let second = audit::open(second.as_bytes()).unwrap().head;
            first(text, 2) + &audit::seal(&entry("other"), &second, None).0
        });
    };
    damaged(in_place, ("log altered", Some(4)));
}

#[test]
fn an_emptied_or_deleted_log_continues_its_chain() {
    damaged(|path| std::fs::write(path, "").unwrap(), ("log emptied", Some(1)));
    damaged(|path| std::fs::remove_file(path).unwrap(), ("log removed", Some(1)));
}

#[test]
fn records_of_another_process_between_ours_are_not_damage() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let (one, two) = (open(&path), open(&path));
    let append = |audit_file: &AuditFile| {
        let appended = audit_file.append_all(&[&(&entry("x")).into()], &Cause::default()).unwrap();
        assert_eq!(appended.damage, None);
    };
    append(&one);
    append(&two);
    // The other process writes last, and then the file is renamed twice.
    std::fs::rename(&path, temporary.path().join("a.jsonl.1")).unwrap();
    append(&two);
    append(&two);
    std::fs::rename(temporary.path().join("a.jsonl.1"), temporary.path().join("a.jsonl.2"))
        .unwrap();
    std::fs::rename(&path, temporary.path().join("a.jsonl.1")).unwrap();
    append(&two);
    append(&one);
    let read = |name: &str| std::fs::read(temporary.path().join(name)).unwrap();
    let all = [read("a.jsonl.2"), read("a.jsonl.1"), read("a.jsonl")];
    let files = all.each_ref().map(|bytes| audit::NamedFile { name: "log", bytes });
    let report = verify(&files, CheckCriteria::default());
    assert_eq!((report.records, report.gap_count, report.broken), (6, 0, None));
}

/// `gzip` creates a file with another name and the same times, and deletes the original.
#[test]
fn a_compressed_file_is_not_taken_for_a_deleted_one() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.jsonl");
    let audit_file = open(&path);
    let head = audit_file.append(&entry("x")).unwrap();
    let packed = temporary.path().join("a.jsonl.1.gz");
    std::fs::write(&packed, "").unwrap();
    std::fs::remove_file(&path).unwrap();
    let appended = audit_file.append_all(&[&(&entry("y")).into()], &Cause::default()).unwrap();
    assert_eq!((appended.damage, appended.rotated), (None, Some(head)));
}
