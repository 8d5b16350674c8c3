//! The printer: stdout carries results only, everything else goes to stderr.
//!
//! Strips colour where it is not wanted. A closed stdout (`| head`) is not an error: the remaining
//! output is dropped. On GitHub Actions, all text that may quote YAML or GARM is printed between
//! `::stop-commands::` and its end, so that GitHub takes no quoted line for a workflow command.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use serde_json::{Value, json};

use super::args::Color;
use super::failure::Failure;
use crate::domain::name::GarmName;
use crate::domain::poison::IgnorePoison;
use crate::domain::text::escape_json;

/// Width of text without a terminal, in columns.
const WIDTH: usize = 100;

/// The environment that interprets the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputHost {
    Plain,
    Actions,
}

/// Whether a stream takes colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ink {
    Coloured,
    Plain,
}

/// A stream of the process, shared by all printers.
type SharedStream = Arc<Mutex<Box<dyn Write + Send>>>;

/// Writes to stdout and stderr. One per process, shared by all tasks, and one more for each of
/// several GARMs.
#[derive(Clone)]
pub struct Printer {
    out: SharedStream,
    err: SharedStream,
    out_ink: Ink,
    err_ink: Ink,
    host: OutputHost,
    out_is_gone: Arc<AtomicBool>,
    /// The cursor is behind a question that has not been answered yet.
    is_asking: Arc<AtomicBool>,
    /// The name of a GARM, which precedes what is printed to stderr.
    label: Option<GarmName>,
}

impl Printer {
    /// A printer for the streams of this process.
    pub fn new(color: Color) -> Self {
        let in_actions = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        Self {
            out_ink: ink(color, AutoStream::choice(&stdout())),
            err_ink: ink(color, AutoStream::choice(&stderr())),
            out: Arc::new(Mutex::new(Box::new(stdout()))),
            err: Arc::new(Mutex::new(Box::new(stderr()))),
            host: if in_actions { OutputHost::Actions } else { OutputHost::Plain },
            out_is_gone: Arc::default(),
            is_asking: Arc::default(),
            label: None,
        }
    }

    /// The same printer, which puts the name of a GARM before each text to stderr. It draws no
    /// spinners or bars, since several would share the terminal.
    pub fn labelled(&self, garm: &GarmName) -> Self {
        Self { label: Some(garm.clone()), ..self.clone() }
    }

    fn with_label(&self, text: &str) -> String {
        match &self.label {
            Some(garm) => format!("{garm}: {text}"),
            None => text.to_owned(),
        }
    }

    /// Prints a result as text to stdout.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        let text = dressed(text, self.out_ink);
        self.to_stdout(&self.guarded(&text))
    }

    /// Prints a result as one JSON document to stdout: `format_version` and `command`, then
    /// `fields`.
    pub fn document(&self, command: &str, fields: Value) -> Result<(), Failure> {
        self.to_stdout(&self.defused(&format!("{:#}\n", document(command, fields))))
    }

    /// Prints the document on one line, for a stream of documents.
    pub fn document_line(&self, command: &str, fields: Value) -> Result<(), Failure> {
        self.to_stdout(&self.defused(&format!("{}\n", document(command, fields))))
    }

    /// Prints a line of JSON to stdout, unchanged.
    pub fn json_line(&self, line: &str) -> Result<(), Failure> {
        self.to_stdout(&self.defused(&format!("{line}\n")))
    }

    /// Prints text to stdout unchanged. For text that quotes neither YAML nor GARM: a schema, a
    /// completion script, a file.
    pub fn raw(&self, text: &str) -> Result<(), Failure> {
        self.to_stdout(text)
    }

    /// Prints progress, a hint, a warning or an error to stderr. A failure to write is ignored: it
    /// does not change what the command has done.
    pub fn say(&self, text: &str) {
        let text = dressed(&self.with_label(text), self.err_ink);
        self.to_stderr(&self.guarded(&text));
    }

    /// Prints a line of progress to stderr, between `::stop-commands::` and its end only if the
    /// line could be taken for a command, so that a long log stays readable.
    pub fn say_quietly(&self, text: &str) {
        let text = with_newline(dressed(&self.with_label(text), self.err_ink));
        let is_command = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
        let text = if text.lines().any(is_command) { self.guarded(&text) } else { text };
        self.to_stderr(&text);
    }

    /// Prints a question to stderr and leaves the cursor behind it. Until [`Printer::answered`],
    /// the next text begins on a new line.
    pub fn prompt(&self, text: &str) {
        self.to_stderr(&dressed(text, self.err_ink));
        self.is_asking.store(true, Ordering::Relaxed);
    }

    /// Records that the answer has ended the line of the question.
    pub fn answered(&self) {
        self.is_asking.store(false, Ordering::Relaxed);
    }

    /// `text` with or without colour, as stderr takes it, for code that draws on stderr itself.
    pub fn dressed_for_stderr(&self, text: &str) -> String {
        dressed(text, self.err_ink)
    }

    /// Prints a workflow command to stderr on GitHub Actions; does nothing elsewhere. The caller
    /// has escaped it.
    pub fn annotate(&self, command: &str) {
        if self.is_on_actions() {
            self.to_stderr(&with_newline(command.to_owned()));
        }
    }

    /// Whether this is a step of a GitHub Actions workflow.
    pub fn is_on_actions(&self) -> bool {
        self.host == OutputHost::Actions
    }

    /// Whether stdout has been closed; `status --follow` then ends.
    pub fn is_unread(&self) -> bool {
        self.out_is_gone.load(Ordering::Relaxed)
    }

    /// Whether the user can be asked: stdin *and* stderr are a terminal.
    pub fn can_ask(&self) -> bool {
        stdin().is_terminal() && stderr().is_terminal()
    }

    /// Whether stderr is a terminal on which progress can be redrawn.
    pub fn draws(&self) -> bool {
        stderr().is_terminal() && self.host == OutputHost::Plain && self.label.is_none()
    }

    /// Columns of the terminal on stdout; [`WIDTH`] elsewhere.
    pub fn width(&self) -> usize {
        screen().map_or(WIDTH, |size| size.0)
    }

    /// Lines of the terminal on stdout; absent elsewhere.
    pub fn height(&self) -> Option<usize> {
        screen().map(|size| size.1)
    }

    /// Wraps `text` in `::stop-commands::` and its end on GitHub Actions, unless it is an empty
    /// line.
    fn guarded(&self, text: &str) -> String {
        let text = with_newline(text.to_owned());
        if self.host == OutputHost::Plain || text == "\n" {
            return text;
        }
        let token = token();
        format!("::stop-commands::{token}\n{text}::{token}::\n")
    }

    /// JSON cannot be wrapped without becoming invalid. None of its lines begins with `::`; `##[`,
    /// which GitHub recognises anywhere, can only occur in a string and is escaped there.
    fn defused(&self, text: &str) -> String {
        let text = escape_json(text).into_owned();
        match self.host {
            OutputHost::Plain => text,
            OutputHost::Actions => text.replace("##[", "#\\u0023["),
        }
    }

    fn to_stdout(&self, text: &str) -> Result<(), Failure> {
        if self.is_unread() {
            return Ok(());
        }
        match write(&self.out, text) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.out_is_gone.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(anyhow::Error::new(error).context("cannot write to stdout").into()),
        }
    }

    fn to_stderr(&self, text: &str) {
        if self.is_asking.swap(false, Ordering::Relaxed) {
            let _ = write(&self.err, "\n");
        }
        // There is no other place to report that stderr cannot be written.
        let _ = write(&self.err, text);
    }
}

/// Columns and lines of the terminal on stdout; absent if stdout is not a terminal or the terminal
/// does not report them.
fn screen() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then(|| (size.ws_col.into(), size.ws_row.into()))
}

fn write(stream: &Mutex<Box<dyn Write + Send>>, text: &str) -> std::io::Result<()> {
    let mut stream = stream.lock().ignoring_poison();
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// The document that a command prints under `-o json`.
fn document(command: &str, fields: Value) -> Value {
    let mut document = json!({ "format_version": "1", "command": command });
    if let (Some(map), Value::Object(fields)) = (document.as_object_mut(), fields) {
        map.extend(fields);
    }
    document
}

fn ink(wanted: Color, automatic: ColorChoice) -> Ink {
    match (wanted, automatic) {
        (Color::Always, _)
        | (Color::Auto, ColorChoice::Auto | ColorChoice::Always | ColorChoice::AlwaysAnsi) => {
            Ink::Coloured
        }
        (Color::Never, _) | (Color::Auto, ColorChoice::Never) => Ink::Plain,
    }
}

fn dressed(text: &str, ink: Ink) -> String {
    match ink {
        Ink::Coloured => text.to_owned(),
        Ink::Plain => strip_str(text).to_string(),
    }
}

fn with_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// An unpredictable token: the standard library seeds its hashers from the operating system's
/// random numbers.
pub(super) fn token() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects what is written; breaks like a pipe when told to.
    #[derive(Clone, Default)]
    struct Page {
        text: Arc<Mutex<Vec<u8>>>,
        error: Option<ErrorKind>,
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if let Some(kind) = self.error {
                return Err(kind.into());
            }
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn printer(page: &Page, host: OutputHost) -> Printer {
        Printer {
            out: Arc::new(Mutex::new(Box::new(page.clone()))),
            err: Arc::new(Mutex::new(Box::new(page.clone()))),
            out_ink: Ink::Plain,
            err_ink: Ink::Plain,
            host,
            out_is_gone: Arc::default(),
            is_asking: Arc::default(),
            label: None,
        }
    }

    fn text(page: &Page) -> String {
        String::from_utf8(page.text.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn colour_is_stripped_where_it_is_not_wanted() {
        let page = Page::default();
        printer(&page, OutputHost::Plain).result("\u{1b}[32mgreen\u{1b}[0m").unwrap();
        assert_eq!(text(&page), "green\n");
    }

    #[test]
    fn on_actions_quoted_text_is_wrapped_in_stop_commands() {
        let page = Page::default();
        printer(&page, OutputHost::Actions).result("::add-mask::x").unwrap();
        let text = text(&page);
        let lines: Vec<&str> = text.lines().collect();
        let token = lines[0].strip_prefix("::stop-commands::").unwrap();
        assert_eq!(lines[1..], ["::add-mask::x".to_owned(), format!("::{token}::")]);
        assert_eq!(token.len(), 32);
    }

    #[test]
    fn json_on_actions_stays_valid_and_contains_no_command() {
        let page = Page::default();
        let fields = json!({ "note": "##[error]x" });
        printer(&page, OutputHost::Actions).document("plan", fields.clone()).unwrap();
        assert!(!text(&page).contains("##["));
        let read: Value = serde_json::from_str(&text(&page)).unwrap();
        assert_eq!(read["note"], fields["note"]);
    }

    #[test]
    fn json_contains_no_terminal_control_characters() {
        let page = Page::default();
        let fields = json!({ "image": "a\u{202e}b" });
        printer(&page, OutputHost::Plain).document("plan", fields.clone()).unwrap();
        assert!(text(&page).contains("a\\u202eb"));
        let read: Value = serde_json::from_str(&text(&page)).unwrap();
        assert_eq!(read["image"], fields["image"]);
    }

    #[test]
    fn a_closed_stdout_is_not_a_failure() {
        let page = Page { error: Some(ErrorKind::BrokenPipe), ..Page::default() };
        let printer = printer(&page, OutputHost::Plain);
        assert_eq!(printer.result("x"), Ok(()));
        assert!(printer.is_unread());
    }

    #[test]
    fn text_after_an_unanswered_question_begins_a_new_line() {
        let page = Page::default();
        let printer = printer(&page, OutputHost::Plain);
        printer.prompt("Go on? ");
        printer.say("stopped");
        printer.prompt("Again? ");
        printer.answered();
        printer.say("done");
        assert_eq!(text(&page), "Go on? \nstopped\nAgain? done\n");
    }

    #[test]
    fn texts_about_one_of_several_garms_name_it() {
        let page = Page::default();
        let printer = printer(&page, OutputHost::Plain);
        let east = printer.labelled(&GarmName::new("east").unwrap());
        east.say("error: no answer");
        printer.say("done");
        assert_eq!(text(&page), "east: error: no answer\ndone\n");
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let page = Page { error: Some(ErrorKind::StorageFull), ..Page::default() };
        let failure = printer(&page, OutputHost::Plain).result("x").unwrap_err();
        assert_eq!(failure.exit, super::super::exit::Exit::Failed);
    }
}
