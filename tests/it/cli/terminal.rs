//! The program at a terminal: its stdin and stderr are a pseudo-terminal, and for `status --follow`
//! its stdout is, too.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::bench::{Bench, Said, eventually, finish, signal};

/// Columns and lines of the terminal.
const SIZE: (u16, u16) = (100, 24);

/// A terminal with a running program.
pub(crate) struct Terminal {
    ours: File,
    screen: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

/// Which streams of the program are the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    InAndErr,
    All,
}

impl Terminal {
    /// Starts `command` at a new terminal.
    pub(crate) fn start(mut command: Command, streams: Streams) -> (Self, Child) {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let (ws_col, ws_row) = SIZE;
        tcsetwinsize(&ours, Winsize { ws_col, ws_row, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs =
            || rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        command.env("NO_COLOR", "1").env("TERM", "xterm");
        command.stdin(theirs()).stderr(theirs());
        match streams {
            Streams::InAndErr => command.stdout(Stdio::piped()),
            Streams::All => command.stdout(theirs()),
        };
        let child = command.spawn().unwrap();
        // The command holds copies of the other end of the terminal, so it must be dropped.
        drop(command);
        let screen = Arc::new(Mutex::new(String::new()));
        let ours = File::from(ours);
        let mut eyes = ours.try_clone().unwrap();
        let seen = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A read error means that the other end was closed.
            while let Ok(count @ 1..) = eyes.read(&mut bytes) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        (Self { ours, screen, reader }, child)
    }

    /// Types `answer` when the program prompts for confirmation.
    pub(crate) fn answer(&mut self, answer: &str) {
        self.answer_to("to apply it: ", answer);
    }

    /// Types `answer` when the screen shows `question`.
    pub(crate) fn answer_to(&mut self, question: &str, answer: &str) {
        self.wait_for(question);
        writeln!(self.ours, "{answer}").unwrap();
    }

    fn shows(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    fn wait_for(&self, text: &str) {
        eventually(text, || self.shows().contains(text).then_some(()));
    }

    /// Waits for the end of the program. `err` of the result is everything that the terminal
    /// showed.
    pub(crate) fn end(self, child: Child) -> Said {
        let mut said = finish(child);
        self.reader.join().unwrap();
        said.err = self.screen.lock().unwrap().clone();
        said
    }
}

fn at_a_terminal(bench: &Bench, line: &[&str], streams: Streams) -> (Terminal, Child) {
    Terminal::start(bench.command(&[line, &["--config", "rc.yaml"]].concat()), streams)
}

/// Runs `apply` at a terminal and types `answer` at the prompt. `err` of the result is everything
/// that the terminal showed.
fn answered(bench: &Bench, line: &[&str], answer: &str) -> Said {
    let (mut terminal, child) =
        at_a_terminal(bench, &[&["apply"], line].concat(), Streams::InAndErr);
    terminal.answer(answer);
    terminal.end(child)
}

#[test]
fn only_yes_confirms() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    for (answer, help) in [("no", false), ("", false), ("y", true), ("YES", true)] {
        let said = answered(&bench, &[], answer).ends(1);
        assert!(said.err.contains("not confirmed: nothing was changed"), "{}", said.err);
        let has_help = said.err.contains("help: type `yes` to confirm\r\n");
        assert_eq!(has_help, help, "{answer}: {}", said.err);
    }
    assert_eq!(bench.owned(), Vec::<String>::new());
    let said = answered(&bench, &[], "yes").ends(0);
    assert!(said.err.contains("Type `yes` to apply it: "), "{}", said.err);
    assert!(said.err.contains("fleet sandbox on http://127.0.0.1:"), "{}", said.err);
    assert!(!said.err.contains("\u{1b}[3"), "NO_COLOR: {:?}", said.err);
    assert_eq!(bench.owned(), ["a"]);
}

#[test]
fn a_destructive_plan_asks_for_the_word_destroy() {
    let bench = Bench::new();
    bench.declare(&["a", "b"]);
    bench.apply();
    bench.remove("pools/b.yaml");
    let said = answered(&bench, &[], "yes").ends(1);
    assert!(said.err.contains("type `destroy` to confirm, not `yes`"), "{}", said.err);
    assert_eq!(bench.owned(), ["a", "b"]);
    let said = answered(&bench, &[], "destroy").ends(0);
    assert!(said.err.contains("Pools to be deleted: `b`"), "{}", said.err);
    assert_eq!(bench.owned(), ["a"]);
}

#[test]
fn ctrl_c_and_ctrl_d_at_the_confirmation_report_on_a_new_line_that_nothing_was_changed() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let ask = || {
        let asked = at_a_terminal(&bench, &["apply"], Streams::InAndErr);
        asked.0.wait_for("to apply it: ");
        asked
    };
    let (terminal, child) = ask();
    signal(&child, "-INT");
    let said = terminal.end(child).ends(130);
    let end = "Type `yes` to apply it: \r\nstopped: nothing was changed\r\n";
    assert!(said.err.ends_with(end), "{:?}", said.err);
    let (mut terminal, child) = ask();
    terminal.ours.write_all(b"\x04").unwrap();
    let said = terminal.end(child).ends(1);
    let end = "apply it: \r\nerror: not confirmed: nothing was changed\r\n";
    assert!(said.err.replace("\u{8}", "").replace("^D", "").ends_with(end), "{:?}", said.err);
    assert_eq!(bench.owned(), Vec::<String>::new());
}

/// A GARM that accepts connections and never answers, and a fleet file that connects to it.
fn hung() -> (TcpListener, Bench) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bench = Bench::bare();
    bench.declare(&["a"]);
    let url = format!("http://{}", listener.local_addr().unwrap());
    bench.write(
        "rc.yaml",
        &format!(
            "fleet: acme\ngarm:\n  url: {url}\n  username: admin\n  password: env:PASSWORD\n\
             defaults:\n  organization: acme\n  provider: sim\n  image: ubuntu\n"
        ),
    );
    (listener, bench)
}

#[test]
fn a_spinner_shows_that_garm_has_not_answered_yet() {
    let (listener, bench) = hung();
    let text = format!("reading GARM at http://{}", listener.local_addr().unwrap());
    for line in [&["plan"][..], &["status"], &["import"], &["validate", "--online"]] {
        let mut command = bench.command(&[line, &["--config", "rc.yaml"]].concat());
        command.env("PASSWORD", "x");
        let (terminal, child) = Terminal::start(command, Streams::InAndErr);
        terminal.wait_for(&text);
        signal(&child, "-INT");
        let said = terminal.end(child).ends(130);
        // The spinner is removed from the screen afterwards.
        assert!(said.err.trim_end().ends_with("\u{1b}[2K"), "{line:?}: {:?}", said.err);
    }
    let mut command = bench.command(&["plan", "--config", "rc.yaml"]);
    let log = File::create(bench.path("log")).unwrap();
    let child = command.env("PASSWORD", "x").stderr(log).spawn().unwrap();
    bench.wait_for_text("log", &text);
    signal(&child, "-INT");
    finish(child).ends(130);
    assert_eq!(bench.read("log"), format!("{text}…\n"));
}

#[test]
fn a_status_longer_than_the_screen_keeps_header_and_summary_visible() {
    let bench = Bench::new();
    let names: Vec<String> = (0..40).map(|it| format!("pool-{it:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.declare(&names[..39]);
    bench.apply();
    // The last pool is not in GARM yet, and the screen must show that.
    bench.declare(&names[39..]);
    let (terminal, child) =
        at_a_terminal(&bench, &["status", "--follow", "--interval", "1s"], Streams::All);
    terminal.wait_for("to show single pools");
    signal(&child, "-INT");
    let said = terminal.end(child).ends(130);
    let screens: Vec<&str> = said.err.split("\u{1b}[H\u{1b}[2J\u{1b}[3J").collect();
    let lines: Vec<&str> = screens[1].lines().collect();
    assert!(lines.len() < usize::from(SIZE.1), "{lines:?}");
    assert!(lines[0].contains("Z  40 pools: 0 active"), "{lines:?}");
    let first = lines.iter().position(|it| it.starts_with("POOL ")).unwrap() + 2;
    assert!(lines[first].starts_with("pool-39"), "{lines:?}");
    assert!(lines[first + 1].starts_with("pool-00"), "{lines:?}");
    assert!(lines.last().unwrap().contains(" more lines; run `runnerctl status POOL…` to show"));
}

#[test]
fn a_status_that_is_longer_than_the_screen_ends_with_its_summary() {
    let bench = Bench::new();
    let names: Vec<String> = (0..30).map(|n| format!("pool-{n:02}")).collect();
    bench.declare(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let (terminal, child) = at_a_terminal(&bench, &["status"], Streams::All);
    let shown = terminal.end(child).ends(0).err;
    let summary = "30 pools: 0 active, 0 idle, 0 booting, 0 failed; no job waiting; 30 pools need";
    assert_eq!(shown.matches(summary).count(), 2, "{shown}");
    let end = shown.trim_end().lines().last().unwrap();
    assert!(end.ends_with("30 pools need attention"), "{end}");
    let (terminal, child) = at_a_terminal(&bench, &["status", "pool-01"], Streams::All);
    let shown = terminal.end(child).ends(0).err;
    assert_eq!(shown.matches("1 pool needs attention").count(), 1, "{shown}");
}
