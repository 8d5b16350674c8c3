//! `reference`: the keys of the files as Markdown, from the tables that the decoder reads.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::args::ReferenceFile;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::config;
use crate::domain::field::{Absent, FIELDS, Field, FieldKind, Mutability, PREFIX_MAX, UNMANAGED};
use crate::domain::name::POOL_NAME_MAX;
use crate::domain::text;
use crate::render::words::span;

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

/// The first word of `when_absent` of a key that must be set; bold on the pages.
const REQUIRED: &str = "required";

/// A key of a file. Its texts are plain, with code in backticks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeyReference {
    /// From the root of the fleet file, such as `watch.listen`; of a pool, the field's name.
    pub path: String,
    pub takes: String,
    /// What holds if the key is absent; may be empty.
    pub when_absent: String,
    pub help: String,
    /// What changing it does to a pool; empty for keys of the fleet file.
    pub change: &'static str,
}

/// Every field of a pool.
pub fn pool_keys() -> Vec<KeyReference> {
    let key = |field: &Field| KeyReference {
        path: field.key.to_owned(),
        takes: takes(field.kind),
        when_absent: absent(field.absent),
        help: field.help.to_owned(),
        change: change(field),
    };
    FIELDS.iter().map(key).collect()
}

fn pools() -> String {
    let mut page = pools_head();
    for KeyReference { path, takes, when_absent, help, change } in pool_keys() {
        let when_absent = emphasized(&when_absent);
        page.push_str(&format!("| `{path}` | {takes} | {when_absent} | {help} | {change} |\n"));
    }
    page.push_str(FOOT);
    page
}

const FOOT: &str = "
A duration consists of whole numbers with the units `d`, `h`, `m` and `s`, largest first, and is at
most 30d: `30s`, `1h30m`.

The effect of a change on an existing pool:

- **policy**: GARM does not store the field; `watch` uses it. `plan --policy-since REV` shows what has
  changed since a git revision. Other plans do not: nothing remembers the policy of the last apply.
- **in place**: the pool is updated; existing runners stay unchanged.
- **in place, outdates**: the pool is updated; existing idle runners keep the old setting until they
  have run a job, or `apply --rotate` replaces them.
- **replaces**: GARM cannot change the field. runnerctl creates a new pool, then drains and deletes
  the old one.
- **identity**: the field says which pool is meant.

Labels are compared as a set, ignoring case. The `extra_specs` of a pool are merged into those of
`defaults` by top-level key; `null` removes a key. A change of `min_runners` or `min_idle_runners`
can raise the number of runners that GARM keeps idle; `plan` shows it as `min_idle_runners`.
";

fn pools_head() -> String {
    let own = keys(|field| !field.in_defaults);
    let required = keys(|field| field.absent == Absent::Required);
    format!(
        "\
# Pool fields

<!-- Made by `.ci/generate` from the table in `src/domain/field.rs`. -->

A pool file contains only `pools:`, a list of pools. `defaults` in the fleet file may set every field
except {own}, for the pools that do not set it themselves. `validate` requires
{required}; `plan` also requires `provider`, `image` and one of
`organization`, `repository` and `enterprise`.

| field | value | if absent | meaning | effect of a change |
|---|---|---|---|---|
"
    )
}

/// The keys of the fields for which `is_meant` holds, as a phrase.
fn keys(is_meant: fn(&Field) -> bool) -> String {
    let fields = FIELDS.iter().filter(|field| is_meant(field));
    text::list(fields.map(|field| format!("`{}`", field.key)), usize::MAX)
}

fn takes(kind: FieldKind) -> String {
    match kind {
        FieldKind::Name => format!("`a`-`z`, `0`-`9` and `-`, at most {POOL_NAME_MAX} characters"),
        FieldKind::GarmName => "name of a GARM".to_owned(),
        FieldKind::Count { min, max } => format!("whole number, {min} to {max}"),
        FieldKind::Price => "number, at least 0".to_owned(),
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
        Absent::Required => REQUIRED.to_owned(),
        Absent::NeededForPlan => format!("{REQUIRED} by `plan`"),
        Absent::Default(value) => format!("`{value}`"),
        Absent::Derived(words) => words.to_owned(),
        Absent::LeftAlone => "unchanged in GARM".to_owned(),
        Absent::Nothing => "none".to_owned(),
    }
}

/// `when_absent` in Markdown.
fn emphasized(when_absent: &str) -> String {
    when_absent
        .strip_prefix(REQUIRED)
        .map_or_else(|| when_absent.to_owned(), |rest| format!("**{REQUIRED}**{rest}"))
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

`runnerctl.yaml` says where the pools run, and sets everything that a pull request to a pool file must
not decide. Paths are relative to it. In a key, `NAME` stands for a name of your choice and `[]` for
an entry of a list. `defaults` takes the [fields of a pool](pools.md), except those that only a pool
can set.

A *reference* says where to get a secret; the secret itself never appears in the file. It is
`env:NAME`, `file:PATH` (readable by its owner only), `vault:PATH#FIELD`, or
`exec:COMMAND ARGUMENT…` (with `--allow-exec`).

| key | value | if absent | meaning |
|---|---|---|---|
";

fn fleet() -> String {
    let mut page = String::from(FLEET_HEAD);
    for KeyReference { path, takes, when_absent, help, .. } in fleet_keys() {
        let when_absent = emphasized(&when_absent);
        page.push_str(&format!("| `{path}` | {takes} | {when_absent} | {help} |\n"));
    }
    page
}

/// Every key of the fleet file, from its JSON Schema; `defaults` without the keys below it.
pub fn fleet_keys() -> Vec<KeyReference> {
    let mut keys = Vec::new();
    add_keys(&config::schema()["$defs"]["fleet_file"], "", &mut keys);
    keys
}

/// Adds each key of a mapping, and those below it.
fn add_keys(mapping: &Value, above: &str, keys: &mut Vec<KeyReference>) {
    let required = |key: &str| {
        mapping["required"]
            .as_array()
            .is_some_and(|keys| keys.iter().any(|required| required.as_str() == Some(key)))
    };
    for (key, value) in mapping["properties"].as_object().into_iter().flatten() {
        let when_absent = match &value["default"] {
            Value::Null if required(key) => REQUIRED.to_owned(),
            Value::Null if above.is_empty() && key == "garm" => {
                format!("{REQUIRED} without `garms`")
            }
            Value::Null => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let help = value["description"].as_str().unwrap_or_default().to_owned();
        let path = format!("{above}{key}");
        let takes = shape(value);
        keys.push(KeyReference { path: path.clone(), takes, when_absent, help, change: "" });
        if key != "defaults" {
            add_keys(value, &format!("{path}."), keys);
            add_keys(&value["items"], &format!("{path}[]."), keys);
            add_keys(&value["additionalProperties"], &format!("{path}.NAME."), keys);
        }
    }
}

/// The type of a value, in a word or two.
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
