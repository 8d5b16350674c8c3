//! The question, asked at a terminal: the program's stdin and stderr are a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::bench::{Bench, Said, eventually, finish};

/// Runs `apply` at a terminal and types `answer` when it asks. Brings what the terminal showed as
/// `err`.
fn answered(bench: &Bench, line: &[&str], answer: &str) -> Said {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = || rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut command = bench.command(&[&["apply", "--config", "rc.yaml"], line].concat());
    command.env("NO_COLOR", "1").env("TERM", "xterm");
    command.stdin(theirs()).stderr(theirs()).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    // The command holds the terminal's other end, too; it goes with it.
    drop(command);
    let screen = Arc::new(Mutex::new(String::new()));
    let mut terminal = File::from(ours);
    let mut eyes = terminal.try_clone().unwrap();
    let seen = Arc::clone(&screen);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // An error is the end: the other side has been closed.
        while let Ok(count @ 1..) = eyes.read(&mut bytes) {
            seen.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    eventually("the question", || {
        screen.lock().unwrap().contains("to carry it out: ").then_some(())
    });
    writeln!(terminal, "{answer}").unwrap();
    let mut said = finish(child);
    reader.join().unwrap();
    said.err = screen.lock().unwrap().clone();
    said
}

#[test]
fn yes_confirms_and_nothing_else_does() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    for answer in ["no", "", "y", "YES", "destroy"] {
        let said = answered(&bench, &[], answer).ends(1);
        assert!(said.err.contains("not confirmed: nothing was changed"), "{}", said.err);
    }
    assert_eq!(bench.owned(), Vec::<String>::new());
    let said = answered(&bench, &[], "yes").ends(0);
    assert!(said.err.contains("Type `yes` to carry it out: "), "{}", said.err);
    assert!(said.err.contains("fleet sandbox on http://127.0.0.1:"), "{}", said.err);
    assert!(!said.err.contains("\u{1b}[3"), "NO_COLOR: {:?}", said.err);
    assert_eq!(bench.owned(), ["a"]);
}

#[test]
fn a_plan_that_destroys_wants_the_word() {
    let bench = Bench::new();
    bench.declare(&["a", "b"]);
    bench.apply();
    bench.remove("pools/b.yaml");
    answered(&bench, &[], "yes").ends(1);
    assert_eq!(bench.owned(), ["a", "b"]);
    let said = answered(&bench, &[], "destroy").ends(0);
    assert!(said.err.contains("These pools go: `b`"), "{}", said.err);
    assert_eq!(bench.owned(), ["a"]);
}
