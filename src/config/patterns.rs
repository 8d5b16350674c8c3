//! The rules for strings as regular expressions, for the JSON Schema. The decoder has them as code;
//! a test compares the two.

use super::keys::SettingKind;
use crate::domain::duration::{DURATION_MAX_S, GARM_BACKOFF_MAX_S};
use crate::domain::label::{GARM_PREFIXES, OWNED_PREFIX, RETIRED_PREFIX};

/// Any character except a control character.
const ANY: &str = r"[^\u0000-\u001f\u007f-\u009f]";

/// Any character except a control character or a space.
const EDGE: &str = r"[^ \u0000-\u001f\u007f-\u009f]";

/// A name, an IPv4 address or an IPv6 address in brackets.
const HOST: &str = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})";

/// Refuses placeholders, which nothing expands.
const NO_PLACEHOLDER: &str = r"(?!.*\$\{)";

/// Text without control characters, placeholders, and spaces at its ends.
pub(super) fn text() -> String {
    format!("^{NO_PLACEHOLDER}{}$", inner_text())
}

/// The same, or an empty string.
pub(super) fn text_or_none() -> String {
    format!("^(?:{NO_PLACEHOLDER}{})?$", inner_text())
}

/// An entry of a list: text without a comma.
pub(super) fn entry() -> String {
    format!("^(?!.*,){NO_PLACEHOLDER}{}$", inner_text())
}

/// A path, which is used unchanged.
fn path() -> String {
    format!("^(?![~$]){NO_PLACEHOLDER}{}$", inner_text())
}

fn inner_text() -> String {
    format!("{EDGE}(?:{ANY}*{EDGE})?")
}

/// A label that only runnerctl or GARM may set.
pub(super) fn reserved() -> String {
    let either = |c: char| match (c.to_ascii_lowercase(), c.to_ascii_uppercase()) {
        (low, up) if low != up => format!("[{up}{low}]"),
        (other, _) => other.to_string(),
    };
    let any_case = |text: &str| text.chars().map(either).collect::<String>();
    let ours = [OWNED_PREFIX, RETIRED_PREFIX];
    let all: Vec<String> = ours.into_iter().chain(GARM_PREFIXES).map(any_case).collect();
    format!("^(?:{})", all.join("|"))
}

pub(super) const POOL_NAME: &str = "^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$";

pub(super) const ACCOUNT: &str = r"^[A-Za-z0-9._-]{1,100}$";

pub(super) const REPOSITORY: &str = r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$";

/// The rule for a duration; see [`super::time::DurationRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DurationPattern {
    /// Up to 30 days.
    Plain,
    /// The same, or the word `off`.
    OrOff,
    /// In whole minutes, at least one.
    Minutes,
    Backoff,
}

/// Durations in which each number is within the limit. The decoder alone refuses a sum over the
/// limit, such as `29d48h`, which a regular expression cannot.
pub(super) fn duration(span: DurationPattern) -> String {
    let max_s = if span == DurationPattern::Backoff { GARM_BACKOFF_MAX_S } else { DURATION_MAX_S };
    let part = |unit: char, seconds: u64| format!("(?:0*{}{unit})?", up_to(max_s / seconds));
    let seconds = match span {
        DurationPattern::Minutes => format!("(?:(?=0*{}s){SIXTIES}s)?", up_to(max_s)),
        DurationPattern::Plain | DurationPattern::OrOff | DurationPattern::Backoff => part('s', 1),
    };
    let ahead = match span {
        DurationPattern::Minutes => "(?=.*[1-9])",
        DurationPattern::Plain | DurationPattern::OrOff | DurationPattern::Backoff => "(?=[0-9])",
    };
    let units =
        format!("{ahead}{}{}{}{seconds}", part('d', 86_400), part('h', 3_600), part('m', 60));
    match span {
        DurationPattern::OrOff => format!("^(?:off|{units})$"),
        DurationPattern::Plain | DurationPattern::Minutes | DurationPattern::Backoff => {
            format!("^{units}$")
        }
    }
}

/// A duration of at least this many seconds, which must be fewer than 60.
pub(super) fn duration_of_at_least(min_s: u64) -> String {
    let plain = duration(DurationPattern::Plain);
    let units = plain.trim_start_matches('^');
    // Only a duration with nothing but seconds can be too short.
    format!("^(?!(?:0+[dhm])*0*{}s$)(?!(?:0+[dhms])+$){units}", up_to(min_s.saturating_sub(1)))
}

/// Multiples of 60: the last digit is 0, and the rest is a multiple of 6, that is, an even number
/// whose sum of digits is divisible by 3.
const SIXTIES: &str = "(?:0+|(?=[0-9]*[02468]0s)\
    (?:[0369]|[147][0369]*[258]|(?:[258]|[147][0369]*[147])\
    (?:[0369]|[258][0369]*[147])*(?:[147]|[258][0369]*[258]))*0)";

/// Decimal numbers from 0 to `max`, without leading zeros.
fn up_to(max: u64) -> String {
    format!("(?:0|{})", from_one_to(max))
}

/// Decimal numbers from 1 to `max`, without leading zeros.
fn from_one_to(max: u64) -> String {
    let digits: Vec<u8> = max.to_string().bytes().map(|digit| digit - b'0').collect();
    let rest = |count: usize| match count {
        0 => String::new(),
        count => format!("[0-9]{{{count}}}"),
    };
    let mut ways: Vec<String> =
        (1..digits.len()).map(|length| format!("[1-9]{}", rest(length - 1))).collect();
    for (at, digit) in digits.iter().enumerate() {
        let least = u8::from(at == 0);
        if *digit > least {
            let before: String = digits[..at].iter().map(ToString::to_string).collect();
            let below = format!("[{least}-{}]", digit - 1);
            ways.push(format!("{before}{below}{}", rest(digits.len() - at - 1)));
        }
    }
    ways.push(max.to_string());
    format!("(?:{})", ways.join("|"))
}

/// The pattern of a setting that is text.
pub(super) fn setting(setting: SettingKind) -> String {
    let port = from_one_to(65_535);
    let tail = r#"(?:/[!"$->A-~]*)?"#;
    match setting {
        SettingKind::FleetName => "^[a-z0-9-]{1,20}$".to_owned(),
        SettingKind::LeaseName => "^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$".to_owned(),
        SettingKind::Entry => entry(),
        SettingKind::Backoff => duration(DurationPattern::Backoff),
        SettingKind::EncryptedUrl => {
            let loopback = loopback();
            format!("^{NO_PLACEHOLDER}(?:https://{HOST}|http://{loopback})(?::{port})?{tail}$")
        }
        SettingKind::Url => format!("^{NO_PLACEHOLDER}https?://{HOST}(?::{port})?{tail}$"),
        SettingKind::Listen => {
            let v4 = format!(r"{0}(?:\.{0}){{3}}", up_to(255));
            format!(r"^(?:{v4}|\[[0-9A-Fa-f:.]+(?:%[0-9]+)?\]):{port}$")
        }
        SettingKind::HostPort => format!("^{HOST}:{port}$"),
        SettingKind::Path => path(),
        SettingKind::Id => text(),
    }
}

/// The hosts that are this machine.
fn loopback() -> String {
    format!(r"(?:localhost|\[::1\]|127(?:\.{}){{3}})", up_to(255))
}

/// Plain HTTP to any other host.
pub(super) fn unencrypted_url() -> String {
    format!("^http://(?!{}(?:[:/]|$))", loopback())
}

/// A URL that may hold a secret after its host.
pub(super) fn webhook() -> String {
    format!("^{NO_PLACEHOLDER}https?://{HOST}(?::{})?(?:[/?#][!-~]*)?$", from_one_to(65_535))
}

/// A reference to a secret, written as text.
pub(super) fn reference() -> String {
    let text = inner_text();
    let part = r"(?!\.{1,2}[/#])[^/?#%\u0000-\u001f\u007f-\u009f]+";
    let path = format!("(?! )(?:{part}/)+{part}(?<! )");
    let file = format!("file:(?![~$]){NO_PLACEHOLDER}{text}");
    let vault = format!("vault:{NO_PLACEHOLDER}{path}#{text}");
    format!("^(?:env:[A-Za-z_][A-Za-z0-9_]*|{file}|{vault}|exec:{})$", words())
}

/// A command line with at least one word.
fn words() -> &'static str {
    r"[ \t\n\f\r]*[^ \t\n\f\r\u0000][^\u0000]*"
}

/// A command line as the whole text.
pub(super) fn command() -> String {
    format!("^{}$", words())
}
