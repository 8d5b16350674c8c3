//! Collects problems while files are read, and adds the source lines at the end.

use super::diagnostic_code::{Code, Severity};
use super::node::SourceSpan;
use super::problem::{Excerpt, Problem, Role};
use super::text::{FileText, Highlight};
use crate::domain::text::escape;

/// The most problems shown of one file; the rest is counted.
const PROBLEMS_MAX: usize = 500;

/// A span in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileSpan {
    pub(super) file: usize,
    pub(super) span: SourceSpan,
}

/// A problem without its source lines, which are added by [`finished`].
#[derive(Debug, Clone)]
pub(super) struct Diagnostic {
    code: Code,
    severity: Severity,
    at: FileSpan,
    message: String,
    label: String,
    help: Option<String>,
    context: Vec<(FileSpan, String)>,
}

impl Diagnostic {
    pub(super) fn error(code: Code, at: FileSpan, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            at,
            message: message.into(),
            label: String::new(),
            help: None,
            context: Vec::new(),
        }
    }

    pub(super) fn warning(code: Code, at: FileSpan, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    /// Sets what to do next.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Sets the text beside the primary span.
    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Adds another span that explains the problem.
    pub(super) fn context(mut self, at: FileSpan, label: impl Into<String>) -> Self {
        self.context.push((at, label.into()));
        self
    }
}

/// The files that were read, and the problems found so far.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    files: Vec<FileText>,
    /// The problems of each file, and how many there were.
    diagnostics: Vec<(Vec<Diagnostic>, usize)>,
}

impl Diagnostics {
    /// Adds a file and returns its index.
    pub(super) fn add(&mut self, file: FileText) -> usize {
        self.files.push(file);
        self.diagnostics.push((Vec::new(), 0));
        self.files.len() - 1
    }

    pub(super) fn file(&mut self, index: usize) -> &mut FileText {
        &mut self.files[index]
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        let (diagnostics, count) = &mut self.diagnostics[diagnostic.at.file];
        *count += 1;
        if diagnostics.len() < PROBLEMS_MAX {
            diagnostics.push(diagnostic);
        }
    }

    /// Appends to the help of all problems with this code.
    pub(super) fn help_on(&mut self, code: Code, more: &str) {
        for diagnostic in self
            .diagnostics
            .iter_mut()
            .flat_map(|of_file| &mut of_file.0)
            .filter(|diagnostic| diagnostic.code == code)
        {
            diagnostic.help.get_or_insert_default().push_str(more);
        }
    }

    /// All problems, ordered by file and line, and the files, which later problems refer to.
    pub(super) fn finish(mut self) -> (Vec<FileText>, Vec<Problem>) {
        let mut problems = Vec::new();
        for (index, (mut diagnostics, count)) in
            std::mem::take(&mut self.diagnostics).into_iter().enumerate()
        {
            let shown = diagnostics.len();
            diagnostics.sort_by_key(|diagnostic| {
                (diagnostic.at.span.line, diagnostic.at.span.column, diagnostic.code)
            });
            problems.extend(diagnostics.iter().map(|diagnostic| finished(&self.files, diagnostic)));
            if count > shown {
                let message = format!("{} more problems in this file are not shown", count - shown);
                let path = self.files[index].path();
                problems.push(Problem::of_file(Code::TooManyProblems, path, message));
            }
        }
        (self.files, problems)
    }
}

/// Turns a diagnostic into a problem with its source lines.
pub(super) fn finished(files: &[FileText], diagnostic: &Diagnostic) -> Problem {
    let light = |at: FileSpan, label: &str, role: Role| Highlight {
        span: at.span,
        label: escape(label).into_owned(),
        role,
    };
    let primary = light(diagnostic.at, &diagnostic.label, Role::Primary);
    let mut spots: Vec<(usize, Vec<Highlight>)> = vec![(diagnostic.at.file, vec![primary])];
    for (at, label) in &diagnostic.context {
        let spot = light(*at, label, Role::Context);
        match spots.iter_mut().find(|(file, _)| *file == at.file) {
            Some((_, group)) => group.push(spot),
            None => spots.push((at.file, vec![spot])),
        }
    }
    let excerpts: Vec<Excerpt> =
        spots.iter().flat_map(|(file, spots)| files[*file].excerpts(spots)).collect();
    Problem {
        code: diagnostic.code,
        severity: diagnostic.severity,
        place: files[diagnostic.at.file].place(diagnostic.at.span),
        message: escape(&diagnostic.message).into_owned(),
        help: diagnostic.help.as_ref().map(|help| escape(help).into_owned()),
        excerpts,
    }
}
