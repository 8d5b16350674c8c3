//! An audit file that was tampered with: what `audit verify` finds by itself, what it finds with a
//! key or a recorded head, and what it cannot find.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use runnerctl::audit::Head;

use crate::audit::{audit_file, entry};
use crate::cli::bench::Bench;

/// Writes records with these details; returns the head.
fn write(path: &Path, key: Option<&str>, details: &[&str]) -> Head {
    let audit_file = audit_file(path, key);
    details.iter().map(|it| audit_file.append(&entry(it)).unwrap()).last().unwrap()
}

const TRUE: &[&str] = &["made", "deleted by eve", "made again"];
const FALSE: &[&str] = &["made", "nothing to see", "made again"];

/// The expected results of three checks: without further options, with the key, and with the
/// recorded head (which `watch` logs every five minutes).
struct Found {
    plain: (i32, &'static str),
    keyed: (i32, &'static str),
    headed: (i32, &'static str),
}

#[track_caller]
fn check(key: Option<&str>, tamper: impl Fn(&Path), found: &Found) {
    let bench = Bench::bare();
    let path = bench.path("audit.jsonl");
    let head = write(&path, key, TRUE).to_string();
    bench.write("key", "secret");
    fs::set_permissions(bench.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    tamper(&path);
    let line = ["audit", "verify", "audit.jsonl"];
    for (more, (code, says)) in [
        (&[][..], found.plain),
        (&["--key", "file:key"][..], found.keyed),
        (&["--head", &head][..], found.headed),
    ] {
        let said = bench.run(&[&line[..], more].concat()).ends(code);
        assert!(said.out.contains(says), "{more:?}: {}{}", said.out, said.err);
    }
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, change(&text)).unwrap();
}

#[test]
fn an_edited_record_is_found_without_a_key() {
    let broken = (1, "audit.jsonl:2: record 2: its hash does not match its bytes");
    let found = Found { plain: broken, keyed: broken, headed: broken };
    check(Some("secret"), |it| edit(it, |text| text.replace("by eve", "by bob")), &found);
}

#[test]
fn a_record_that_was_cut_out_is_found_without_a_key() {
    let broken = (1, "audit.jsonl:2: record 2: records 2 to 2 are missing");
    let found = Found { plain: broken, keyed: broken, headed: broken };
    let cut = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        format!("{}\n{}\n", lines[0], lines[2])
    };
    check(Some("secret"), |it| edit(it, cut), &found);
}

/// A log without its last records is a shorter valid log. Only a recorded head reveals the
/// difference.
#[test]
fn a_cut_end_is_found_by_the_remembered_head_alone() {
    let cut = |text: &str| text.lines().take(1).map(|it| format!("{it}\n")).collect();
    let whole = (0, "whole: 1 record in 1 file");
    let found =
        Found { plain: whole, keyed: whole, headed: (1, "records 2 to 3 are missing at the end") };
    check(Some("secret"), |it| edit(it, cut), &found);
}

/// A process that can write to the file can write a completely new log. Without a key or a recorded
/// head this is not detected.
#[test]
fn a_log_written_anew_is_found_by_the_remembered_head_and_without_a_key_by_nothing_else() {
    let anew = |path: &Path| {
        fs::remove_file(path).unwrap();
        write(path, None, FALSE);
    };
    let other = (1, "record 3 does not have the hash that was given");
    let unsigned = (1, "record 1: its HMAC is missing or made with another key");
    let found = Found { plain: (0, "whole: 3 records"), keyed: unsigned, headed: other };
    check(None, anew, &found);
}

/// With `watch.audit_key`, an attacker who writes a new log does not have the key.
#[test]
fn a_log_written_anew_is_found_by_the_key() {
    let anew = |key: Option<&'static str>| {
        move |path: &Path| {
            fs::remove_file(path).unwrap();
            write(path, key, FALSE);
        }
    };
    let other = (1, "record 3 does not have the hash that was given");
    let forged = (1, "record 1: its HMAC is missing or made with another key");
    for key in [None, Some("guessed")] {
        let found = Found { plain: (0, "whole: 3 records"), keyed: forged, headed: other };
        check(Some("secret"), anew(key), &found);
    }
}
