//! What an answer that is no success means: GARM's own refusals, and the pages of what stands
//! before it.

use serde::Deserialize;

use super::error::Kind;
use super::transport::Response;

/// What the request was, as far as the meaning of a 401 depends on it (GARM.md §0.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A login.
    Login,
    /// Anything else.
    Other,
}

/// A refusal, read. The text may quote the answer: it is to be bounded and escaped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    pub(super) got: String,
}

impl Refusal {
    /// The same without a word of the answer that is not one of those known here.
    pub(super) fn own_words(&self) -> String {
        let status = self.got.split(' ').next().unwrap_or_default();
        let known = KNOWN.iter().find(|it| {
            let rest = self.got.strip_prefix(status).unwrap_or_default();
            rest.contains(**it)
        });
        match known {
            Some(words) => format!("{status} {words}"),
            None => format!("{status} with an answer that is not shown"),
        }
    }
}

/// What GARM and the fronts before it say when they refuse a login, the longer before the shorter.
const KNOWN: &[&str] = &[
    "Not Authorized",
    "Authentication failed",
    "init_required",
    "urls_required",
    "Not Found",
    "Server error",
    "No required SSL certificate was sent",
    "The SSL certificate error",
    "The plain HTTP request was sent to HTTPS port",
    "it wants HTTPS on this port",
    "without a word",
    "Bad Gateway",
    "Service Temporarily Unavailable",
    "Gateway Time-out",
    "Forbidden",
    "Authorization Required",
    "Too Many Requests",
];

/// GARM's shape of an error.
#[derive(Deserialize)]
struct Wire {
    error: String,
    #[serde(default)]
    details: String,
}

/// Sorts an answer by its status and whose it is; a success passes.
pub(super) fn check(asked: Asked, response: &Response) -> Result<(), Refusal> {
    let status = response.status;
    if response.is_success() {
        return Ok(());
    }
    let body = &response.body;
    if let Ok(wire) = serde_json::from_slice::<Wire>(body) {
        return Err(garms(asked, status, &wire));
    }
    Err(strangers(status, body))
}

fn garms(asked: Asked, status: u16, wire: &Wire) -> Refusal {
    let kind = match (status, wire.error.as_str(), asked) {
        // A login needs no token: this is another route, below a wrong path.
        (401, "Authentication failed", Asked::Login) => Kind::NotGarm,
        (401, "Authentication failed", Asked::Other) => Kind::Token,
        (401, _, Asked::Login) => Kind::Credentials,
        (401, _, Asked::Other) => Kind::GithubRefused,
        (409, "init_required", _) => Kind::NotInitialised,
        (409, "urls_required", _) => Kind::UrlsMissing,
        // Every GARM has a login: this one is elsewhere.
        (404, _, Asked::Login) => Kind::NotGarm,
        (404, _, Asked::Other) => Kind::NotFound,
        (400 | 422, _, _) => Kind::Refused,
        (409, _, _) => Kind::Conflict,
        (429 | 500.., _, _) => Kind::Server(status),
        _ => Kind::NotGarm,
    };
    let details =
        if wire.details.is_empty() { String::new() } else { format!(": {}", wire.details) };
    Refusal { kind, got: format!("{status} {}{details}", wire.error) }
}

/// An answer without GARM's JSON. Of its body only the title is shown: a page may well quote the
/// request, token and all.
fn strangers(status: u16, body: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(&body[..body.len().min(PAGE_MAX)]);
    let title = page(body);
    let said = title.as_deref().unwrap_or(&text);
    let says = |words: &str| said.to_ascii_lowercase().contains(words);
    let kind = match status {
        400 if says("http request to an https server") => Kind::WrongScheme,
        400 if says("plain http request was sent to https port") => Kind::WrongScheme,
        495 | 496 => Kind::ClientCertificate,
        400 if says("ssl certificate") => Kind::ClientCertificate,
        497 => Kind::WrongScheme,
        429 | 500.. => Kind::Server(status),
        _ => Kind::NotGarm,
    };
    let got = match title {
        Some(title) => format!("{status} with a page titled `{title}`"),
        None if body.is_empty() => format!("{status} without a word"),
        None if kind == Kind::WrongScheme => format!("{status}: it wants HTTPS on this port"),
        None => format!("{status} with an answer that is not GARM's"),
    };
    Refusal { kind, got }
}

/// How much of a page is searched for its title, in bytes.
pub(super) const PAGE_MAX: usize = 8 << 10;

/// The title of an HTML page, if the body is one.
pub(super) fn page(body: &[u8]) -> Option<String> {
    title(&String::from_utf8_lossy(&body[..body.len().min(PAGE_MAX)]))
}

/// The title, on one line.
fn title(page: &str) -> Option<String> {
    // Lower in ASCII only, so that places in the copy are places in the page.
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    let title = page[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(asked: Asked, status: u16, body: &str, expected: (Kind, &str)) {
        let body = body.as_bytes().to_vec();
        let response = Response { status, content_type: None, date: None, body };
        let (kind, got) = expected;
        assert_eq!(check(asked, &response), Err(Refusal { kind, got: got.into() }));
    }

    #[test]
    fn garms_refusals_are_told_apart() {
        let failed = r#"{"error":"Authentication failed","details":""}"#;
        let not_authorized = r#"{"error":"Not Authorized","details":""}"#;
        let (login, other) = (Asked::Login, Asked::Other);
        for (asked, status, body, expected) in [
            (other, 401, failed, (Kind::Token, "401 Authentication failed")),
            (other, 401, not_authorized, (Kind::GithubRefused, "401 Not Authorized")),
            (login, 401, failed, (Kind::NotGarm, "401 Authentication failed")),
            (login, 404, r#"{"error":"Not found"}"#, (Kind::NotGarm, "404 Not found")),
            (login, 401, not_authorized, (Kind::Credentials, "401 Not Authorized")),
            (
                login,
                409,
                r#"{"error":"init_required","details":"Missing superuser"}"#,
                (Kind::NotInitialised, "409 init_required: Missing superuser"),
            ),
            (
                other,
                409,
                r#"{"error":"urls_required","details":"Missing required URLs"}"#,
                (Kind::UrlsMissing, "409 urls_required: Missing required URLs"),
            ),
            (
                other,
                409,
                r#"{"error":"Conflict","details":"taken"}"#,
                (Kind::Conflict, "409 Conflict: taken"),
            ),
            (
                other,
                404,
                r#"{"error":"Not Found","details":"error fetching pool"}"#,
                (Kind::NotFound, "404 Not Found: error fetching pool"),
            ),
            (
                other,
                400,
                r#"{"error":"Bad Request","details":"pool has runners"}"#,
                (Kind::Refused, "400 Bad Request: pool has runners"),
            ),
            (
                other,
                422,
                r#"{"error":"Unprocessable Content"}"#,
                (Kind::Refused, "422 Unprocessable Content"),
            ),
            (
                other,
                500,
                r#"{"error":"Server error","details":""}"#,
                (Kind::Server(500), "500 Server error"),
            ),
            (other, 403, r#"{"error":"no","details":""}"#, (Kind::NotGarm, "403 no")),
        ] {
            check_one(asked, status, body, expected);
        }
    }

    #[test]
    fn the_pages_of_fronts_are_told_apart() {
        let page =
            |title: &str| format!("<html>\r\n<head><title>{title}</title></head>\r\n<body/>");
        for (status, body, expected) in [
            (
                502,
                page("502 Bad Gateway"),
                (Kind::Server(502), "502 with a page titled `502 Bad Gateway`"),
            ),
            (
                400,
                page("400 No required SSL certificate was sent"),
                (
                    Kind::ClientCertificate,
                    "400 with a page titled `400 No required SSL certificate was sent`",
                ),
            ),
            (
                400,
                page("400 The SSL certificate error"),
                (Kind::ClientCertificate, "400 with a page titled `400 The SSL certificate error`"),
            ),
            (
                400,
                page("400 The plain HTTP request was sent to HTTPS port"),
                (
                    Kind::WrongScheme,
                    "400 with a page titled `400 The plain HTTP request was sent to HTTPS port`",
                ),
            ),
            (
                400,
                "Client sent an HTTP request to an HTTPS server.\n".into(),
                (Kind::WrongScheme, "400: it wants HTTPS on this port"),
            ),
            (496, String::new(), (Kind::ClientCertificate, "496 without a word")),
            (
                403,
                page("403  For\nbidden"),
                (Kind::NotGarm, "403 with a page titled `403 For bidden`"),
            ),
            (404, page("<"), (Kind::NotGarm, "404 with a page titled `<`")),
            (404, "nothing here".into(), (Kind::NotGarm, "404 with an answer that is not GARM's")),
            (405, String::new(), (Kind::NotGarm, "405 without a word")),
            (503, String::new(), (Kind::Server(503), "503 without a word")),
            (304, String::new(), (Kind::NotGarm, "304 without a word")),
            (
                401,
                page("401 Authorization Required"),
                (Kind::NotGarm, "401 with a page titled `401 Authorization Required`"),
            ),
        ] {
            check_one(Asked::Other, status, &body, expected);
        }
    }

    #[test]
    fn titles_are_found_in_any_case_and_never_in_the_middle_of_a_letter() {
        assert_eq!(title("<TITLE>É x</Title>"), Some("É x".into()));
        assert_eq!(title("<title></title>"), None);
        assert_eq!(title("<title>open"), None);
        assert_eq!(title("İ<title>ok</title>"), Some("ok".into()));
    }
}
