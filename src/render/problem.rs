//! Problems as text, JSON, Markdown and annotations for GitHub Actions. Source lines come from
//! excerpts, in which secrets are already masked.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::document;
use super::markdown::{sentence, span};
use super::words::count;
use crate::config::{Excerpt, Location, Problem, Role, Severity};
use crate::domain::text::escape;

/// The maximum width of a report, in columns.
const WIDTH: usize = 120;

/// Problems of one code and message that are shown with their source. Of the others, such as those
/// of a field that every pool lacks, only the places are listed.
const EQUAL_MAX: usize = 5;

/// The problems as text with ANSI styles, an empty line after each. Beyond five with the same code
/// and message, only the places are listed, at the end.
pub fn text(problems: &[Problem]) -> String {
    let mut text = String::new();
    let mut seen: BTreeMap<_, Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        let equal = seen.entry((problem.code, problem.message.as_str())).or_default();
        equal.push(problem);
        if equal.len() <= EQUAL_MAX {
            text.push_str(&format!("{}\n\n", report(problem)));
        }
    }
    let rest = seen.values().filter_map(|equal| equal.get(EQUAL_MAX..));
    text.extend(rest.filter(|rest| !rest.is_empty()).map(places));
    text
}

/// Where else problems of one code and message are: a line for each file.
fn places(problems: &[&Problem]) -> String {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for problem in problems {
        let lines = files.entry(&problem.place.file).or_default();
        lines.extend(problem.place.spot.map(|spot| spot.line.to_string()));
    }
    let places = files.into_iter().map(|(file, lines)| match lines.as_slice() {
        [] => escape(file).into_owned(),
        [line] => format!("{}, line {line}", escape(file)),
        lines => format!("{}, lines {}", escape(file), lines.join(", ")),
    });
    let title = format!("{}, {} more:", problems[0].message, problems.len());
    let level = level(problems[0].severity);
    let group = Group::with_title(level.primary_title(title).id(problems[0].code.text()));
    let places: Vec<String> = places.map(|place| format!("  {place}\n")).collect();
    format!("{}\n{}\n", Renderer::styled().render(&[group]), places.concat())
}

/// A summary in one line: `2 errors, 1 warning in 3 files`.
pub fn summary(problems: &[Problem], files: usize) -> String {
    let of = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
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

#[derive(Serialize, JsonSchema)]
pub(super) struct ProblemJson<'a> {
    code: &'static str,
    #[schemars(extend("enum" = ["error", "warning"]))]
    severity: &'static str,
    file: &'a str,
    /// Null if the problem concerns a whole file.
    line: Option<u32>,
    /// Null together with `line`.
    column: Option<u32>,
    message: &'a str,
    help: Option<&'a str>,
}

/// The list `problems` of a document, in the order of the problems.
pub fn json(problems: &[Problem]) -> Value {
    document::value(&rows(problems))
}

pub(super) fn rows(problems: &[Problem]) -> Vec<ProblemJson<'_>> {
    let rows = problems.iter().map(|problem| ProblemJson {
        code: problem.code.text(),
        severity: problem.severity.word(),
        file: &problem.place.file,
        line: problem.place.spot.map(|spot| spot.line),
        column: problem.place.spot.map(|spot| spot.column),
        message: &problem.message,
        help: problem.help.as_deref(),
    });
    rows.collect()
}

/// The problems as a Markdown list below `heading`, for the summary page of a workflow run.
pub fn markdown(problems: &[Problem], heading: &str) -> String {
    let mut text = format!("### {}\n\n", sentence(heading));
    for problem in problems {
        let word = problem.severity.word();
        let place = span(&problem.place.to_string());
        text.push_str(&format!("- **{word}** {place}: {}\n", sentence(&problem.message)));
        for help in problem.help.iter().flat_map(|help| help.lines()) {
            text.push_str(&format!("  - help: {}\n", sentence(help)));
        }
    }
    text
}

/// The failure of a command as Markdown, for the summary page of a workflow run.
pub fn failure(command: &str, message: &str, help: Option<&str>) -> String {
    let mut text = format!("### `runnerctl {command}` has failed\n\n{}\n", sentence(message));
    for help in help.iter().flat_map(|help| help.lines()) {
        text.push_str(&format!("\nhelp: {}\n", sentence(help)));
    }
    text
}

/// The folders of a workflow step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowStep {
    /// `GITHUB_WORKSPACE`: the top of the repository.
    pub workspace: PathBuf,
    /// The working folder, to which shown paths are relative.
    pub working: PathBuf,
}

/// The number of errors, and of warnings, that GitHub shows per step; it drops the rest silently.
/// Source: <https://docs.github.com/en/actions/reference/limits>.
const ANNOTATIONS_MAX: usize = 10;

/// One workflow command of GitHub Actions for each problem, escaped. If GitHub would drop some, the
/// last annotation of that severity says how many are missing. GitHub finds a file by its path from
/// the top of the repository; without a `step`, paths are not changed.
pub fn annotations(problems: &[Problem], step: Option<&WorkflowStep>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = Vec::new();
    for severity in [Severity::Error, Severity::Warning] {
        let count = problems.iter().filter(|problem| problem.severity == severity).count();
        if count > ANNOTATIONS_MAX {
            rest.push((severity, count - (ANNOTATIONS_MAX - 1)));
        }
    }
    let mut told = [0, 0];
    for problem in problems {
        let told = &mut told[usize::from(problem.severity == Severity::Warning)];
        let most = match rest.iter().any(|entry| entry.0 == problem.severity) {
            true => ANNOTATIONS_MAX - 1,
            false => ANNOTATIONS_MAX,
        };
        if *told < most {
            *told += 1;
            lines.push(annotation(problem, step));
        }
    }
    lines.extend(rest.into_iter().map(|(severity, missing)| {
        let word = severity.word();
        let missing = count(missing, &format!("more {word}"));
        format!("::{word} title=runnerctl::{missing}: the log of this step shows all of them")
    }));
    lines
}

fn annotation(problem: &Problem, step: Option<&WorkflowStep>) -> String {
    let file = match step {
        Some(step) => step.path(&problem.place.file),
        None => problem.place.file.clone(),
    };
    let mut properties = format!("file={}", property(&escape(&file)));
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

impl WorkflowStep {
    /// A shown path, made relative to the top of the repository; unchanged if it is outside the
    /// repository or is a URL.
    fn path(&self, shown: &str) -> String {
        if shown.contains("://") {
            return shown.to_owned();
        }
        let whole = without_dots(&self.working.join(shown));
        match whole.strip_prefix(without_dots(&self.workspace)) {
            Ok(path) => path.to_string_lossy().into_owned(),
            Err(_) => shown.to_owned(),
        }
    }
}

/// Removes `.` and `..` from a path, without reading the file system.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// Escapes the text after the second `::` of a workflow command.
fn value(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command, which ends at a comma or a colon.
fn property(text: &str) -> String {
    value(text).replace(':', "%3A").replace(',', "%2C")
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    }
}

fn report(problem: &Problem) -> String {
    let title = level(problem.severity).primary_title(problem.message.as_str());
    let title = title.id(problem.code.text());
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

/// A placeholder for the path of an excerpt while it is rendered. The renderer counts columns in
/// masked and shortened text, so path, line and column are replaced afterwards.
fn stand_in(index: usize) -> String {
    format!("\u{e000}{index}\u{e000}")
}

/// Replaces the placeholder and its line and column with the real location.
fn with_place(report: &str, stand_in: &str, place: &Location) -> String {
    let Some((before, rest)) = report.split_once(stand_in) else { return report.to_owned() };
    let after = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    format!("{before}{}{after}", escape(&place.to_string()))
}

fn origin(place: &Location) -> Origin<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Code;

    fn problem(file: &str, n: usize) -> Problem {
        Problem::of_file(Code::UnknownKey, file, format!("error {n}"))
    }

    fn step(workspace: &str, working: &str) -> WorkflowStep {
        WorkflowStep { workspace: workspace.into(), working: working.into() }
    }

    #[test]
    fn an_annotation_names_its_file_from_the_top_of_the_repository() {
        let path = |shown: &str, working: &str| step("/w/app", working).path(shown);
        for (shown, working, expected) in [
            ("pools/a.yaml", "/w/app", "pools/a.yaml"),
            ("pools/a.yaml", "/w/app/fleet", "fleet/pools/a.yaml"),
            ("./pools/a.yaml", "/w/app/fleet", "fleet/pools/a.yaml"),
            ("../pools/a.yaml", "/w/app/fleet", "pools/a.yaml"),
            ("/w/app/pools/a.yaml", "/w/app/fleet", "pools/a.yaml"),
            ("/etc/runnerctl/runnerctl.yaml", "/w/app", "/etc/runnerctl/runnerctl.yaml"),
            ("../../other/a.yaml", "/w/app/fleet", "../../other/a.yaml"),
            ("https://garm.example.com", "/w/app", "https://garm.example.com"),
        ] {
            assert_eq!(path(shown, working), expected, "{shown} in {working}");
        }
        let shown = annotations(&[problem("a.yaml", 1)], Some(&step("/w", "/w/fleet")));
        assert!(shown[0].starts_with("::error file=fleet/a.yaml,title="), "{shown:?}");
    }

    #[test]
    fn of_many_equal_problems_five_are_shown_whole_and_the_others_by_place() {
        let in_file = |file: &str| Problem::of_file(Code::UnknownKey, file, "unknown field `x`");
        let files: Vec<String> = (0..9).map(|n| format!("{n}.yaml")).collect();
        let mut problems: Vec<Problem> = files.iter().map(|file| in_file(file)).collect();
        problems.push(problem("a.yaml", 1));
        let shown = anstream::adapter::strip_str(&text(&problems)).to_string();
        assert_eq!(shown.matches("unknown field `x`").count(), 6, "{shown}");
        assert!(shown.contains("unknown field `x`, 4 more:\n  5.yaml\n  6.yaml\n"), "{shown}");
        for file in files {
            assert_eq!(shown.matches(&file).count(), 1, "{file} in {shown}");
        }
        assert_eq!(shown.matches("error 1").count(), 1, "{shown}");
    }

    #[test]
    fn the_last_annotation_counts_those_that_github_would_drop() {
        let many = |count| (0..count).map(|n| problem("a.yaml", n)).collect::<Vec<_>>();
        assert_eq!(annotations(&many(10), None).len(), 10);
        let shown = annotations(&many(12), None);
        assert_eq!(shown.len(), 10);
        assert!(shown[8].ends_with("::error 8"), "{}", shown[8]);
        assert_eq!(
            shown[9],
            "::error title=runnerctl::3 more errors: the log of this step shows all of them"
        );
        // Warnings have their own limit of ten.
        let warned =
            many(12).into_iter().map(|problem| Problem { severity: Severity::Warning, ..problem });
        let shown = annotations(&many(2).into_iter().chain(warned).collect::<Vec<_>>(), None);
        assert_eq!(shown.len(), 12);
        assert!(shown[11].starts_with("::warning title=runnerctl::3 more warnings"), "{shown:?}");
    }

    #[test]
    fn text_cannot_escape_from_its_markdown_quotation() {
        let odd = Problem::of_file(Code::UnknownKey, "a`@all.yaml", "unknown field `x` <b>")
            .with_help("write `y`\nor @nothing");
        assert_eq!(
            markdown(&[odd], "1 error in 1 file"),
            "### 1 error in 1 file\n\n- **error** `` a`@all.yaml ``: `` unknown field `x` <b> ``\n  \
             - help: write `y`\n  - help: `or @nothing`\n"
        );
    }
}
