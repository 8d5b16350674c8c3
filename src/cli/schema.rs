//! `schema`: the JSON Schema of the files and of the JSON outputs.

use serde_json::Value;

use super::args::{SchemaArgs, SchemaKind};
use super::context::Context;
use super::exit::Exit;
use super::explain::ExplainJson;
use super::failure::{Failure, FailureJson};
use super::log;
use super::version::VersionJson;
use crate::config::{SchemaRoot, schema, schema_of};
use crate::render::{audit, decision, document, outcome, plan, status, validate};

/// Prints the schema, which is the same for every output format.
pub fn run(args: &SchemaArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let schema = args.kind.map_or_else(schema, of);
    cx.print.raw(&text(&schema))?;
    Ok(Exit::Done)
}

/// The schema of one kind of file or output.
pub fn of(kind: SchemaKind) -> Value {
    match kind {
        SchemaKind::Pool => schema_of(SchemaRoot::PoolFile),
        SchemaKind::Fleet => schema_of(SchemaRoot::FleetFile),
        SchemaKind::Policy => schema_of(SchemaRoot::PolicyFile),
        SchemaKind::Plan => plan::schema(),
        SchemaKind::Apply => outcome::schema(),
        SchemaKind::Status => status::schema(),
        SchemaKind::Validate => validate::schema(),
        SchemaKind::Audit => audit::schema(),
        SchemaKind::Explain => document::schema::<ExplainJson>("explain", Some("explain")),
        SchemaKind::Version => document::schema::<VersionJson>("version", Some("version")),
        SchemaKind::Decisions => decision::schema(),
        SchemaKind::Error => document::schema::<FailureJson<'_>>("error", None),
        SchemaKind::LogLine => log::schema(),
    }
}

/// A schema as the text of a file.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
