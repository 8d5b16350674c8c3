//! The rules for strings, and the messages about them.

use super::diagnostic_code::Code;
use super::invalid_value::{InvalidValue, MessageSubject};
use super::keys::SettingKind;
use super::suggest;
use crate::domain::field::{FieldKind, LABEL_MAX, PREFIX_MAX, TEXT_MAX, UNMANAGED};
use crate::domain::label::{is_garms, is_reserved};
use crate::domain::name::{FLEET_NAME_MAX, GarmName, PoolName};
use crate::domain::text::quote;

/// The longest name of an account, and of a repository in it.
pub(super) const ACCOUNT_MAX: usize = 100;

/// What a field takes, as a phrase to follow "takes".
pub(super) fn wanted(kind: FieldKind) -> String {
    match kind {
        FieldKind::Name | FieldKind::GarmName => "a name of `a`-`z`, `0`-`9` and `-`".to_owned(),
        FieldKind::Count { min, max } => format!("a whole number from {min} to {max}"),
        FieldKind::Price => "a number of at least 0, such as `0.35`".to_owned(),
        FieldKind::Duration { .. } => "a duration such as `30s`, `10m` or `1h30m`".to_owned(),
        FieldKind::DurationOrOff => "a duration such as `30s` or `2m`, or `off`".to_owned(),
        FieldKind::Text { .. } | FieldKind::Prefix => "text".to_owned(),
        FieldKind::TextOrNone { .. } => "text, or `\"\"` for none".to_owned(),
        FieldKind::Account => "a name such as `acme`".to_owned(),
        FieldKind::Repository => "a name such as `acme/app`".to_owned(),
        FieldKind::Choice(words) => format!("one of {}", suggest::listed(words)),
        FieldKind::Flag => "`true` or `false`".to_owned(),
        FieldKind::FlagOrUnmanaged => format!("`true`, `false` or `{UNMANAGED}`"),
        FieldKind::Labels => "a list of labels".to_owned(),
        FieldKind::Map => "a mapping".to_owned(),
    }
}

/// What a setting takes, as a phrase to follow "takes".
pub(super) fn wanted_setting(setting: SettingKind) -> &'static str {
    match setting {
        SettingKind::FleetName => "a name of `a`-`z`, `0`-`9` and `-`",
        SettingKind::LeaseName => "a name such as `runnerctl-acme`",
        SettingKind::Id => "a whole number, 1 or more",
        SettingKind::Backoff => "a duration such as `5m`",
        SettingKind::EncryptedUrl | SettingKind::Url => "a URL such as `https://garm.example.com`",
        SettingKind::Listen => "an address such as `127.0.0.1:9477`",
        SettingKind::HostPort => "a host and a port such as `10.0.0.1:9997`",
        SettingKind::Path => "a path",
        SettingKind::Entry => "text",
    }
}

/// Checks the text of a pool field.
pub(super) fn judge(
    text: &str,
    kind: FieldKind,
    subject: MessageSubject<'_>,
) -> Result<(), InvalidValue> {
    match kind {
        FieldKind::Name => PoolName::new(text).map(drop).map_err(|why| misnamed(why, text)),
        FieldKind::GarmName => GarmName::new(text).map(drop).map_err(|why| misnamed(why, text)),
        FieldKind::Text { max } => plain_text(text, max, subject),
        FieldKind::TextOrNone { .. } if text.is_empty() => Ok(()),
        FieldKind::TextOrNone { max } => plain_text(text, max, subject),
        FieldKind::Prefix => prefix(text, subject),
        FieldKind::Account => account(text, subject),
        FieldKind::Repository => repository(text, subject),
        FieldKind::Choice(words) => choice(text, words, subject),
        FieldKind::Count { .. }
        | FieldKind::Price
        | FieldKind::Duration { .. }
        | FieldKind::DurationOrOff
        | FieldKind::Flag
        | FieldKind::FlagOrUnmanaged
        | FieldKind::Labels
        | FieldKind::Map => Ok(()),
    }
}

/// Refuses placeholders of workflows and shells, which nothing expands here. Never quotes the text,
/// which may be a URL with a password.
pub(super) fn no_placeholder(text: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    if !text.contains("${") {
        return Ok(());
    }
    let (what, help) = if text.contains("${{") {
        ("`${{ … }}`, which only workflows expand", "write the value itself")
    } else {
        ("`${…}`, which is not expanded", "write the value itself")
    };
    Err(InvalidValue::new(Code::Placeholder, format!("{subject} contains {what}")).help(help))
}

/// Checks a path, which is used unchanged: no shell expands it.
pub(super) fn path(text: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    expanded(text, subject)?;
    plain_text(text, TEXT_MAX, subject)
}

/// Refuses a path with a prefix that a shell would have expanded.
pub(super) fn expanded(path: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    let Some(begins @ ('~' | '$')) = path.chars().next() else { return Ok(()) };
    let message = format!("{subject} begins with `{begins}`, which is not expanded");
    let help = format!("write the full path, or `./{begins}…` if the name really begins with it");
    Err(InvalidValue::new(Code::UnexpandedPath, message).help(help))
}

/// The longest name of a lease, in characters.
pub(super) const LEASE_NAME_MAX: usize = 63;

/// Checks the name of a lease or a namespace.
pub(super) fn lease_name(text: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (1..=LEASE_NAME_MAX).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if fits {
        return Ok(());
    }
    let message = format!("{subject} does not take `{}`", quote(text));
    let help = format!(
        "use at most {LEASE_NAME_MAX} of `a`-`z`, `0`-`9` and `-`, such as `runnerctl-acme`"
    );
    Err(InvalidValue::new(Code::Name, message).help(help))
}

/// Checks an entry of a list of names.
pub(super) fn entry(
    text: &str,
    max: usize,
    subject: MessageSubject<'_>,
) -> Result<(), InvalidValue> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if text.contains(',') {
        let message = format!("{subject} contains a comma: `{}`", quote(text));
        let parts: Vec<String> = parts.iter().map(|part| quote(part)).collect();
        let help = match parts.as_slice() {
            [] => "remove it".to_owned(),
            [one] => format!("write `{one}`"),
            several => format!("write separate entries: `{}`", several.join("`, `")),
        };
        return Err(InvalidValue::new(Code::CommaList, message).help(help));
    }
    plain_text(text, max, subject)
}

/// Checks a label that a user may give to a pool.
pub(super) fn label(text: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    let reserved = |help: &str| {
        let message = format!("the label `{}` is reserved", quote(text));
        Err(InvalidValue::new(Code::ReservedLabel, message).help(help))
    };
    if is_reserved(text) {
        return reserved("labels that begin with `runnerctl=` mark the owner of a pool; remove it");
    }
    if is_garms(text) {
        return reserved(
            "GARM adds `runner-controller-id=` and `runner-pool-id=` to each runner; remove it",
        );
    }
    entry(text, LABEL_MAX, subject).map_err(|invalid| match invalid.code {
        Code::CommaList => invalid,
        _ => InvalidValue { code: Code::Label, ..invalid },
    })
}

/// Checks a prefix of runner names.
fn prefix(text: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    let length = text.chars().count();
    if length > PREFIX_MAX {
        let message = format!(
            "{subject} has {length} characters: with the 15 that GARM appends, runner names are too long for GitHub"
        );
        let help = format!("GitHub accepts names of up to 64 characters: use at most {PREFIX_MAX}");
        return Err(InvalidValue::new(Code::RunnerPrefix, message).help(help));
    }
    plain_text(text, PREFIX_MAX, subject)
}

/// The error for an invalid name, with a similar valid one.
pub(super) fn misnamed(why: String, text: &str) -> InvalidValue {
    let better: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(FLEET_NAME_MAX)
        .collect();
    let better = better.trim_matches('-');
    let invalid = InvalidValue::new(Code::Name, why);
    if better.is_empty() { invalid } else { invalid.help(format!("such as `{better}`")) }
}

/// Checks text: it must not be empty, too long, have control characters or begin or end with a
/// space.
pub(super) fn plain_text(
    text: &str,
    max: usize,
    subject: MessageSubject<'_>,
) -> Result<(), InvalidValue> {
    let why = if text.is_empty() {
        "is empty".to_owned()
    } else if text.chars().count() > max {
        format!("has more than {max} characters")
    } else if text.chars().any(char::is_control) {
        "contains a control character, such as a line break".to_owned()
    } else if text.starts_with(' ') || text.ends_with(' ') {
        "begins or ends with a space".to_owned()
    } else {
        return Ok(());
    };
    Err(InvalidValue::new(Code::Text, format!("{subject} {why}")))
}

fn is_account(text: &str) -> bool {
    (1..=ACCOUNT_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn account(text: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    if is_account(text) {
        return Ok(());
    }
    let message = format!("`{}` is not a valid GitHub account name", quote(text));
    let invalid = InvalidValue::new(Code::Name, message);
    Err(if text.split('/').count() == 2 {
        invalid.help(format!("write `repository: {}`", quote(text)))
    } else {
        invalid.help(format!("{subject} takes a name such as `acme`"))
    })
}

fn repository(text: &str, subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    match text.split_once('/') {
        Some((owner, name)) if is_account(owner) && is_account(name) => Ok(()),
        Some(_) | None => {
            let message = format!("`{}` is not a valid GitHub repository name", quote(text));
            let help = format!("{subject} takes the owner and the name, such as `acme/app`");
            Err(InvalidValue::new(Code::Name, message).help(help))
        }
    }
}

fn choice(text: &str, words: &[&str], subject: MessageSubject<'_>) -> Result<(), InvalidValue> {
    if words.contains(&text) {
        return Ok(());
    }
    let message = format!("{subject} does not take `{}`", quote(text));
    let help = match suggest::near(text, words) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", suggest::listed(words)),
    };
    Err(InvalidValue::new(Code::Choice, message).help(help))
}
