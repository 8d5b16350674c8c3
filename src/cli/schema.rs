//! `schema`: the JSON Schema of the files and of the JSON outputs.

use serde_json::{Value, json};

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
        SchemaKind::Plan => with_garms(plan::schema(), None),
        SchemaKind::Apply => with_garms(outcome::schema(), None),
        SchemaKind::Status => with_garms(status::schema(), None),
        SchemaKind::Validate => with_garms(validate::schema(), Some(validate::online_schema())),
        SchemaKind::Audit => audit::schema(),
        SchemaKind::Explain => document::schema::<ExplainJson>("explain", Some("explain")),
        SchemaKind::Version => document::schema::<VersionJson>("version", Some("version")),
        SchemaKind::Decisions => with_garms(decision::schema(), None),
        SchemaKind::Error => document::schema::<FailureJson<'_>>("error", None),
        SchemaKind::LogLine => log::schema(),
    }
}

/// A schema as the text of a file.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// The schema of a document that has one form for one GARM, and another one for the GARMs in
/// `garms`. There each GARM has the fields of the whole document, or only `fields` beside those of
/// the document; or it has an error.
fn with_garms(mut one: Value, fields: Option<Value>) -> Value {
    let mut several = one.clone();
    let error = bare(document::line_schema::<FailureJson<'_>>("error"));
    let is_extended = fields.is_some();
    let own = fields.map_or_else(|| without_envelope(one.clone()), bare);
    let garms = json!({
        "description": "by name, what each GARM in `garms` of the fleet file has or why it failed; \
                        absent if the file has none",
        "type": "object",
        "additionalProperties": { "anyOf": [own, error] },
    });
    if is_extended {
        one["properties"]["garms"] = garms;
        return one;
    }
    let envelope = |key: &str| several["properties"][key].clone();
    several["properties"] = json!({
        "format_version": envelope("format_version"),
        "command": envelope("command"),
        "garms": garms,
    });
    several["required"] = json!(["garms", "format_version", "command"]);
    let mut document = json!({});
    for key in ["$schema", "$id", "title"] {
        document[key] = one[key].clone();
    }
    document["anyOf"] = json!([bare(one), bare(several)]);
    document
}

/// A schema without the keys of a root.
fn bare(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        for key in ["$schema", "$id", "title"] {
            schema.remove(key);
        }
    }
    schema
}

/// The fields of a document without `format_version` and `command`.
fn without_envelope(schema: Value) -> Value {
    let mut schema = bare(schema);
    let keys = ["format_version", "command"];
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|key, _| !keys.contains(&key.as_str()));
    }
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|key| !keys.iter().any(|own| key == own));
    }
    schema
}
