//! What a world is made of, and the knobs that a test turns while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a world is made of. The default is one organization and one repository on a GARM that is
/// initialised and whose runners boot in 5 seconds.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Every chance in the world comes from this.
    pub seed: u64,
    /// The world's clock at its beginning.
    pub start: Timestamp,
    /// Whether GARM has an admin and its URLs.
    pub setup: SetupState,
    /// Name of GARM's admin.
    pub username: String,
    /// The admin's password.
    pub password: String,
    /// Where GARM says it is to be reached: its callback, metadata and webhook URLs.
    pub url: String,
    /// Organizations.
    pub organizations: Vec<String>,
    /// Repositories, `owner/name`.
    pub repositories: Vec<String>,
    /// Enterprises; each gets the webhooks of all organizations.
    pub enterprises: Vec<String>,
    /// Names of the providers in GARM's configuration.
    pub providers: Vec<String>,
    /// `minimum_job_age_backoff`, in seconds; GARM's own default is 30 (GARM.md §d).
    pub backoff: u64,
    /// How long a token lives; GARM's least is 24 h (GARM.md §h).
    pub token_lifetime: Duration,
    /// At least so many requests, log entries and ended jobs are remembered, the latest, and at most
    /// twice as many.
    pub history: usize,
    /// Which GARM it is.
    pub variant: GarmVariant,
    /// How GitHub and the providers behave.
    pub knobs: Knobs,
}

/// Which GARM a world is, as far as they differ (GARM.md §k).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GarmVariant {
    /// Its version.
    pub version: GarmVersion,
    /// Where it keeps its rows.
    pub database: GarmDatabase,
}

/// A version of GARM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GarmVersion {
    /// Release v0.2.1: a create that fails is not tried again, and a webhook about a job that no pool
    /// serves is answered with 500.
    V0_2_1,
    /// What comes after it: six tries, and 422.
    #[default]
    Main,
}

impl GarmVersion {
    /// As the controller tells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::V0_2_1 => "v0.2.1",
            Self::Main => "v0.2.1-main",
        }
    }
}

/// A database of GARM's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GarmDatabase {
    /// Keeps what it is given.
    #[default]
    Sqlite,
    /// Keeps `extra_specs` in a form and order of its own, so that the same JSON spelt otherwise is a
    /// change; refuses labels of more than 64 characters (500); cuts times to microseconds; lists a
    /// runner's messages in any order.
    Postgresql,
}

/// How far GARM has been set up (GARM.md §b).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupState {
    /// No admin yet: `init_required` on everything.
    Fresh,
    /// An admin, but no URLs: `urls_required` on all but the controller.
    NoUrls,
    /// Ready for use.
    Ready,
}

/// GARM's own GitHub credentials. Any other text in [`Knobs::pat`] means that GitHub refuses them.
pub const PAT: &str = "ghp_simulated";

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            start: Timestamp::from_second(1_767_225_600).expect("the year 2026 is in range"),
            setup: SetupState::Ready,
            username: "admin".into(),
            password: "correct-horse-battery-staple".into(),
            url: "http://garm.example.com".into(),
            organizations: vec!["acme".into()],
            repositories: vec!["octo/tools".into()],
            enterprises: Vec::new(),
            providers: vec!["sim".into(), "sim2".into()],
            backoff: 30,
            token_lifetime: Duration::from_secs(24 * 3600),
            history: usize::MAX,
            variant: GarmVariant::default(),
            knobs: Knobs::default(),
        }
    }
}

/// How GitHub, the providers and the wires behave. Turned at any time; on the wire (`/_lab/config`)
/// the keys carry their unit: `boot_delay_s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// From the VM's start to its first word.
    #[serde(rename = "boot_delay_s", with = "seconds")]
    pub boot_delay: Duration,
    /// At most so much more, evenly.
    #[serde(rename = "boot_jitter_s", with = "seconds")]
    pub boot_jitter: Duration,
    /// From the first word to `idle`.
    #[serde(rename = "install_delay_s", with = "seconds")]
    pub install_delay: Duration,
    /// From `idle` to a runner that GitHub gives jobs to.
    #[serde(rename = "online_delay_s", with = "seconds")]
    pub online_delay: Duration,
    /// Share of VMs whose install fails (`running`/`failed`).
    pub boot_fail_rate: f64,
    /// Share of VMs that never call home.
    pub boot_hang_rate: f64,
    /// Share of creates that the provider refuses.
    pub create_fail_rate: f64,
    /// How long the provider takes to create.
    #[serde(rename = "create_delay_s", with = "seconds")]
    pub create_delay: Duration,
    /// Share of deletes that the provider refuses.
    pub delete_fail_rate: f64,
    /// How long the provider takes to delete.
    #[serde(rename = "delete_delay_s", with = "seconds")]
    pub delete_delay: Duration,
    /// At most so many VMs; 0 for no limit.
    pub max_vms: u64,
    /// Other rates for one provider, by its name.
    pub providers: BTreeMap<String, ProviderKnobs>,
    /// Whether GitHub hands jobs out at all.
    pub assign: bool,
    /// From "a runner is free and a job waits" to the job's start.
    #[serde(rename = "assign_delay_s", with = "seconds")]
    pub assign_delay: Duration,
    /// The removal race: for so long after a start GitHub still lets the runner be removed, and
    /// its job dies with the VM (GARM.md §0.7).
    #[serde(rename = "busy_lag_s", with = "seconds")]
    pub busy_lag: Duration,
    /// Whether webhooks are delivered at all.
    pub webhooks: bool,
    /// Share of webhooks that are lost; GitHub does not repeat them.
    pub webhook_drop_rate: f64,
    /// How late webhooks are.
    #[serde(rename = "webhook_delay_s", with = "seconds")]
    pub webhook_delay: Duration,
    /// Share of events that never reach a listener, each by itself; nobody says so.
    pub event_loss_rate: f64,
    /// Share of events that are late, so that later ones overtake them (measured: 7 of 400).
    pub event_late_rate: f64,
    /// How late those are.
    #[serde(rename = "event_late_s", with = "seconds")]
    pub event_late_by: Duration,
    /// Share of GARM's calls to GitHub that fail.
    pub api_fail_rate: f64,
    /// The status they fail with.
    pub api_fail_status: u16,
    /// When set, and not GARM's own: GARM's GitHub credentials are refused.
    pub pat: String,
}

/// What one provider does otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderKnobs {
    /// As in [`Knobs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_fail_rate: Option<f64>,
    /// As in [`Knobs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_fail_rate: Option<f64>,
    /// As in [`Knobs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_fail_rate: Option<f64>,
    /// As in [`Knobs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_hang_rate: Option<f64>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            boot_delay: Duration::from_secs(4),
            boot_jitter: Duration::from_secs(1),
            install_delay: Duration::from_millis(300),
            online_delay: Duration::from_millis(100),
            boot_fail_rate: 0.0,
            boot_hang_rate: 0.0,
            create_fail_rate: 0.0,
            create_delay: Duration::ZERO,
            delete_fail_rate: 0.0,
            delete_delay: Duration::ZERO,
            max_vms: 0,
            providers: BTreeMap::new(),
            assign: true,
            assign_delay: Duration::ZERO,
            busy_lag: Duration::ZERO,
            webhooks: true,
            webhook_drop_rate: 0.0,
            webhook_delay: Duration::ZERO,
            event_loss_rate: 0.0,
            event_late_rate: 0.02,
            event_late_by: Duration::from_millis(5),
            api_fail_rate: 0.0,
            api_fail_status: 500,
            pat: String::new(),
        }
    }
}

impl Knobs {
    pub(crate) fn of(&self, provider: &str) -> ProviderKnobs {
        self.providers.get(provider).cloned().unwrap_or_default()
    }
}

/// Durations as seconds, fractions allowed.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(it: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(it.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}
