//! Masks a secret in a text that may quote it, in any form in which a server or a proxy may have
//! written it: plain, as JSON, as HTML, in a URL, in base64 or in hexadecimal digits.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// The shortest secret that is masked, in bytes. GARM accepts no shorter password, and masking a
/// shorter one would only garble texts.
const HIDDEN_MIN: usize = 6;

/// The text that replaces a secret.
const HIDDEN: &str = "…";

/// The text with every occurrence of the secret masked.
pub fn without<'a>(text: &'a str, secret: &SecretString) -> Cow<'a, str> {
    let secret = secret.expose_secret();
    if secret.len() < HIDDEN_MIN {
        return Cow::Borrowed(text);
    }
    let mut hidden = spelt(text, secret);
    let wanted = secret.as_bytes();
    for skip in 0..3 {
        hidden = encoded(&hidden, &base64_core(wanted, skip), is_base64, LetterCase::Exact);
    }
    let hex: String = wanted.iter().map(|byte| format!("{byte:02x}")).collect();
    hidden = encoded(&hidden, &hex, |digit| digit.is_ascii_hexdigit(), LetterCase::Folded);
    if hidden == text { Cow::Borrowed(text) } else { Cow::Owned(hidden) }
}

/// Removes the secret where each of its characters is plain or escaped in some way.
fn spelt(text: &str, secret: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match matched(rest, secret) {
            Some(length) => {
                out.push_str(HIDDEN);
                rest = &rest[length..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// The length of the longest prefix that spells the secret. A backslash may be literal or start an
/// escape, so all readings are followed in parallel.
fn matched(text: &str, secret: &str) -> Option<usize> {
    let mut ends = BTreeSet::from([0]);
    for c in secret.chars() {
        let next =
            |&at: &usize| one(&text[at..], c).into_iter().flatten().map(move |length| at + length);
        ends = ends.iter().flat_map(next).collect();
        if ends.is_empty() {
            return None;
        }
    }
    ends.last().copied()
}

/// The length of each prefix that spells this character.
fn one(text: &str, c: char) -> Vec<Option<usize>> {
    let plain = text.starts_with(c).then_some(c.len_utf8());
    // JSON within JSON doubles the backslashes.
    let slashes = text.len() - text.trim_start_matches('\\').len();
    let inner = &text[slashes..];
    let escaped = match (slashes, c) {
        (0, _) => None,
        // All of them are one backslash, doubled repeatedly.
        (_, '\\') => json(inner, c).map(|length| slashes + length).or(Some(slashes)),
        (_, _) => json(inner, c).map(|length| slashes + length),
    };
    let mut ways = vec![plain, escaped];
    // Escaped up to three times.
    ways.extend(["", "25", "2525"].map(|more| percent(text, c, more)));
    ways.extend(["", "amp;", "amp;amp;"].map(|more| html(text, c, more)));
    ways
}

/// A JSON escape, after its backslash: the character itself, its letter or its number.
fn json(text: &str, c: char) -> Option<usize> {
    let letter = match c {
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        other => other,
    };
    if text.starts_with(letter) {
        return Some(letter.len_utf8());
    }
    let mut at = 0;
    for (index, unit) in c.encode_utf16(&mut [0; 2]).iter().enumerate() {
        let prefix = if index == 0 { "u" } else { "\\u" };
        let digits = text.get(at..)?.strip_prefix(prefix)?.get(..4)?;
        if u16::from_str_radix(digits, 16) != Ok(*unit) {
            return None;
        }
        at += prefix.len() + 4;
    }
    Some(at)
}

/// `%41`, and `+` for a space. `more` follows a percent sign that is itself encoded: `%2541`.
fn percent(text: &str, c: char, more: &str) -> Option<usize> {
    if c == ' ' && text.starts_with('+') {
        return Some(1);
    }
    let mut at = 0;
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let digits = text.get(at..)?.strip_prefix('%')?.strip_prefix(more)?.get(..2)?;
        if u8::from_str_radix(digits, 16) != Ok(byte) {
            return None;
        }
        at += 1 + more.len() + 2;
    }
    Some(at)
}

/// `&#65;`, `&#x41;`, `&amp;`. `more` follows an ampersand that is itself escaped: `&amp;#65;`.
fn html(text: &str, c: char, more: &str) -> Option<usize> {
    let inner = text.strip_prefix('&')?.strip_prefix(more)?;
    let end = inner.char_indices().take(12).find(|end| end.1 == ';')?.0;
    let name = &inner[..end];
    let number = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            number.ok().and_then(char::from_u32)
        }
    };
    (number == Some(c)).then_some(1 + more.len() + end + 1)
}

/// The characters of the secret's base64 that do not depend on neighbouring bytes, if it starts
/// `skip` bytes into a group of three.
fn base64_core(secret: &[u8], skip: usize) -> String {
    let mut bytes = vec![0; skip];
    bytes.extend_from_slice(secret);
    let text = STANDARD_NO_PAD.encode(&bytes);
    let first = (skip * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    text[first..last].to_owned()
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LetterCase {
    /// Exactly, except that the two base64 alphabets are equal.
    Exact,
    Folded,
}

/// Removes each run of such characters that contains the core.
fn encoded(text: &str, core: &str, is_part: fn(char) -> bool, case: LetterCase) -> String {
    let plain = match case {
        LetterCase::Exact => text.replace('-', "+").replace('_', "/"),
        LetterCase::Folded => text.to_ascii_lowercase(),
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = plain[at..].find(core) {
        let (from, to) = (at + found, at + found + core.len());
        let start = text[at..from].trim_end_matches(is_part).len() + at;
        let end = text.len() - text[to..].trim_start_matches(is_part).len();
        out.push_str(&text[at..start]);
        out.push_str(HIDDEN);
        at = end;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    const SECRET: &str = "p&\"<é>/ä+ canary%'\\x\n7";

    fn check(text: &str, expected: &str) {
        assert_eq!(without(text, &SecretString::from(SECRET)), expected, "{text}");
    }

    #[test]
    fn a_secret_is_removed_in_every_form() {
        check(&format!("you sent {SECRET}."), "you sent ….");
        let json = serde_json::to_string(SECRET).unwrap();
        check(&json, "\"…\"");
        check(&serde_json::to_string(&json).unwrap().replace("\\\"\\\"", "\\\""), "\"\\\"…\\\"\"");
        let all: String = SECRET.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        check(&format!("<{all}>"), "<…>");
        let url: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
        check(&format!("/login?p={url}&x"), "/login?p=…&x");
        check(&url.replace('%', "%25"), "…");
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        check(&format!("a={form}"), "a=…");
        let html: String = SECRET.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        check(&html, "…");
        check(&html.replace('&', "&amp;"), "…");
        let named = SECRET.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        check(&named.replace('"', "&#34;").replace('\'', "&#x27;"), "…");
    }

    #[test]
    fn a_secret_is_removed_from_base64_at_any_offset() {
        for before in ["", "a", "ab", "abc", "admin:"] {
            for after in ["", "x", "xy"] {
                let text = format!("{before}{SECRET}{after}");
                check(&format!("Basic {}.", STANDARD.encode(&text)), "Basic ….");
                check(&format!("Basic {}.", URL_SAFE.encode(&text)), "Basic ….");
            }
        }
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02X}")).collect();
        check(&format!("0x {hex} y"), "0x … y");
    }

    #[test]
    fn other_texts_are_unchanged() {
        for text in ["", "p&", "&#;", "&amp", "%", "%2", "\\", "\\u", "é…", "canary"] {
            check(text, text);
        }
        let short = SecretString::from("short");
        assert_eq!(without("short", &short), "short");
    }
}
