//! Keys that require or exclude each other.

use super::decode::Decoder;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, FileSpan};
use super::keys::Constraint;
use super::value::Mapping;
use crate::domain::entity::EntityKind;

/// Checks a mapping against its constraint. `at` is where the mapping begins.
pub(super) fn check(d: &mut Decoder<'_>, record: &Mapping, tie: Constraint, at: FileSpan) {
    match tie {
        Constraint::None => {}
        Constraint::BothOrNeither(one, other) => {
            for (here, absent) in [(one, other), (other, one)] {
                if let (Some(at), false) = (record.key_at(here), record.has(absent)) {
                    let message = format!("`{here}` requires `{absent}`");
                    let draft = Diagnostic::error(Code::Together, at, message);
                    d.report(draft.help(format!("add `{absent}`")));
                }
            }
        }
        Constraint::ExactlyOne(one, other) => {
            at_most_one(d, record, &[one, other], Code::Together);
            if !record.has(one) && !record.has(other) {
                let message = format!("either `{one}` or `{other}` is required");
                d.report(Diagnostic::error(Code::Together, at, message));
            }
        }
        Constraint::PairOrOther(one, other, instead) => {
            let present = if record.has(one) { one } else { other };
            match (record.has(present), record.has(instead)) {
                (true, true) => at_most_one(d, record, &[present, instead], Code::Together),
                (true, false) => check(d, record, Constraint::BothOrNeither(one, other), at),
                (false, true) => {}
                (false, false) => {
                    let message =
                        format!("either `{one}` and `{other}`, or `{instead}`, are required");
                    d.report(Diagnostic::error(Code::Together, at, message));
                }
            }
        }
        Constraint::OneEntity => {
            at_most_one(d, record, &EntityKind::ALL.map(EntityKind::word), Code::TwoEntities);
        }
    }
}

/// Reports every key except the first.
fn at_most_one(d: &mut Decoder<'_>, record: &Mapping, keys: &[&'static str], code: Code) {
    let mut found: Vec<(FileSpan, &str)> =
        keys.iter().filter_map(|key| Some((record.key_at(key)?, *key))).collect();
    found.sort_by_key(|it| it.0.span);
    let [(first, one), rest @ ..] = found.as_slice() else { return };
    for (at, other) in rest {
        let message = format!("`{one}` and `{other}` cannot be used together");
        let draft = Diagnostic::error(code, *at, message).context(*first, "conflicts with this");
        d.report(draft.help("remove one of them"));
    }
}
