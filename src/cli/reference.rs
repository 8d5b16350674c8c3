//! `reference`: documents the keys of the files as markdown, generated from the decoder's tables.

use std::time::Duration;

use serde_json::Value;

use super::args::ReferenceFile;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::config;
use crate::domain::field::{Absent, FIELDS, Field, FieldKind, Mutability, PREFIX_MAX, UNMANAGED};
use crate::render::words::span;

/// Prints the reference of one kind of file.
pub fn run(file: ReferenceFile, cx: Context<'_>) -> Result<Exit, Failure> {
    cx.print.raw(&page(file))?;
    Ok(Exit::Done)
}

/// The reference of one kind of file as markdown.
pub fn page(file: ReferenceFile) -> String {
    match file {
        ReferenceFile::Pools => pools(),
        ReferenceFile::Fleet => fleet(),
    }
}

fn pools() -> String {
    let mut page = String::from(HEAD);
    for field in FIELDS {
        page.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            field.key,
            takes(field.kind),
            absent(field.absent),
            field.help,
            change(field),
        ));
    }
    page.push_str(FOOT);
    page
}

const HEAD: &str = "\
# Pool fields

<!-- Made by `.ci/generate` from the table in `src/domain/field.rs`. -->

A pool file holds `pools:`, a list of pools, and nothing else. Every field but `name` and `adopt`
may also stand under `defaults` in the fleet file; a pool that does not say otherwise has it from
there. `validate` needs `name`, `max_runners` and `instance_type`; `plan` needs `provider`, `image`
and one of `organization`, `repository`, `enterprise`, too.

| field | takes | when absent | what it says | a change |
|---|---|---|---|---|
";

const FOOT: &str = "
Durations are whole numbers with s, m, h, d in falling order, at most 30d: `30s`, `1h30m`.

What a change does to a pool that is there:

- **policy**: nothing in GARM; the scaling loop reads it.
- **in place**: the pool is updated; runners that are there stay as they are.
- **in place, outdates**: the pool is updated; idle runners made before still have the old setting
  until a job has used them up, or `apply --rotate` replaces them.
- **replaces**: GARM cannot change it. A new pool is made, the old one is drained and deleted.

Labels are compared as a set, without case. `extra_specs` of a pool merges into that of `defaults`
by top-level key; `null` removes a key. A change of `min_runners` or `min_idle_runners` can raise
the number of idle runners that GARM keeps; `plan` then shows it as `min_idle_runners`.
";

fn takes(kind: FieldKind) -> String {
    match kind {
        FieldKind::Name => "a-z, 0-9 and `-`, at most 28 characters".to_owned(),
        FieldKind::Count { min, max } => format!("whole number, {min} to {max}"),
        FieldKind::Duration { min_s: 0, .. } => "duration".to_owned(),
        FieldKind::Duration { min_s, .. } => {
            format!("duration, at least {}", span(Duration::from_secs(min_s)))
        }
        FieldKind::DurationOrOff => "duration, or `off`".to_owned(),
        FieldKind::Text { max } => format!("text, at most {max} characters"),
        FieldKind::TextOrNone { max } => format!("text, at most {max} characters, or `\"\"`"),
        FieldKind::Prefix => format!("text, at most {PREFIX_MAX} characters"),
        FieldKind::Account => "name of an account".to_owned(),
        FieldKind::Repository => "`owner/name`".to_owned(),
        FieldKind::Choice(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        FieldKind::Flag => "`true`, `false`".to_owned(),
        FieldKind::FlagOrUnmanaged => format!("`true`, `false`, `{UNMANAGED}`"),
        FieldKind::Labels => "list of labels".to_owned(),
        FieldKind::Map => "mapping".to_owned(),
    }
}

fn absent(absent: Absent) -> String {
    match absent {
        Absent::Required => "**required**".to_owned(),
        Absent::NeededForPlan => "needed by `plan`".to_owned(),
        Absent::Default(value) => format!("`{value}`"),
        Absent::Derived(words) => words.to_owned(),
        Absent::LeftAlone => "left as it is in GARM".to_owned(),
        Absent::Nothing => "nothing".to_owned(),
    }
}

fn change(field: &Field) -> &'static str {
    match field.mutability {
        Mutability::Policy => "policy",
        Mutability::Update(_) => "in place",
        Mutability::UpdateAndOutdate(_) => "in place, outdates",
        Mutability::Replace => "replaces",
        Mutability::Identity => "identity",
    }
}

const FLEET_HEAD: &str = "\
# The fleet file

<!-- Made by `.ci/generate` from the tables in `src/config/tables.rs`. -->

`runnerctl.yaml` says where the pools run, and everything that a pull request to a pool file must
not decide. Paths are relative to it. `NAME` stands for a name of your own, `[]` for an entry of a
list. `defaults` takes the fields of [pools](pools.md) but `name` and `adopt`.

A *reference* names a secret, which itself never stands here: `env:NAME`, `file:PATH` (readable by
its owner only), `vault:PATH#FIELD`, or `exec:COMMAND ARGUMENT…` (with `--allow-exec`).

| key | takes | when absent | what it says |
|---|---|---|---|
";

/// The reference of the fleet file, from its JSON Schema.
fn fleet() -> String {
    let schema = config::schema();
    let mut page = String::from(FLEET_HEAD);
    rows(&schema["$defs"]["fleet_file"], "", &mut page);
    page
}

/// Adds one row for each key of a mapping and of the mappings in it.
fn rows(mapping: &Value, above: &str, page: &mut String) {
    let required = |key: &str| {
        mapping["required"]
            .as_array()
            .is_some_and(|keys| keys.iter().any(|key_name| key_name.as_str() == Some(key)))
    };
    for (key, value) in mapping["properties"].as_object().into_iter().flatten() {
        let absent = match &value["default"] {
            Value::Null if required(key) => "**required**".to_owned(),
            Value::Null => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let help = value["description"].as_str().unwrap_or_default();
        let path = format!("{above}{key}");
        page.push_str(&format!("| `{path}` | {} | {absent} | {help} |\n", shape(value)));
        if key != "defaults" {
            rows(value, &format!("{path}."), page);
            rows(&value["items"], &format!("{path}[]."), page);
            rows(&value["additionalProperties"], &format!("{path}.NAME."), page);
        }
    }
}

/// The type of a key, in a word or two.
fn shape(value: &Value) -> String {
    if value["$ref"] == "#/$defs/reference" {
        return "reference".into();
    }
    if let Some(words) = value["enum"].as_array() {
        let words: Vec<String> =
            words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    let word = match value["type"].as_str() {
        None if value["$ref"].is_string() => "mapping",
        Some("array") => "list",
        Some("object") => "mapping",
        Some("integer") => "whole number",
        Some("boolean") => "`true`, `false`",
        Some("string" | _) | None => "text",
    };
    word.into()
}
