//! Reports the problems of one file, and says which of its values may be shown with them.

use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::invalid_value::{InvalidValue, MessageSubject};
use super::node::{Node, NodeKind, Scalar, SourceSpan};
use super::value::Value;

pub(super) struct FileReporter<'d> {
    pub(super) diagnostics: &'d mut Diagnostics,
    /// The index of the file in `diagnostics`.
    pub(super) file: usize,
}

impl FileReporter<'_> {
    pub(super) fn at(&self, span: SourceSpan) -> FileSpan {
        FileSpan { file: self.file, span }
    }

    /// Marks a scalar as safe to show.
    pub(super) fn show(&mut self, scalar: &Scalar<'_>) {
        self.diagnostics.file(self.file).show(scalar.token);
    }

    /// Hides a value and everything in it, including keys.
    pub(super) fn hide(&mut self, node: &Node<'_>) {
        self.diagnostics.file(self.file).hide(node.span.start, node.end());
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.report(diagnostic);
    }

    /// Reports a value of the wrong type. Never quotes the value.
    pub(super) fn wrong_type(
        &mut self,
        node: &Node<'_>,
        subject: MessageSubject<'_>,
        wanted: &str,
    ) {
        let at = self.at(node.span);
        let diagnostic = if node.is_null() {
            if let NodeKind::Scalar(scalar) = &node.value().kind {
                self.show(scalar);
            }
            Diagnostic::error(Code::WrongType, at, format!("{subject} has no value"))
                .help(format!("{subject} takes {wanted}"))
        } else {
            let message = format!("{subject} takes {wanted}, not {}", node.word());
            Diagnostic::error(Code::WrongType, at, message)
        };
        self.report(diagnostic);
    }

    /// Reports an invalid value where it is used, and where an alias takes it from.
    pub(super) fn refuse(&mut self, node: &Node<'_>, invalid: InvalidValue) -> Value {
        let mut error = invalid.error_at(self.at(node.span));
        if node.value().span != node.span {
            error = error.context(self.at(node.value().span), "the value comes from here");
        }
        self.report(error);
        Value::Broken
    }
}
