//! The arguments of `schema`.

use clap::Args;

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Kind of file or output [default: one schema that accepts all files]
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: Option<SchemaKind>,
}

/// The kinds of files and outputs that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaKind {
    /// A pool file
    Pool,
    /// The fleet file
    Fleet,
    /// A policy file
    Policy,
    /// `plan -o json`
    Plan,
    /// `apply -o json`
    Apply,
    /// `status -o json`
    Status,
    /// `validate -o json`
    Validate,
    /// `audit verify -o json`
    Audit,
    /// `explain -o json`
    Explain,
    /// `version -o json`
    Version,
    /// The page `/decisions` of `watch`
    Decisions,
    /// Any command that fails under `-o json`
    Error,
    /// One line of `watch -o json`
    LogLine,
}

impl SchemaKind {
    pub const OUTPUTS: [Self; 10] = [
        Self::Plan,
        Self::Apply,
        Self::Status,
        Self::Validate,
        Self::Audit,
        Self::Explain,
        Self::Version,
        Self::Decisions,
        Self::Error,
        Self::LogLine,
    ];
}
