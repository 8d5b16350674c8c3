//! The ends of files, also after a power failure.

use super::*;

fn tail(bytes: &[u8]) -> Tail {
    read_tail(bytes, TailScope::WholeFile, &Keys::default())
}

/// The number of the last record, the bytes after it, and whether a newline ends the file.
fn end(bytes: &[u8]) -> (Option<u64>, Vec<u8>, FinalNewline) {
    match tail(bytes) {
        Tail::Sound { last, ending } => (Some(last.head.seq), vec![], ending),
        Tail::Torn { last, bytes, ending } => (last.map(|last| last.head.seq), bytes, ending),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_end_of_every_kind_of_file_is_recognised() {
    let (text, head) = log(2, None);
    let bytes = text.as_bytes();
    assert_eq!(tail(b""), Tail::Empty);
    let Tail::Sound { last, ending } = tail(bytes) else { panic!() };
    assert_eq!(
        (&last.head, &last.signer, ending),
        (&head, &Signer::Unsigned, FinalNewline::Present)
    );
    assert_eq!(last.written.unwrap().1, "box");
    assert_eq!(&bytes[last.line], text.lines().nth(1).unwrap().as_bytes());
    let whole = bytes.len();
    assert_eq!(end(&bytes[..whole - 1]), (Some(2), vec![], FinalNewline::Missing));
    let from = text.find('\n').unwrap() + 1;
    let rest = bytes[from..whole - 10].to_vec();
    assert_eq!(end(&bytes[..whole - 10]), (Some(1), rest, FinalNewline::Missing));
    assert_eq!(end(&bytes[..20]), (None, bytes[..20].to_vec(), FinalNewline::Missing));
    for foreign in [&b"root:x:0:0\n"[..], b"{}\n", b"\n", b"a\nb", b"root\0"] {
        assert_eq!(tail(foreign), Tail::Foreign, "{foreign:?}");
    }
}

/// Records in which a disk has left a range of zeros.
fn holed(records: usize, hole: std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes = log(records, None).0.into_bytes();
    bytes[hole].fill(0);
    bytes
}

#[test]
fn records_after_a_hole_are_torn_with_it() {
    let (text, _) = log(5, None);
    let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    // The third record and the newline behind it.
    let bytes = holed(5, starts[1]..starts[2]);
    let torn = bytes[starts[1]..bytes.len() - 1].to_vec();
    assert_eq!(end(&bytes), (Some(2), torn.clone(), FinalNewline::Present));
    // The whole first write is lost.
    let zeros = vec![0; 600];
    assert_eq!(end(&zeros), (None, zeros.clone(), FinalNewline::Missing));
    let first = holed(3, 0..starts[0]);
    assert_eq!(end(&first), (None, first[..first.len() - 1].to_vec(), FinalNewline::Present));

    // The next record reports it, and the log still verifies after further records.
    let head = check(&text.as_bytes()[..starts[1]]).head.unwrap();
    let (gap, next) = seal(&note().torn(&Torn::of(&torn)), &head, None);
    let mut mended = [bytes.as_slice(), gap.as_bytes()].concat();
    let report = check(&mended);
    assert_eq!((report.broken, report.records, report.head.as_ref()), (None, 3, Some(&next)));
    let (more, last) = seal(&entry(RecordKind::Event, ""), &next, None);
    mended.extend_from_slice(more.as_bytes());
    assert_eq!(end(&mended), (Some(last.seq), vec![], FinalNewline::Present));
}

#[test]
fn a_hole_that_no_record_reports_is_a_break() {
    let (text, _) = log(4, None);
    let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let report = check(&holed(4, starts[0] + 5..starts[0] + 9));
    assert_eq!(broken(&report), (2, 2, "the line is not a complete record"));
}

/// A cut without zeros is not a hole, and the check finds it.
#[test]
fn removed_records_are_not_taken_for_a_hole() {
    let (text, _) = log(5, None);
    let lines: Vec<&str> = text.lines().collect();
    let cut = format!("{}\n{}\n{}\n", lines[0], lines[3], lines[4]);
    assert_eq!(end(cut.as_bytes()), (Some(5), vec![], FinalNewline::Present));
}
