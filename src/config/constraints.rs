//! Keys that require or exclude each other.

use super::address;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::keys::Constraint;
use super::value::{Mapping, Value};
use crate::domain::entity::EntityKind;

/// Checks a mapping against its constraint. `at` is where the mapping begins.
pub(super) fn check(
    diagnostics: &mut Diagnostics,
    mapping: &Mapping,
    constraint: Constraint,
    at: FileSpan,
) {
    match constraint {
        Constraint::None => {}
        Constraint::BothOrNeither(one, other) => {
            for (here, absent) in [(one, other), (other, one)] {
                if let (Some(at), false) = (mapping.key_at(here), mapping.has(absent)) {
                    let message = format!("`{here}` requires `{absent}`");
                    let diagnostic = Diagnostic::error(Code::Together, at, message);
                    diagnostics.report(diagnostic.help(format!("add `{absent}`")));
                }
            }
        }
        Constraint::ExactlyOne(keys) => {
            at_most_one(diagnostics, mapping, keys, Code::Together);
            if !keys.iter().any(|key| mapping.has(key)) {
                let names: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                let message = match names.as_slice() {
                    [one, other] => format!("either {one} or {other} is required"),
                    _ => format!("one of {} is required", names.join(", ")),
                };
                diagnostics.report(Diagnostic::error(Code::Together, at, message));
            }
        }
        Constraint::PairOrOther(one, other, instead) => {
            let present = if mapping.has(one) { one } else { other };
            match (mapping.has(present), mapping.has(instead)) {
                (true, true) => {
                    at_most_one(diagnostics, mapping, &[present, instead], Code::Together);
                }
                (true, false) => {
                    check(diagnostics, mapping, Constraint::BothOrNeither(one, other), at);
                }
                (false, true) => {}
                (false, false) => {
                    let message =
                        format!("either `{one}` and `{other}`, or `{instead}`, are required");
                    diagnostics.report(Diagnostic::error(Code::Together, at, message));
                }
            }
        }
        Constraint::EncryptedGarm => {
            // An invalid `insecure_http` has been reported.
            let is_allowed = mapping
                .value("insecure_http")
                .is_some_and(|value| matches!(value, Value::Flag(true) | Value::Broken));
            if let Some(url) = mapping.get("url").filter(|_| !is_allowed)
                && let Err(invalid) = address::encrypted(url.text().unwrap_or_default())
            {
                diagnostics.report(invalid.error_at(url.at));
            }
        }
        Constraint::OneEntity => {
            at_most_one(
                diagnostics,
                mapping,
                &EntityKind::ALL.map(EntityKind::word),
                Code::TwoEntities,
            );
        }
    }
}

/// Reports all of these keys that are present, except the first.
fn at_most_one(
    diagnostics: &mut Diagnostics,
    mapping: &Mapping,
    keys: &[&'static str],
    code: Code,
) {
    let mut found: Vec<(FileSpan, &str)> =
        keys.iter().filter_map(|key| Some((mapping.key_at(key)?, *key))).collect();
    found.sort_by_key(|found| found.0.span);
    let [(first, one), rest @ ..] = found.as_slice() else { return };
    for (at, other) in rest {
        let message = format!("`{one}` and `{other}` cannot be used together");
        let diagnostic =
            Diagnostic::error(code, *at, message).context(*first, "conflicts with this");
        diagnostics.report(diagnostic.help("remove one of them"));
    }
}
