//! GARM's responses: a status with JSON, or one of its errors.

use super::json::Object;

/// A response of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiReply {
    pub status: u16,
    /// `Content-Type`; absent in responses of GARM's router.
    pub content_type: Option<&'static str>,
    pub location: Option<String>,
    /// The body: empty, or JSON with a trailing newline, as Go writes it.
    pub body: String,
}

pub(crate) const JSON: &str = "application/json";

impl ApiReply {
    pub(crate) fn json(text: String) -> Self {
        Self::with_status(200, text)
    }

    /// 200 without a body, the response to DELETE (GARM.md §b).
    pub(crate) fn done() -> Self {
        Self { content_type: Some(JSON), ..Self::bare(200) }
    }

    /// A status without a body, as GARM's router sends it.
    pub(crate) fn bare(status: u16) -> Self {
        Self { status, content_type: None, location: None, body: String::new() }
    }

    /// A redirect (301) to another path.
    pub(crate) fn moved(location: String) -> Self {
        Self { location: Some(location), ..Self::bare(301) }
    }

    /// A simulated fault: a status with GARM's error JSON.
    pub(crate) fn made_up(status: u16) -> Self {
        let text = Object::new().text("error", "Server error").text("details", "").end();
        Self::with_status(status, text)
    }

    /// A simulated fault: a proxy's page.
    pub(crate) fn page(status: u16) -> Self {
        let body = format!("<html><body><h1>{status}</h1></body></html>\n");
        Self { content_type: Some("text/html"), body, ..Self::bare(status) }
    }

    /// The 404 of GARM's router outside its API.
    pub(crate) fn not_found() -> Self {
        let body = "404 page not found\n".into();
        Self { content_type: Some("text/plain; charset=utf-8"), body, ..Self::bare(404) }
    }

    /// A simulated fault: the token has expired.
    pub(crate) fn token_expired() -> Self {
        ApiRefusal::Token.into()
    }

    pub(crate) fn with_status(status: u16, mut text: String) -> Self {
        text.push('\n');
        Self { content_type: Some(JSON), body: text, ..Self::bare(status) }
    }
}

/// GARM's errors (GARM.md §b, §0.6). The text is the `details`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiRefusal {
    BadRequest(String),
    /// 404 for an absent object.
    NotFound(String),
    /// 404 for an unknown path.
    NoRoute,
    /// 401 for a missing, invalid or expired token.
    Token,
    /// 401 for a wrong password, or because GitHub refuses GARM's credentials.
    NotAuthorized,
    Conflict(String),
    /// 409, because no admin was created yet.
    InitRequired,
    /// 409, because the controller's URLs are not set yet.
    UrlsRequired,
    /// 500, which never has a reason.
    Server,
}

impl ApiRefusal {
    /// The error for an invalid body.
    pub(crate) fn body() -> Self {
        Self::BadRequest("invalid request".into())
    }

    /// An error 400 with these details.
    pub(crate) fn bad(details: impl Into<String>) -> Self {
        Self::BadRequest(details.into())
    }

    /// Adds context to the error, like Go's `fmt.Errorf("what: %w", error)`.
    pub(crate) fn within(self, what: &str) -> Self {
        match self {
            Self::BadRequest(details) => Self::BadRequest(format!("{what}: {details}")),
            Self::NotFound(details) => Self::NotFound(format!("{what}: {details}")),
            Self::Conflict(details) => Self::Conflict(format!("{what}: {details}")),
            Self::NoRoute
            | Self::Token
            | Self::NotAuthorized
            | Self::InitRequired
            | Self::UrlsRequired
            | Self::Server => self,
        }
    }
}

impl From<ApiRefusal> for ApiReply {
    fn from(refusal: ApiRefusal) -> Self {
        let (status, error, details) = match &refusal {
            ApiRefusal::BadRequest(details) => (400, "Bad Request", details.as_str()),
            ApiRefusal::NotFound(details) => (404, "Not Found", details.as_str()),
            ApiRefusal::NoRoute => (404, "Not found", "Resource not found"),
            ApiRefusal::Token => (401, "Authentication failed", ""),
            ApiRefusal::NotAuthorized => (401, "Not Authorized", ""),
            ApiRefusal::Conflict(details) => (409, "Conflict", details.as_str()),
            ApiRefusal::InitRequired => (409, "init_required", "Missing superuser"),
            ApiRefusal::UrlsRequired => (
                409,
                "urls_required",
                "Missing required URLs. Make sure you update the metadata and callback URLs",
            ),
            ApiRefusal::Server => (500, "Server error", ""),
        };
        let text = Object::new().text("error", error).text("details", details).end();
        Self::with_status(status, text)
    }
}
