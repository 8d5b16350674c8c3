//! Builds the JSON Schema of all kinds of files from the tables.

use serde_json::{Map, Value, json};

use super::keys::{Constraint, KeySpec, Presence, SettingKind, Shape};
use super::patterns::{self, DurationPattern};
use super::reference::FORMS;
use super::tables::{DEFAULTS, FLEET_FILE, POLICY_FILE, POOL, POOL_FILE};
use crate::domain::entity::EntityKind;
use crate::domain::field::{FieldKind, LABEL_MAX, PREFIX_MAX, TEXT_MAX, UNMANAGED};
use crate::domain::name::{GARM_NAME_MAX, POOL_NAME_MAX};

/// The kinds of files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaRoot {
    PoolFile,
    FleetFile,
    PolicyFile,
}

impl SchemaRoot {
    const ALL: [Self; 3] = [Self::PoolFile, Self::FleetFile, Self::PolicyFile];

    /// The definition that describes the file.
    fn definition(self) -> &'static str {
        match self {
            Self::PoolFile => "pool_file",
            Self::FleetFile => "fleet_file",
            Self::PolicyFile => "policy_file",
        }
    }
}

/// One document: `$defs.pool_file`, `$defs.fleet_file`, `$defs.policy_file`, and a root that
/// accepts any of them. It accepts everything that the decoder accepts, and refuses every wrong
/// type, key, pattern and range; checks that need several values together stay with the decoder.
pub fn schema() -> Value {
    let roots = SchemaRoot::ALL.map(|root| json!({ "$ref": local(root.definition()) }));
    json!({
        "$schema": DIALECT,
        "$id": "urn:runnerctl:schema:files",
        "title": "runnerctl: pool files, the fleet file and policy files",
        "oneOf": roots,
        "$defs": definitions(),
    })
}

/// The schema of one kind of file, by the rules of [`schema`]: editors name the wrong key instead
/// of all kinds that the file is not.
pub fn schema_of(root: SchemaRoot) -> Value {
    let mut definitions = definitions();
    let name = root.definition();
    let others = SchemaRoot::ALL.into_iter().filter(|other| *other != root);
    for other in others {
        definitions.remove(other.definition());
    }
    json!({
        "$schema": DIALECT,
        "$id": format!("urn:runnerctl:schema:{}", name.replace('_', "-")),
        "title": format!("runnerctl: {}", definitions[name]["title"].as_str().unwrap_or_default()),
        "$ref": local(name),
        "$defs": definitions,
    })
}

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

fn local(definition: &str) -> String {
    format!("#/$defs/{definition}")
}

fn definitions() -> Map<String, Value> {
    [
        ("pool_file", titled("a pool file", mapping(POOL_FILE, Constraint::None))),
        ("fleet_file", titled("the fleet file", mapping(FLEET_FILE, Constraint::None))),
        ("policy_file", titled("a policy file", mapping(POLICY_FILE, Constraint::None))),
        ("pool", titled("a pool", mapping(&POOL, Constraint::OneEntity))),
        ("defaults", titled("fields for every pool", mapping(&DEFAULTS, Constraint::OneEntity))),
        ("reference", titled("a reference to a secret", reference())),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into_iter()
    .collect()
}

fn titled(title: &str, mut schema: Value) -> Value {
    schema["title"] = json!(title);
    schema
}

fn mapping(entries: &[KeySpec], constraint: Constraint) -> Value {
    let properties: Map<String, Value> =
        entries.iter().map(|entry| (entry.key.to_owned(), property(entry))).collect();
    let required: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.need == Presence::Required)
        .map(|entry| entry.key)
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    for entry in entries {
        if let Presence::RequiredWithout(other) = entry.need {
            let either = [entry.key, other].map(|key| json!({ "required": [key] }));
            schema["anyOf"] = json!(either);
        }
    }
    match constraint {
        Constraint::None => {}
        Constraint::BothOrNeither(one, other) => {
            schema["dependentRequired"] = json!({ one: [other], other: [one] });
        }
        Constraint::ExactlyOne(keys) => {
            let required: Vec<Value> =
                keys.iter().map(|key| json!({ "required": [key] })).collect();
            schema["oneOf"] = json!(required);
        }
        Constraint::PairOrOther(one, other, instead) => {
            let any = json!({ "anyOf": [{ "required": [one] }, { "required": [other] }] });
            schema["oneOf"] = json!([
                { "required": [one, other], "not": { "required": [instead] } },
                { "required": [instead], "not": any },
            ]);
        }
        Constraint::EncryptedGarm => {
            let unencrypted = pattern(&patterns::unencrypted_url());
            schema["if"] = json!({ "properties": { "url": unencrypted }, "required": ["url"] });
            schema["then"] = json!({
                "properties": { "insecure_http": { "const": true } },
                "required": ["insecure_http"],
            });
        }
        Constraint::OneEntity => {
            let [a, b, c] = EntityKind::ALL.map(EntityKind::word);
            let pairs = [[a, b], [a, c], [b, c]].map(|pair| json!({ "required": pair }));
            schema["not"] = json!({ "anyOf": pairs });
        }
    }
    schema
}

fn property(entry: &KeySpec) -> Value {
    let mut schema = shape(&entry.shape);
    schema["description"] = json!(entry.help);
    if let Presence::Default(written) = entry.need {
        schema["default"] = default(&entry.shape, written);
    }
    schema
}

/// A default from the table as a JSON value.
fn default(shape: &Shape, written: &str) -> Value {
    match shape {
        Shape::Field(
            FieldKind::Count { .. } | FieldKind::Flag | FieldKind::FlagOrUnmanaged | FieldKind::Map,
        ) => serde_json::from_str(written).unwrap_or(Value::Null),
        _ => json!(written),
    }
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Field(kind) => field(*kind),
        Shape::Setting(SettingKind::Id) => {
            json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX })
        }
        Shape::Setting(setting @ (SettingKind::Path | SettingKind::Entry)) => {
            let mut text = pattern(&patterns::setting(*setting));
            text["maxLength"] = json!(TEXT_MAX);
            text
        }
        Shape::Setting(setting) => pattern(&patterns::setting(*setting)),
        Shape::Reference => json!({ "$ref": "#/$defs/reference" }),
        Shape::UrlOrReference => {
            json!({ "anyOf": [{ "$ref": "#/$defs/reference" }, pattern(&patterns::webhook())] })
        }
        Shape::List(of, at_least) => {
            json!({ "type": "array", "items": self::shape(of), "minItems": at_least })
        }
        Shape::Mapping(entries, constraint) => mapping(entries, *constraint),
        Shape::Named(of, fixed) => {
            let properties: Map<String, Value> =
                fixed.iter().map(|entry| (entry.key.to_owned(), property(entry))).collect();
            json!({
                "type": "object",
                "properties": properties,
                "propertyNames": bounded_text(TEXT_MAX),
                "additionalProperties": self::shape(of),
            })
        }
        Shape::NamedGarms(of) => json!({
            "type": "object",
            "propertyNames": garm_name(),
            "additionalProperties": self::shape(of),
            "minProperties": 1,
        }),
        Shape::Pool => json!({ "$ref": "#/$defs/pool" }),
        Shape::Defaults => json!({ "$ref": "#/$defs/defaults" }),
    }
}

fn field(kind: FieldKind) -> Value {
    match kind {
        FieldKind::Name => {
            json!({ "type": "string", "pattern": patterns::POOL_NAME, "maxLength": POOL_NAME_MAX })
        }
        FieldKind::GarmName => garm_name(),
        FieldKind::Count { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        FieldKind::Price => json!({ "type": "number", "minimum": 0 }),
        FieldKind::Duration { whole_minutes: true, .. } => {
            pattern(&patterns::duration(DurationPattern::Minutes))
        }
        FieldKind::Duration { min_s: 0, whole_minutes: false } => {
            pattern(&patterns::duration(DurationPattern::Plain))
        }
        FieldKind::Duration { min_s, whole_minutes: false } => {
            pattern(&patterns::duration_of_at_least(min_s))
        }
        FieldKind::DurationOrOff => pattern(&patterns::duration(DurationPattern::OrOff)),
        FieldKind::Text { max } => bounded_text(max),
        FieldKind::TextOrNone { max } => {
            json!({ "type": "string", "pattern": patterns::text_or_none(), "maxLength": max })
        }
        FieldKind::Prefix => bounded_text(PREFIX_MAX),
        FieldKind::Account => pattern(patterns::ACCOUNT),
        FieldKind::Repository => pattern(patterns::REPOSITORY),
        FieldKind::Choice(words) => json!({ "enum": words }),
        FieldKind::Flag => json!({ "type": "boolean" }),
        FieldKind::FlagOrUnmanaged => json!({ "enum": [true, false, UNMANAGED] }),
        FieldKind::Labels => {
            let mut label = pattern(&patterns::entry());
            label["maxLength"] = json!(LABEL_MAX);
            label["not"] = json!({ "pattern": patterns::reserved() });
            json!({ "type": "array", "items": label })
        }
        FieldKind::Map => json!({ "type": ["object", "null"] }),
    }
}

/// Names of GARMs follow the pattern of pool names.
fn garm_name() -> Value {
    json!({ "type": "string", "pattern": patterns::POOL_NAME, "maxLength": GARM_NAME_MAX })
}

fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn bounded_text(max: usize) -> Value {
    json!({ "type": "string", "pattern": patterns::text(), "maxLength": max })
}

fn reference() -> Value {
    let word = json!({ "type": "string", "pattern": r"^[^\u0000]*$" });
    let program = json!({ "type": "string", "pattern": r"^[^\u0000]+$" });
    let list = json!({ "type": "array", "prefixItems": [program], "items": word, "minItems": 1 });
    json!({
        "description": FORMS,
        "anyOf": [
            pattern(&patterns::reference()),
            {
                "type": "object",
                "properties": { "exec": { "anyOf": [pattern(&patterns::command()), list] } },
                "required": ["exec"],
                "additionalProperties": false,
            },
        ],
    })
}
