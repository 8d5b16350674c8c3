//! Errors in the YAML itself.

use crate::config::diagnostic_code::Code;
use crate::config::node::{NESTING_MAX, SourceSpan};

#[derive(Debug)]
pub(in crate::config) struct YamlError {
    pub(in crate::config) code: Code,
    pub(in crate::config) span: SourceSpan,
    pub(in crate::config) message: String,
    pub(in crate::config) help: Option<String>,
    /// Another span that explains it.
    pub(in crate::config) context: Option<(SourceSpan, &'static str)>,
}

impl YamlError {
    pub(super) fn new(code: Code, span: SourceSpan, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), help: None, context: None }
    }

    pub(super) fn too_deep(span: SourceSpan) -> Self {
        let message = format!("lists and mappings are nested more than {NESTING_MAX} levels deep");
        Self::new(Code::Nesting, span, message)
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
