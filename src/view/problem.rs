//! Problems as text, as JSON and as annotations of GitHub Actions. Everything shown of a file
//! comes from excerpts, in which secrets are masked already.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::words::count;
use crate::domain::text::escape;
use crate::manifest::{Excerpt, Place, Problem, Role, Severity};

/// Widest report, in columns.
const WIDTH: usize = 120;

/// The problems as text, with ANSI styles, an empty line after each.
pub fn text(problems: &[Problem]) -> String {
    problems.iter().map(|it| format!("{}\n\n", report(it))).collect()
}

/// What came of a run, in one line: `2 errors, 1 warning in 3 files`.
pub fn summary(problems: &[Problem], files: usize) -> String {
    let of = |severity| problems.iter().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let mut counts = Vec::new();
    if errors > 0 {
        counts.push(count(errors, "error"));
    }
    if warnings > 0 {
        counts.push(count(warnings, "warning"));
    }
    if counts.is_empty() {
        counts.push("no problems".to_owned());
    }
    format!("{} in {}", counts.join(", "), count(files, "file"))
}

/// The problems as JSON, in their order: `code, severity, file, line, column, message, help`.
/// `line` and `column` are null where a whole file is meant.
pub fn json(problems: &[Problem]) -> Value {
    problems.iter().map(one).collect()
}

fn one(problem: &Problem) -> Value {
    json!({
        "code": problem.code.text(),
        "severity": problem.severity.word(),
        "file": problem.place.file,
        "line": problem.place.spot.map(|it| it.line),
        "column": problem.place.spot.map(|it| it.column),
        "message": problem.message,
        "help": problem.help,
    })
}

/// One workflow command of GitHub Actions for each problem, escaped.
pub fn annotations(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(annotation).collect()
}

fn annotation(problem: &Problem) -> String {
    let mut properties = format!("file={}", property(&escape(&problem.place.file)));
    if let Some(spot) = problem.place.spot {
        properties.push_str(&format!(",line={},col={}", spot.line, spot.column));
    }
    let title = property(problem.code.text());
    let mut message = problem.message.clone();
    if let Some(help) = &problem.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    let word = problem.severity.word();
    format!("::{word} {properties},title={title}::{}", value(&message))
}

/// The escapes of GitHub's workflow commands for what follows the second `::`.
fn value(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The escapes for a property, which ends at a comma or a colon.
fn property(text: &str) -> String {
    value(text).replace(':', "%3A").replace(',', "%2C")
}

fn report(problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code.text());
    let mut group = Group::with_title(title);
    if problem.excerpts.is_empty() {
        group = group.element(origin(&problem.place));
    }
    for (index, excerpt) in problem.excerpts.iter().enumerate() {
        group = group.element(snippet(excerpt, &stand_in(index)));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let report = Renderer::styled().term_width(WIDTH).render(&[group]);
    problem.excerpts.iter().enumerate().fold(report, |report, (index, excerpt)| {
        with_place(&report, &stand_in(index), &excerpt.place)
    })
}

/// What stands for the path of an excerpt while it is rendered. The renderer counts columns in
/// the text that it is given, in which values are masked and long lines cut: the column it
/// writes behind the path is not the file's, so both are replaced afterwards.
fn stand_in(index: usize) -> String {
    format!("\u{e000}{index}\u{e000}")
}

/// Puts the real place where the stand-in with its line and column is.
fn with_place(report: &str, stand_in: &str, place: &Place) -> String {
    let Some((before, rest)) = report.split_once(stand_in) else { return report.to_owned() };
    let after = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    format!("{before}{}{after}", escape(&place.to_string()))
}

fn origin(place: &Place) -> Origin<'_> {
    let origin = Origin::path(escape(&place.file));
    match place.spot {
        Some(spot) => origin.line(spot.line as usize).char_column(spot.column as usize),
        None => origin,
    }
}

fn snippet<'a>(excerpt: &'a Excerpt, path: &str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let marks = excerpt.marks.iter().map(|mark| {
        let kind = match mark.role {
            Role::Primary => AnnotationKind::Primary,
            Role::Context => AnnotationKind::Context,
        };
        kind.span(mark.start..mark.end).label(mark.label.as_str())
    });
    Snippet::source(excerpt.text.as_str())
        .line_start(excerpt.first_line as usize)
        .path(path.to_owned())
        .annotations(marks)
}
