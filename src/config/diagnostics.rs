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
    drafts: Vec<(Vec<Diagnostic>, usize)>,
}

impl Diagnostics {
    /// Adds a file and returns its index.
    pub(super) fn add(&mut self, file: FileText) -> usize {
        self.files.push(file);
        self.drafts.push((Vec::new(), 0));
        self.files.len() - 1
    }

    pub(super) fn file(&mut self, index: usize) -> &mut FileText {
        &mut self.files[index]
    }

    pub(super) fn report(&mut self, draft: Diagnostic) {
        let (drafts, count) = &mut self.drafts[draft.at.file];
        *count += 1;
        if drafts.len() < PROBLEMS_MAX {
            drafts.push(draft);
        }
    }

    /// Appends to the help of all problems with this code.
    pub(super) fn help_on(&mut self, code: Code, more: &str) {
        for draft in self.drafts.iter_mut().flat_map(|it| &mut it.0).filter(|it| it.code == code) {
            draft.help.get_or_insert_default().push_str(more);
        }
    }

    /// All problems, ordered by file and line, and the files for later ones.
    pub(super) fn finish(mut self) -> (Vec<FileText>, Vec<Problem>) {
        let mut problems = Vec::new();
        for (index, (mut drafts, count)) in std::mem::take(&mut self.drafts).into_iter().enumerate()
        {
            let shown = drafts.len();
            drafts.sort_by_key(|it| (it.at.span.line, it.at.span.column, it.code));
            problems.extend(drafts.iter().map(|it| finished(&self.files, it)));
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
pub(super) fn finished(files: &[FileText], draft: &Diagnostic) -> Problem {
    let light = |at: FileSpan, label: &str, role: Role| Highlight {
        span: at.span,
        label: escape(label).into_owned(),
        role,
    };
    let primary = light(draft.at, &draft.label, Role::Primary);
    let mut spots: Vec<(usize, Vec<Highlight>)> = vec![(draft.at.file, vec![primary])];
    for (at, label) in &draft.context {
        let spot = light(*at, label, Role::Context);
        match spots.iter_mut().find(|(file, _)| *file == at.file) {
            Some((_, group)) => group.push(spot),
            None => spots.push((at.file, vec![spot])),
        }
    }
    let excerpts: Vec<Excerpt> =
        spots.iter().flat_map(|(file, spots)| files[*file].excerpts(spots)).collect();
    Problem {
        code: draft.code,
        severity: draft.severity,
        place: files[draft.at.file].place(draft.at.span),
        message: escape(&draft.message).into_owned(),
        help: draft.help.as_ref().map(|it| escape(it).into_owned()),
        excerpts,
    }
}
