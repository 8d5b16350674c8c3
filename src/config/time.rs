//! Decodes durations such as `1h30m`, and the word `off` where it is accepted.

use std::time::Duration;

use super::diagnostic_code::Code;
use super::invalid_value::{InvalidValue, MessageSubject};
use super::node::{Meaning, Scalar};
use super::value::Value;
use crate::domain::duration::{DURATION_MAX_S, GARM_BACKOFF_MAX_S, format, parse_within};
use crate::domain::text::quote;

/// The rule for a duration.
#[derive(Debug, Clone, Copy)]
pub(super) struct DurationRule {
    pub(super) min_s: u64,
    pub(super) max_s: u64,
    /// Whether it must be in whole minutes.
    pub(super) whole_minutes: bool,
    /// Whether the word `off` is accepted as well.
    pub(super) may_be_off: bool,
}

impl DurationRule {
    pub(super) const PLAIN: Self =
        Self { min_s: 0, max_s: DURATION_MAX_S, whole_minutes: false, may_be_off: false };

    pub(super) const BACKOFF: Self = Self { max_s: GARM_BACKOFF_MAX_S, ..Self::PLAIN };
}

pub(super) fn read(
    scalar: &Scalar<'_>,
    rule: DurationRule,
    subject: MessageSubject<'_>,
) -> Result<Value, InvalidValue> {
    let text = match scalar.meaning() {
        Meaning::Text("off") if rule.may_be_off => return Ok(Value::Off),
        Meaning::Text(text) => text,
        Meaning::Int(digits) => {
            let digits = quote(digits);
            let message = format!("invalid duration `{digits}` for {subject}: the unit is missing");
            let off = if rule.may_be_off { ", or `off`" } else { "" };
            let help = format!("write `{digits}s` for seconds, `{digits}m` for minutes{off}");
            return Err(InvalidValue::new(Code::Duration, message).help(help));
        }
        Meaning::Null | Meaning::Bool(_) | Meaning::Float(_) => {
            let message = format!("invalid duration `{}` for {subject}", quote(&scalar.text));
            return Err(InvalidValue::new(Code::Duration, message).help(EXAMPLE));
        }
    };
    let duration = parse_within(text, rule.max_s).map_err(|error| {
        let message = format!("invalid duration `{}` for {subject}", quote(text));
        InvalidValue::new(Code::Duration, message).help(format!("{error}; {EXAMPLE}"))
    })?;
    fits(duration, rule, subject)
}

const EXAMPLE: &str = "such as `30s`, `10m` or `1h30m`";

fn fits(
    duration: Duration,
    rule: DurationRule,
    subject: MessageSubject<'_>,
) -> Result<Value, InvalidValue> {
    let invalid = |message: String| Err(InvalidValue::new(Code::Duration, message));
    if duration.as_secs() < rule.min_s {
        return invalid(format!(
            "{subject} must be at least {}",
            format(Duration::from_secs(rule.min_s))
        ));
    }
    if rule.whole_minutes && !duration.as_secs().is_multiple_of(60) {
        return invalid(format!("{subject} must be in whole minutes, not `{}`", format(duration)));
    }
    Ok(Value::Duration(duration))
}
