//! GARM's controller settings.

use std::collections::HashMap;

use jiff::Timestamp;

use super::body::Body;
use super::config::{SetupState, SimConfig};
use super::reply::{ApiRefusal, ApiReply};
use super::rest_view::Depth;
use super::rng::Rng;
use super::world::World;

/// The largest number of seconds that GARM can turn into a duration. One more overflows, and GARM
/// then creates runners for jobs at once (GARM.md §d). Like all of GARM's rules in the simulator,
/// it is not shared with the program, so that a wrong limit there fails a test.
const BACKOFF_MAX_S: u64 = 9_223_372_036;

/// The controller's row, and the admin.
#[derive(Debug)]
pub(crate) struct ControllerRow {
    pub(crate) id: String,
    pub(crate) has_admin: bool,
    pub(crate) metadata_url: String,
    pub(crate) callback_url: String,
    pub(crate) webhook_url: String,
    pub(crate) agent_url: String,
    pub(crate) backoff: u64,
    pub(crate) secret: String,
    pub(crate) user_id: String,
    /// The issued tokens by signature: whether each is for the admin, and when it expires.
    pub(crate) tokens: HashMap<String, (bool, Timestamp)>,
}

impl ControllerRow {
    pub(crate) fn new(config: &SimConfig, ids: &mut Rng) -> Self {
        let mut controller = Self {
            id: ids.uuid(),
            has_admin: config.setup != SetupState::Fresh,
            metadata_url: String::new(),
            callback_url: String::new(),
            webhook_url: String::new(),
            agent_url: String::new(),
            backoff: config.backoff,
            secret: ids.word(48),
            user_id: ids.uuid(),
            tokens: HashMap::new(),
        };
        if config.setup == SetupState::Ready {
            controller.set_urls(&config.url);
        }
        controller
    }

    /// Sets all URLs to GARM's own address.
    pub(crate) fn set_urls(&mut self, url: &str) {
        self.metadata_url = format!("{url}/api/v1/metadata");
        self.callback_url = format!("{url}/api/v1/callbacks");
        self.webhook_url = format!("{url}/webhooks");
        self.agent_url = format!("{url}/agent");
    }

    /// A value that does not fit a signed column makes the row unreadable and the controller
    /// unusable (GARM.md §0.11).
    pub(crate) fn is_bricked(&self) -> bool {
        self.backoff > i64::MAX.unsigned_abs()
    }

    /// GARM's middleware requires them for everything except the controller.
    pub(crate) fn has_urls(&self) -> bool {
        let urls = [&self.metadata_url, &self.callback_url, &self.agent_url];
        !self.is_bricked() && urls.iter().all(|url| !url.is_empty())
    }

    /// Where GitHub delivers to this controller alone.
    pub(crate) fn own_webhook_url(&self) -> String {
        if self.webhook_url.is_empty() {
            self.id.clone()
        } else {
            format!("{}/{}", self.webhook_url, self.id)
        }
    }

    /// How many seconds a job must wait before GARM creates a runner for it.
    pub(crate) fn backoff_s(&self) -> u64 {
        if self.backoff > BACKOFF_MAX_S { 0 } else { self.backoff }
    }
}

impl World {
    pub(super) fn get_controller(&self) -> Result<ApiReply, ApiRefusal> {
        if self.controller.is_bricked() {
            return Err(ApiRefusal::Server);
        }
        Ok(ApiReply::json(self.show_controller(Depth::One)))
    }

    pub(super) fn put_controller(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let urls = ["metadata_url", "callback_url", "webhook_url", "agent_url"];
        let backoff = body.number("minimum_job_age_backoff")?;
        let mut given = Vec::new();
        for key in urls {
            if let Some(url) = body.text(key)? {
                if !is_url(&url) {
                    return Err(ApiRefusal::bad(format!("invalid {key}")));
                }
                given.push((key, url));
            }
        }
        check_agent(&body)?;
        if self.controller.is_bricked() {
            return Err(ApiRefusal::Server);
        }
        for (key, url) in given {
            let field = match key {
                "metadata_url" => &mut self.controller.metadata_url,
                "callback_url" => &mut self.controller.callback_url,
                "webhook_url" => &mut self.controller.webhook_url,
                _ => &mut self.controller.agent_url,
            };
            *field = url;
        }
        if let Some(backoff) = backoff {
            self.controller.backoff = backoff;
        }
        self.emit_controller();
        Ok(ApiReply::json(self.show_controller(Depth::Write)))
    }

    /// `POST /first-run` (GARM.md §b).
    pub(super) fn first_run(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        if self.controller.has_admin {
            return Err(ApiRefusal::Conflict("already initialized".into()));
        }
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let (email, username, password) = (text("email")?, text("username")?, text("password")?);
        let full_name = text("full_name")?;
        if email.is_empty() || username.is_empty() {
            return Err(ApiRefusal::bad("missing username or email"));
        }
        if !email.contains('@') {
            return Err(ApiRefusal::bad("invalid email address"));
        }
        if username.len() > 64 || !username.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(ApiRefusal::bad("invalid username"));
        }
        if password.len() < 12 {
            return Err(ApiRefusal::bad("password is too weak"));
        }
        self.controller.has_admin = true;
        self.config.username.clone_from(&username);
        self.config.password = password;
        Ok(ApiReply::json(self.show_user(&email, &full_name)))
    }

    /// Sets GARM's address, which an HTTP server knows only after binding.
    pub fn set_url(&mut self, url: &str) {
        self.config.url = url.to_owned();
        if self.config.setup == SetupState::Ready {
            self.controller.set_urls(url);
        }
    }
}

/// Checks the source and version of GARM's agent, which the simulator does not use.
fn check_agent(body: &Body<'_>) -> Result<(), ApiRefusal> {
    let releases = body.text("garm_agent_releases_url")?.unwrap_or_default();
    if !releases.is_empty() && !is_url(&releases) {
        let why = format!("Get {releases:?}: unsupported protocol scheme \"\"");
        return Err(ApiRefusal::bad(format!("failed to fetch garm_agent_releases_url: {why:?}")));
    }
    let version = body.text("garm_agent_version")?.unwrap_or_default();
    let is_semver = version.strip_prefix('v').is_some_and(|numbers| {
        numbers.split('.').count() == 3
            && numbers.split('.').all(|number| number.parse::<u32>().is_ok())
    });
    if version.is_empty() || version == "latest" || is_semver {
        return Ok(());
    }
    Err(ApiRefusal::bad(format!(
        "invalid garm_agent_version {version:?}: must be \"latest\" or a semver version (e.g. \
         v1.2.3)"
    )))
}

/// GARM accepts any text with a scheme and a host as a URL.
fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
}
