//! Converts output types to JSON, and to the JSON Schemas that are published for them.

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect("documents hold texts, numbers and lists, which are JSON")
}

/// The schema of a document with `format_version`, `command` and the fields of `T`. The value of
/// `command` must be the given one; any string if `None`.
pub fn schema<T: JsonSchema>(name: &str, command: Option<&str>) -> Value {
    let mut schema = line_schema::<T>(name);
    let command =
        command.map_or(json!({ "type": "string" }), |command| json!({ "const": command }));
    schema["properties"]["format_version"] = json!({ "const": "1" });
    schema["properties"]["command"] = command;
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|key| key != "format_version" && key != "command");
        required.extend(["format_version".into(), "command".into()]);
    }
    schema
}

/// The schema of the output `name`, which has exactly the fields of `T`.
pub fn line_schema<T: JsonSchema>(name: &str) -> Value {
    // Subschemas are inlined, because the names of our types are not part of the interface.
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(close);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("description");
    schema.insert("$id".into(), format!("urn:runnerctl:schema:output:{name}").into());
    schema.insert("title".into(), format!("runnerctl: the JSON output `{name}`").into());
    schema.to_value()
}

/// Forbids unknown keys in an object. If an object is composed of alternatives, only the
/// composition forbids them, because each alternative would refuse the keys of the others.
fn close(schema: &mut Schema) {
    transform_subschemas(&mut close, schema);
    let Some(map) = schema.as_object_mut() else { return };
    if !map.contains_key("properties") || map.contains_key("additionalProperties") {
        return;
    }
    let is_composed = open_alternatives(map);
    let rule = if is_composed { "unevaluatedProperties" } else { "additionalProperties" };
    map.insert(rule.into(), false.into());
}

/// Lets the alternatives of a schema accept unknown keys, at any depth. Returns whether there are
/// any.
fn open_alternatives(map: &mut Map<String, Value>) -> bool {
    let mut is_composed = false;
    for word in ["anyOf", "oneOf", "allOf"] {
        let Some(Value::Array(parts)) = map.get_mut(word) else { continue };
        is_composed = true;
        for part in parts.iter_mut().filter_map(Value::as_object_mut) {
            for rule in ["additionalProperties", "unevaluatedProperties"] {
                if part.get(rule) == Some(&Value::Bool(false)) {
                    part.remove(rule);
                }
            }
            open_alternatives(part);
        }
    }
    is_composed
}

/// Asserts that a document with these fields is valid.
#[cfg(test)]
#[track_caller]
pub(super) fn check(schema: &Value, fields: &Value) {
    let mut document = fields.clone();
    document["format_version"] = "1".into();
    document["command"] = schema["properties"]["command"]["const"].clone();
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Sample {
        name: &'static str,
        part: Option<Part>,
        #[serde(flatten)]
        form: SampleForm,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Part {
        size: u32,
    }

    #[derive(JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum SampleForm {
        Long { long: bool },
        Short { short: Part },
    }

    #[test]
    fn a_schema_accepts_the_keys_of_its_type_and_no_others() {
        let schema = schema::<Sample>("whole", Some("plan"));
        let accepts = |fields: &str| {
            let text = format!(r#"{{"format_version": "1", "command": "plan", {fields}}}"#);
            jsonschema::is_valid(&schema, &serde_json::from_str(&text).unwrap())
        };
        assert!(accepts(r#""name": "a", "part": null, "long": true"#));
        assert!(accepts(r#""name": "a", "part": {"size": 1}, "short": {"size": 2}"#));
        assert!(!accepts(r#""name": "a", "long": true"#));
        assert!(!accepts(r#""name": "a", "part": null"#));
        assert!(!accepts(r#""name": "a", "part": null, "long": true, "other": 1"#));
        assert!(!accepts(r#""name": "a", "part": {"size": 1, "other": 1}, "long": true"#));
        assert!(!accepts(r#""name": "a", "part": null, "short": {"size": 2, "other": 1}"#));
        assert!(!accepts(r#""name": "a", "part": null, "long": true, "command": "apply""#));
    }
}
