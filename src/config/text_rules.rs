//! What a text must be like, and how that is said.

use super::decode::Subject;
use super::diagnostic_code::Code;
use super::keys::Setting;
use super::scalar::Misfit;
use super::suggest;
use crate::domain::field::{Kind, LABEL_MAX, PREFIX_MAX, TEXT_MAX, UNMANAGED};
use crate::domain::label::{is_garms, is_reserved};
use crate::domain::name::{FLEET_NAME_MAX, PoolName};
use crate::domain::text::quote;

/// Longest name of an account, and of a repository in it.
pub(super) const ACCOUNT_MAX: usize = 100;

/// What a kind takes, to follow "takes".
pub(super) fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Name => "a name: `a`-`z`, `0`-`9` and `-`".to_owned(),
        Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Duration { .. } => "a duration such as `30s`, `10m` or `1h30m`".to_owned(),
        Kind::DurationOrOff => "a duration such as `30s` or `2m`, or `off`".to_owned(),
        Kind::Text { .. } | Kind::Prefix => "text".to_owned(),
        Kind::TextOrNone { .. } => "text, or `\"\"` for none".to_owned(),
        Kind::Account => "a name such as `acme`".to_owned(),
        Kind::Repository => "a name such as `acme/app`".to_owned(),
        Kind::Choice(words) => format!("one of {}", suggest::listed(words)),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::FlagOrUnmanaged => format!("`true`, `false` or `{UNMANAGED}`"),
        Kind::Labels => "a list of labels".to_owned(),
        Kind::Map => "a mapping".to_owned(),
    }
}

/// What a setting takes, to follow "takes".
pub(super) fn wanted_setting(setting: Setting) -> &'static str {
    match setting {
        Setting::FleetName => "a name: `a`-`z`, `0`-`9` and `-`",
        Setting::Id => "a whole number, 1 or more",
        Setting::Backoff => "a duration such as `5m`",
        Setting::GarmUrl | Setting::Url => "a URL such as `https://garm.example.com`",
        Setting::Listen => "an address such as `127.0.0.1:9477`",
        Setting::HostPort => "a host and a port such as `10.0.0.1:9997`",
        Setting::Path => "a path",
        Setting::Entry => "text",
    }
}

/// Judges a text of a pool field.
pub(super) fn judge(text: &str, kind: Kind, subject: Subject<'_>) -> Result<(), Misfit> {
    match kind {
        Kind::Name => PoolName::new(text).map(drop).map_err(|why| misnamed(why, text)),
        Kind::Text { max } => plain_text(text, max, subject),
        Kind::TextOrNone { .. } if text.is_empty() => Ok(()),
        Kind::TextOrNone { max } => plain_text(text, max, subject),
        Kind::Prefix => prefix(text, subject),
        Kind::Account => account(text, subject),
        Kind::Repository => repository(text, subject),
        Kind::Choice(words) => choice(text, words, subject),
        Kind::Count { .. }
        | Kind::Duration { .. }
        | Kind::DurationOrOff
        | Kind::Flag
        | Kind::FlagOrUnmanaged
        | Kind::Labels
        | Kind::Map => Ok(()),
    }
}

/// Placeholders of workflows and shells: nothing fills them in here. Never quotes the text, which
/// may be a URL with a password.
pub(super) fn no_placeholder(text: &str, subject: Subject<'_>) -> Result<(), Misfit> {
    if !text.contains("${") {
        return Ok(());
    }
    let (what, help) = if text.contains("${{") {
        ("`${{ … }}`, which only workflows fill in", "write the value itself")
    } else {
        ("`${…}`, which nothing fills in", "write the value itself")
    };
    Err(Misfit::new(Code::Placeholder, format!("{subject} has {what}")).help(help))
}

/// A path is taken as it stands: no shell has seen it.
pub(super) fn path(text: &str, subject: Subject<'_>) -> Result<(), Misfit> {
    expanded(text, subject)?;
    plain_text(text, TEXT_MAX, subject)
}

/// Whether a path has what a shell would have replaced.
pub(super) fn expanded(path: &str, subject: Subject<'_>) -> Result<(), Misfit> {
    let Some(begins @ ('~' | '$')) = path.chars().next() else { return Ok(()) };
    let message = format!("{subject} begins with `{begins}`, which is not expanded here");
    let help = format!("write the path out, or `./{begins}…` if a name begins with it");
    Err(Misfit::new(Code::UnexpandedPath, message).help(help))
}

/// An entry of a list of names.
pub(super) fn entry(text: &str, max: usize, subject: Subject<'_>) -> Result<(), Misfit> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    if text.contains(',') {
        let message = format!("{subject} holds a comma: `{}`", quote(text));
        let parts: Vec<String> = parts.iter().map(|it| quote(it)).collect();
        let help = match parts.as_slice() {
            [] => "take it away".to_owned(),
            [one] => format!("write `{one}`"),
            several => format!("an entry each: `{}`", several.join("`, `")),
        };
        return Err(Misfit::new(Code::CommaList, message).help(help));
    }
    plain_text(text, max, subject)
}

/// A label that a person may give a pool.
pub(super) fn label(text: &str, subject: Subject<'_>) -> Result<(), Misfit> {
    let reserved = |help: &str| {
        let message = format!("the label `{}` is reserved", quote(text));
        Err(Misfit::new(Code::ReservedLabel, message).help(help))
    };
    if is_reserved(text) {
        return reserved("labels that begin with `runnerctl=` say whose a pool is; take it away");
    }
    if is_garms(text) {
        return reserved(
            "GARM gives each runner its `runner-controller-id=` and `runner-pool-id=`; take it away",
        );
    }
    entry(text, LABEL_MAX, subject).map_err(|misfit| match misfit.code {
        Code::CommaList => misfit,
        _ => Misfit { code: Code::Label, ..misfit },
    })
}

/// First part of the names of runners.
fn prefix(text: &str, subject: Subject<'_>) -> Result<(), Misfit> {
    let length = text.chars().count();
    if length > PREFIX_MAX {
        let message = format!(
            "{subject} has {length} characters: with the 15 that GARM adds, the names of runners are too long for GitHub"
        );
        let help = format!("GitHub takes names of up to 64: write at most {PREFIX_MAX}");
        return Err(Misfit::new(Code::RunnerPrefix, message).help(help));
    }
    plain_text(text, PREFIX_MAX, subject)
}

/// A name that breaks the rules, with one near it that does not.
pub(super) fn misnamed(why: String, text: &str) -> Misfit {
    let better: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(FLEET_NAME_MAX)
        .collect();
    let better = better.trim_matches('-');
    let misfit = Misfit::new(Code::Name, why);
    if better.is_empty() { misfit } else { misfit.help(format!("such as `{better}`")) }
}

/// Text that is not empty, not too long, has no control characters and no blank at its ends.
pub(super) fn plain_text(text: &str, max: usize, subject: Subject<'_>) -> Result<(), Misfit> {
    let why = if text.is_empty() {
        "is empty".to_owned()
    } else if text.chars().count() > max {
        format!("has more than {max} characters")
    } else if text.chars().any(char::is_control) {
        "has a control character, such as a line break".to_owned()
    } else if text.starts_with(' ') || text.ends_with(' ') {
        "has a blank at an end".to_owned()
    } else {
        return Ok(());
    };
    Err(Misfit::new(Code::Text, format!("{subject} {why}")))
}

fn is_account(text: &str) -> bool {
    (1..=ACCOUNT_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn account(text: &str, subject: Subject<'_>) -> Result<(), Misfit> {
    if is_account(text) {
        return Ok(());
    }
    let message = format!("`{}` is no name of an account at GitHub", quote(text));
    let misfit = Misfit::new(Code::Name, message);
    Err(if text.split('/').count() == 2 {
        misfit.help(format!("write `repository: {}`", quote(text)))
    } else {
        misfit.help(format!("{subject} takes a name such as `acme`"))
    })
}

fn repository(text: &str, subject: Subject<'_>) -> Result<(), Misfit> {
    match text.split_once('/') {
        Some((owner, name)) if is_account(owner) && is_account(name) => Ok(()),
        Some(_) | None => {
            let message = format!("`{}` is no name of a repository at GitHub", quote(text));
            let help = format!("{subject} takes owner and name, such as `acme/app`");
            Err(Misfit::new(Code::Name, message).help(help))
        }
    }
}

fn choice(text: &str, words: &[&str], subject: Subject<'_>) -> Result<(), Misfit> {
    if words.contains(&text) {
        return Ok(());
    }
    let message = format!("{subject} does not take `{}`", quote(text));
    let help = match suggest::near(text, words) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {}", suggest::listed(words)),
    };
    Err(Misfit::new(Code::Choice, message).help(help))
}
