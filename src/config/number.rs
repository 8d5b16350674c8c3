//! Whole numbers and prices, and why a value that looks like one is invalid.

use super::diagnostic_code::Code;
use super::invalid_value::{InvalidValue, MessageSubject};
use super::node::{Meaning, Scalar};
use super::value::Value;
use crate::domain::price::Price;
use crate::domain::text::quote;

/// Parses a whole number between two bounds, inclusive. It accepts only decimal digits: any other
/// notation means different numbers in YAML 1.1 and YAML 1.2.
pub(super) fn read(
    scalar: &Scalar<'_>,
    bounds: (u64, u64),
    subject: MessageSubject<'_>,
) -> Result<Value, InvalidValue> {
    match scalar.meaning() {
        Meaning::Int(digits) => whole(digits, bounds, subject),
        Meaning::Text(_) | Meaning::Null | Meaning::Bool(_) | Meaning::Float(_) => {
            Err(no_number(scalar, bounds, subject))
        }
    }
}

/// Parses a price.
pub(super) fn price(
    scalar: &Scalar<'_>,
    subject: MessageSubject<'_>,
) -> Result<Value, InvalidValue> {
    let written = match scalar.meaning() {
        Meaning::Int(digits) => match ambiguous(digits, subject) {
            Some(invalid) => return Err(invalid),
            None => digits,
        },
        Meaning::Float(written) => written,
        Meaning::Text(_) | Meaning::Null | Meaning::Bool(_) => {
            return Err(no_price(scalar, subject));
        }
    };
    let number: Option<f64> = written.parse().ok();
    number.and_then(Price::new).map(Value::Price).ok_or_else(|| {
        let message = format!("{subject} is out of range: `{}`", quote(written));
        InvalidValue::new(Code::Range, message).help("a number of at least 0, such as `0.35`")
    })
}

fn no_price(scalar: &Scalar<'_>, subject: MessageSubject<'_>) -> InvalidValue {
    let text = scalar.text.trim();
    let message = format!(
        "{subject} takes a number of at least 0, such as `0.35`, not `{}`",
        scalar.written()
    );
    let invalid = InvalidValue::new(Code::WrongType, message);
    // A decimal comma, a thousands separator or a currency.
    let number = text.replace(',', ".").replace('_', "");
    let number = number.trim_matches(|c: char| !c.is_ascii_digit());
    match number.parse::<f64>().ok().and_then(Price::new) {
        Some(price) => invalid.help(format!("write `{}`", price.per_hour())),
        None => invalid,
    }
}

fn whole(
    digits: &str,
    bounds: (u64, u64),
    subject: MessageSubject<'_>,
) -> Result<Value, InvalidValue> {
    let unsigned = digits.trim_start_matches('+');
    if let Some(invalid) = ambiguous(digits, subject) {
        return Err(invalid);
    }
    // A number of more than 64 bits, or a negative one, is out of any range.
    match unsigned.parse::<u64>() {
        Ok(number) if (bounds.0..=bounds.1).contains(&number) => Ok(Value::Number(number)),
        Ok(_) | Err(_) => {
            let message = format!("{subject} is out of range: `{}`", quote(digits));
            Err(InvalidValue::new(Code::Range, message)
                .help(format!("{} to {}", bounds.0, bounds.1)))
        }
    }
}

/// The error for `017`, `0x1F` and `0o17`, whose meaning depends on the version of YAML.
fn ambiguous(digits: &str, subject: MessageSubject<'_>) -> Option<InvalidValue> {
    let unsigned = digits.trim_start_matches(['+', '-']);
    let written = quote(digits);
    if unsigned.starts_with("0x") || unsigned.starts_with("0o") {
        let radix = if unsigned.starts_with("0x") { 16 } else { 8 };
        let message = format!("{subject} takes decimal digits, not `{written}`");
        let invalid = InvalidValue::new(Code::Notation, message);
        return Some(match u64::from_str_radix(&unsigned[2..], radix) {
            Ok(number) => invalid.help(format!("write `{number}`")),
            Err(_) => invalid,
        });
    }
    let decimal = unsigned.trim_start_matches('0');
    if unsigned.len() < 2 || !unsigned.starts_with('0') {
        return None;
    }
    let decimal = if decimal.is_empty() { "0" } else { decimal };
    let shown = quote(decimal);
    let octal = u64::from_str_radix(decimal, 8).ok().filter(|octal| octal.to_string() != decimal);
    Some(match octal {
        Some(octal) => {
            let message = format!("`{written}` is {shown} in YAML 1.2 and {octal} in YAML 1.1");
            InvalidValue::new(Code::Notation, message)
                .help(format!("write `{shown}`, or `{octal}` if you meant octal"))
        }
        None => {
            InvalidValue::new(Code::Notation, format!("{subject} has a leading zero: `{written}`"))
                .help(format!("write `{shown}`"))
        }
    })
}

fn no_number(scalar: &Scalar<'_>, bounds: (u64, u64), subject: MessageSubject<'_>) -> InvalidValue {
    let text = scalar.text.trim();
    let (least, most, written) = (bounds.0, bounds.1, scalar.written());
    let message = format!("{subject} takes a whole number from {least} to {most}, not `{written}`");
    let invalid = InvalidValue::new(Code::WrongType, message);
    let digits = text.replace(['_', ',', ' '], "");
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !scalar.is_plain && is_digits(text) {
        return invalid.help(format!("remove the quotes: `{}`", quote(text)));
    }
    if digits.len() != text.len() && is_digits(&digits) {
        return InvalidValue { code: Code::Notation, ..invalid }
            .help(format!("write `{}`", quote(&digits)));
    }
    match exact(text) {
        Some(number) => {
            InvalidValue { code: Code::Notation, ..invalid }.help(format!("write `{number}`"))
        }
        None => invalid,
    }
}

/// The whole number that equals a float such as `1e3` or `5.0`, if there is one.
fn exact(text: &str) -> Option<u64> {
    let float: f64 = text.parse().ok()?;
    // Floats represent all whole numbers up to 2^53 exactly, so nothing is lost.
    let is_whole = float.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&float);
    is_whole.then(|| format!("{float:.0}").parse().ok()).flatten()
}
