//! The meaning of an error response: GARM's own, or the page of a reverse proxy in front of it.

use serde::Deserialize;

use super::error::ErrorKind;
use super::transport::Response;

/// The purpose of the request, on which the meaning of a 401 depends (GARM.md §0.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestPurpose {
    Login,
    Other,
}

/// A classified error response. Its text may quote the response and must be bounded and escaped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedResponse {
    pub(super) kind: ErrorKind,
    pub(super) got: String,
}

impl RefusedResponse {
    /// The text without any words from the response that are not known here.
    pub(super) fn own_words(&self) -> String {
        let status = self.got.split(' ').next().unwrap_or_default();
        let known = KNOWN.iter().find(|phrase| {
            let rest = self.got.strip_prefix(status).unwrap_or_default();
            rest.contains(**phrase)
        });
        match known {
            Some(words) => format!("{status} {words}"),
            None => format!("{status} with a response that is not shown"),
        }
    }
}

/// What GARM and reverse proxies say when they refuse a login. Longer texts come before their
/// prefixes.
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
    "this port requires HTTPS",
    "with an empty body",
    "Bad Gateway",
    "Service Temporarily Unavailable",
    "Gateway Time-out",
    "Forbidden",
    "Authorization Required",
    "Too Many Requests",
];

/// The JSON of GARM's errors.
#[derive(Deserialize)]
struct WireError {
    error: String,
    #[serde(default)]
    details: String,
}

/// Classifies a response by its status and its origin; a success passes.
pub(super) fn check(asked: RequestPurpose, response: &Response) -> Result<(), RefusedResponse> {
    let status = response.status;
    if response.is_success() {
        return Ok(());
    }
    let body = &response.body;
    if let Ok(wire) = serde_json::from_slice::<WireError>(body) {
        return Err(garms(asked, status, &wire));
    }
    Err(strangers(status, body))
}

fn garms(asked: RequestPurpose, status: u16, wire: &WireError) -> RefusedResponse {
    let kind = match (status, wire.error.as_str(), asked) {
        // A login needs no token, so this is another route, below a wrong path.
        (401, "Authentication failed", RequestPurpose::Login) => ErrorKind::NotGarm,
        (401, "Authentication failed", RequestPurpose::Other) => ErrorKind::Token,
        (401, _, RequestPurpose::Login) => ErrorKind::Credentials,
        (401, _, RequestPurpose::Other) => ErrorKind::GithubRefused,
        (409, "init_required", _) => ErrorKind::NotInitialised,
        (409, "urls_required", _) => ErrorKind::UrlsMissing,
        // Every GARM has a login route, so this is not GARM's path.
        (404, _, RequestPurpose::Login) => ErrorKind::NotGarm,
        (404, _, RequestPurpose::Other) => ErrorKind::NotFound,
        (400 | 422, _, _) => ErrorKind::Refused,
        (409, _, _) => ErrorKind::Conflict,
        (429 | 500.., _, _) => ErrorKind::Server(status),
        _ => ErrorKind::NotGarm,
    };
    let details =
        if wire.details.is_empty() { String::new() } else { format!(": {}", wire.details) };
    RefusedResponse { kind, got: format!("{status} {}{details}", wire.error) }
}

/// A response without GARM's JSON. Only the title of its page is shown, since a page may quote the
/// request with its token.
fn strangers(status: u16, body: &[u8]) -> RefusedResponse {
    let text = String::from_utf8_lossy(&body[..body.len().min(PAGE_MAX)]);
    let title = page(body);
    let said = title.as_deref().unwrap_or(&text);
    let says = |words: &str| said.to_ascii_lowercase().contains(words);
    let kind = match status {
        400 if says("http request to an https server") => ErrorKind::WrongScheme,
        400 if says("plain http request was sent to https port") => ErrorKind::WrongScheme,
        495 | 496 => ErrorKind::ClientCertificate,
        400 if says("ssl certificate") => ErrorKind::ClientCertificate,
        497 => ErrorKind::WrongScheme,
        429 | 500.. => ErrorKind::Server(status),
        _ => ErrorKind::NotGarm,
    };
    let got = match title {
        Some(title) => format!("{status} with a page titled `{title}`"),
        None if body.is_empty() => format!("{status} with an empty body"),
        None if kind == ErrorKind::WrongScheme => format!("{status}: this port requires HTTPS"),
        None => format!("{status} with a response that is not from GARM"),
    };
    RefusedResponse { kind, got }
}

/// How much of a page is searched for its title, in bytes.
pub(super) const PAGE_MAX: usize = 8 << 10;

/// The title of an HTML page, if the body is one.
pub(super) fn page(body: &[u8]) -> Option<String> {
    title(&String::from_utf8_lossy(&body[..body.len().min(PAGE_MAX)]))
}

/// The title of a page, on one line.
fn title(page: &str) -> Option<String> {
    // ASCII lowercase only, so that offsets in the copy are offsets in the page.
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
    fn check_one(asked: RequestPurpose, status: u16, body: &str, expected: (ErrorKind, &str)) {
        let body = body.as_bytes().to_vec();
        let response = Response { status, content_type: None, date: None, body };
        let (kind, got) = expected;
        assert_eq!(check(asked, &response), Err(RefusedResponse { kind, got: got.into() }));
    }

    #[test]
    fn errors_of_garm_are_classified() {
        let failed = r#"{"error":"Authentication failed","details":""}"#;
        let not_authorized = r#"{"error":"Not Authorized","details":""}"#;
        let (login, other) = (RequestPurpose::Login, RequestPurpose::Other);
        for (asked, status, body, expected) in [
            (other, 401, failed, (ErrorKind::Token, "401 Authentication failed")),
            (other, 401, not_authorized, (ErrorKind::GithubRefused, "401 Not Authorized")),
            (login, 401, failed, (ErrorKind::NotGarm, "401 Authentication failed")),
            (login, 404, r#"{"error":"Not found"}"#, (ErrorKind::NotGarm, "404 Not found")),
            (login, 401, not_authorized, (ErrorKind::Credentials, "401 Not Authorized")),
            (
                login,
                409,
                r#"{"error":"init_required","details":"Missing superuser"}"#,
                (ErrorKind::NotInitialised, "409 init_required: Missing superuser"),
            ),
            (
                other,
                409,
                r#"{"error":"urls_required","details":"Missing required URLs"}"#,
                (ErrorKind::UrlsMissing, "409 urls_required: Missing required URLs"),
            ),
            (
                other,
                409,
                r#"{"error":"Conflict","details":"taken"}"#,
                (ErrorKind::Conflict, "409 Conflict: taken"),
            ),
            (
                other,
                404,
                r#"{"error":"Not Found","details":"error fetching pool"}"#,
                (ErrorKind::NotFound, "404 Not Found: error fetching pool"),
            ),
            (
                other,
                400,
                r#"{"error":"Bad Request","details":"pool has runners"}"#,
                (ErrorKind::Refused, "400 Bad Request: pool has runners"),
            ),
            (
                other,
                422,
                r#"{"error":"Unprocessable Content"}"#,
                (ErrorKind::Refused, "422 Unprocessable Content"),
            ),
            (
                other,
                500,
                r#"{"error":"Server error","details":""}"#,
                (ErrorKind::Server(500), "500 Server error"),
            ),
            (other, 403, r#"{"error":"no","details":""}"#, (ErrorKind::NotGarm, "403 no")),
        ] {
            check_one(asked, status, body, expected);
        }
    }

    #[test]
    fn pages_of_reverse_proxies_are_classified() {
        let page =
            |title: &str| format!("<html>\r\n<head><title>{title}</title></head>\r\n<body/>");
        for (status, body, expected) in [
            (
                502,
                page("502 Bad Gateway"),
                (ErrorKind::Server(502), "502 with a page titled `502 Bad Gateway`"),
            ),
            (
                400,
                page("400 No required SSL certificate was sent"),
                (
                    ErrorKind::ClientCertificate,
                    "400 with a page titled `400 No required SSL certificate was sent`",
                ),
            ),
            (
                400,
                page("400 The SSL certificate error"),
                (
                    ErrorKind::ClientCertificate,
                    "400 with a page titled `400 The SSL certificate error`",
                ),
            ),
            (
                400,
                page("400 The plain HTTP request was sent to HTTPS port"),
                (
                    ErrorKind::WrongScheme,
                    "400 with a page titled `400 The plain HTTP request was sent to HTTPS port`",
                ),
            ),
            (
                400,
                "Client sent an HTTP request to an HTTPS server.\n".into(),
                (ErrorKind::WrongScheme, "400: this port requires HTTPS"),
            ),
            (496, String::new(), (ErrorKind::ClientCertificate, "496 with an empty body")),
            (
                403,
                page("403  For\nbidden"),
                (ErrorKind::NotGarm, "403 with a page titled `403 For bidden`"),
            ),
            (404, page("<"), (ErrorKind::NotGarm, "404 with a page titled `<`")),
            (
                404,
                "nothing here".into(),
                (ErrorKind::NotGarm, "404 with a response that is not from GARM"),
            ),
            (405, String::new(), (ErrorKind::NotGarm, "405 with an empty body")),
            (503, String::new(), (ErrorKind::Server(503), "503 with an empty body")),
            (304, String::new(), (ErrorKind::NotGarm, "304 with an empty body")),
            (
                401,
                page("401 Authorization Required"),
                (ErrorKind::NotGarm, "401 with a page titled `401 Authorization Required`"),
            ),
        ] {
            check_one(RequestPurpose::Other, status, &body, expected);
        }
    }

    #[test]
    fn titles_are_found_in_any_case_and_at_character_boundaries() {
        assert_eq!(title("<TITLE>É x</Title>"), Some("É x".into()));
        assert_eq!(title("<title></title>"), None);
        assert_eq!(title("<title>open"), None);
        assert_eq!(title("İ<title>ok</title>"), Some("ok".into()));
    }
}
