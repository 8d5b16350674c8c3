//! The configuration of a world, and the knobs that a test can turn while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The configuration of a world. The default is an initialized GARM with one organization and one
/// repository, whose runners boot in about 5 seconds.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Seed of all randomness in the world.
    pub seed: u64,
    pub start: Timestamp,
    /// Whether GARM has an admin and its URLs.
    pub setup: SetupState,
    pub username: String,
    pub password: String,
    /// The base of GARM's callback, metadata and webhook URLs.
    pub url: String,
    pub organizations: Vec<String>,
    /// The repositories, each as `owner/name`.
    pub repositories: Vec<String>,
    /// Enterprises; each receives the webhooks of all organizations.
    pub enterprises: Vec<String>,
    /// Names of the providers in GARM's configuration.
    pub providers: Vec<String>,
    /// `minimum_job_age_backoff`, in seconds; GARM's own default is 30 (GARM.md §d).
    pub backoff: u64,
    /// Lifetime of a token; GARM's minimum is 24 h (GARM.md §h).
    pub token_lifetime: Duration,
    /// Minimum number of requests, log entries and ended jobs to remember; at most twice as many
    /// are kept.
    pub history: usize,
    pub variant: GarmVariant,
    /// The forge of all entities.
    pub forge: Forge,
    /// The runner groups at GitHub.
    pub runner_groups: Vec<String>,
    /// How GitHub and the providers behave.
    pub knobs: Knobs,
}

/// Which GARM is simulated, where GARMs differ (GARM.md §k).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GarmVariant {
    pub version: GarmVersion,
    pub database: GarmDatabase,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GarmVersion {
    /// Release v0.1.8, of which only the absence of scale sets is simulated.
    V0_1_8,
    /// Release v0.2.1: a failed create is not retried, and a webhook about a job that no pool
    /// serves returns 500.
    V0_2_1,
    /// The main branch: six attempts, and 422.
    #[default]
    Main,
}

impl GarmVersion {
    /// The version that `GET /controller-info` returns.
    pub fn word(self) -> &'static str {
        match self {
            Self::V0_1_8 => "v0.1.8",
            Self::V0_2_1 => "v0.2.1",
            Self::Main => "v0.2.1-main",
        }
    }
}

/// The kind of server that hosts the repositories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Forge {
    #[default]
    GitHub,
    /// Gitea has no scale sets. Only its kind of endpoint and the refusal of scale sets are
    /// simulated.
    Gitea,
}

impl Forge {
    /// The word in the fields `endpoint_type` and `forge_type`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Gitea => "gitea",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GarmDatabase {
    /// SQLite, which stores JSON unchanged.
    #[default]
    Sqlite,
    /// Normalizes `extra_specs`, so that the same JSON in other formatting is a change; refuses
    /// labels of more than 64 characters (500); truncates times to microseconds; lists a runner's
    /// messages in any order.
    Postgresql,
}

/// How far GARM has been set up (GARM.md §b).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupState {
    /// No admin yet: `init_required` on everything.
    Fresh,
    /// An admin, but no URLs: `urls_required` on all but the controller.
    NoUrls,
    Ready,
}

/// GARM's own GitHub token. With any other value in [`Knobs::pat`], GitHub refuses it.
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
            forge: Forge::GitHub,
            runner_groups: vec!["Default".into()],
            knobs: Knobs::default(),
        }
    }
}

/// How GitHub, the providers and the network behave. Can be changed at any time; in `/_lab/config`
/// the keys have their unit: `boot_delay_s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// From the VM's start to its first status message.
    #[serde(rename = "boot_delay_s", with = "seconds")]
    pub boot_delay: Duration,
    /// Upper bound of a uniform addition to it.
    #[serde(rename = "boot_jitter_s", with = "seconds")]
    pub boot_jitter: Duration,
    /// From the first status message to `idle`.
    #[serde(rename = "install_delay_s", with = "seconds")]
    pub install_delay: Duration,
    /// From `idle` until GitHub assigns jobs to the runner.
    #[serde(rename = "online_delay_s", with = "seconds")]
    pub online_delay: Duration,
    /// Fraction of VMs whose install fails (`running`/`failed`).
    pub boot_fail_rate: f64,
    /// Fraction of VMs that never report a status.
    pub boot_hang_rate: f64,
    /// Fraction of creates that the provider refuses.
    pub create_fail_rate: f64,
    /// How long the provider takes to create a VM.
    #[serde(rename = "create_delay_s", with = "seconds")]
    pub create_delay: Duration,
    /// Fraction of deletes that the provider refuses.
    pub delete_fail_rate: f64,
    /// How long the provider takes to delete a VM.
    #[serde(rename = "delete_delay_s", with = "seconds")]
    pub delete_delay: Duration,
    /// Maximum number of VMs; 0 for no limit.
    pub max_vms: u64,
    /// Rates of single providers, by name.
    pub providers: BTreeMap<String, ProviderKnobs>,
    /// Whether GitHub assigns jobs at all.
    pub assign: bool,
    /// From when a free runner and a queued job exist to the job's start.
    #[serde(rename = "assign_delay_s", with = "seconds")]
    pub assign_delay: Duration,
    /// The removal race: how long after a job's start GitHub still lets its runner be removed,
    /// which kills the job (GARM.md §0.7).
    #[serde(rename = "busy_lag_s", with = "seconds")]
    pub busy_lag: Duration,
    /// Whether webhooks are delivered at all.
    pub webhooks: bool,
    /// Fraction of webhooks that are lost; GitHub does not retry them.
    pub webhook_drop_rate: f64,
    #[serde(rename = "webhook_delay_s", with = "seconds")]
    pub webhook_delay: Duration,
    /// Fraction of events that are lost silently, for each subscriber independently.
    pub event_loss_rate: f64,
    /// Fraction of events that are delayed, so that later ones overtake them (measured: 7 of 400).
    pub event_late_rate: f64,
    #[serde(rename = "event_late_s", with = "seconds")]
    pub event_late_by: Duration,
    /// From a change of a scale set's job to the message about it.
    #[serde(rename = "message_delay_s", with = "seconds")]
    pub message_delay: Duration,
    /// Fraction of messages that are lost for good.
    pub message_loss_rate: f64,
    /// Fraction of messages that GARM gets twice.
    pub message_twice_rate: f64,
    /// Fraction of messages that are delayed, so that later ones overtake them.
    pub message_late_rate: f64,
    /// How much later a delayed or repeated message arrives.
    #[serde(rename = "message_late_s", with = "seconds")]
    pub message_late_by: Duration,
    /// Fraction of scale sets whose first burst of jobs GARM's worker does not see, since an older
    /// row arrives last (measured: 7 of 95).
    pub first_burst_stall_rate: f64,
    /// The same for later bursts (measured: 0 of 40).
    pub later_burst_stall_rate: f64,
    /// Whether webhooks are sent for the jobs of scale sets as well.
    pub scale_set_webhooks: bool,
    /// Fraction of GARM's calls to GitHub that fail.
    pub api_fail_rate: f64,
    pub api_fail_status: u16,
    /// If set to anything but [`PAT`], GitHub refuses GARM's credentials.
    pub pat: String,
}

/// The rates of one provider, in place of the general ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderKnobs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_fail_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_fail_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_fail_rate: Option<f64>,
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
            message_delay: Duration::from_millis(50),
            message_loss_rate: 0.0,
            message_twice_rate: 0.0,
            message_late_rate: 0.0,
            message_late_by: Duration::from_secs(1),
            first_burst_stall_rate: 0.0,
            later_burst_stall_rate: 0.0,
            scale_set_webhooks: false,
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

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}
