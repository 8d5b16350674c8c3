//! `schema`: the JSON Schema of the files.

use serde_json::Value;

use super::args::{SchemaArgs, SchemaKind};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::config::{SchemaRoot, schema, schema_of};

/// Prints the schema, which is the same for every output format.
pub fn run(args: &SchemaArgs, cx: Context<'_>) -> Result<Exit, Failure> {
    let schema = args.kind.map_or_else(schema, of);
    cx.print.raw(&text(&schema))?;
    Ok(Exit::Done)
}

/// The schema of one kind of file.
pub fn of(kind: SchemaKind) -> Value {
    schema_of(match kind {
        SchemaKind::Pool => SchemaRoot::PoolFile,
        SchemaKind::Fleet => SchemaRoot::FleetFile,
        SchemaKind::Policy => SchemaRoot::PolicyFile,
    })
}

/// A schema as it stands in a file.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}
