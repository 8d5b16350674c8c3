//! The bodies of a scale set's POST and PUT.

use super::body::Body;
use super::config::GarmVersion;
use super::pool_update::{set as replace, set_text};
use super::reply::ApiRefusal;
use super::scale_set::ScaleSetRow;

/// The body of a POST, with GARM's defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewScaleSet {
    pub(crate) name: String,
    pub(crate) disable_update: bool,
    pub(crate) provider: String,
    pub(crate) max: u64,
    pub(crate) min_idle: u64,
    pub(crate) prefix: String,
    pub(crate) image: String,
    pub(crate) flavor: String,
    pub(crate) os_type: String,
    pub(crate) os_arch: String,
    pub(crate) labels: Vec<String>,
    pub(crate) is_enabled: bool,
    pub(crate) has_shell: bool,
    pub(crate) timeout: u64,
    pub(crate) extra_specs: Option<String>,
    pub(crate) group: String,
    pub(crate) template: Option<u64>,
    pub(crate) proxy: u64,
}

impl NewScaleSet {
    pub(crate) fn read(body: &Body<'_>) -> Result<Self, ApiRefusal> {
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let number = |key| body.number(key).map(Option::unwrap_or_default);
        let truth = |key| body.truth(key).map(Option::unwrap_or_default);
        let or = |text: String, default: &str| if text.is_empty() { default.into() } else { text };
        Ok(Self {
            name: text("name")?,
            disable_update: truth("disable_update")?,
            provider: text("provider_name")?,
            max: number("max_runners")?,
            min_idle: number("min_idle_runners")?,
            prefix: or(text("runner_prefix")?, "garm"),
            image: text("image")?,
            flavor: text("flavor")?,
            os_type: text("os_type")?,
            os_arch: text("os_arch")?,
            labels: body.texts("labels")?.unwrap_or_default(),
            is_enabled: truth("enabled")?,
            has_shell: truth("enable_shell")?,
            timeout: match number("runner_bootstrap_timeout")? {
                0 => 20,
                minutes => minutes,
            },
            extra_specs: body.raw("extra_specs").map(str::to_owned),
            group: or(text("github-runner-group")?, "Default"),
            template: body.number("template_id")?,
            proxy: number("proxy_id")?,
        })
    }

    /// GARM's check of its own fields. The error gives no reason: 500.
    pub(crate) fn check(&self) -> Result<(), ApiRefusal> {
        let missing = [&self.provider, &self.flavor, &self.image];
        let is_bad = missing.iter().any(|text| text.is_empty())
            || self.max == 0
            || self.min_idle > self.max
            || self.max > i64::MAX.unsigned_abs();
        if is_bad { Err(ApiRefusal::Server) } else { Ok(()) }
    }
}

/// The body of a PUT. As in GARM, an empty string means "unchanged", also for the runner group.
#[derive(Debug, Default)]
pub(crate) struct ScaleSetUpdate {
    pub(crate) template: Option<u64>,
    pub(crate) proxy: Option<u64>,
    pub(crate) extra_specs: Option<String>,
    pub(crate) os_type: String,
    name: String,
    disable_update: Option<bool>,
    is_enabled: Option<bool>,
    max: Option<u64>,
    min_idle: Option<u64>,
    timeout: Option<u64>,
    prefix: String,
    image: String,
    flavor: String,
    os_arch: String,
    has_shell: Option<bool>,
    group: String,
    state: Option<String>,
    extended_state: Option<String>,
}

impl ScaleSetUpdate {
    /// Release v0.2.1 ignores the proxy and `disable_update`.
    pub(crate) fn read(body: &Body<'_>, version: GarmVersion) -> Result<Self, ApiRefusal> {
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let is_main = version == GarmVersion::Main;
        Ok(Self {
            template: body.number("template_id")?,
            proxy: body.number("proxy_id")?.filter(|_| is_main),
            extra_specs: body.raw("extra_specs").map(str::to_owned),
            os_type: text("os_type")?,
            name: text("name")?,
            disable_update: body.truth("disable_update")?.filter(|_| is_main),
            is_enabled: body.truth("enabled")?,
            max: body.number("max_runners")?,
            min_idle: body.number("min_idle_runners")?,
            timeout: body.number("runner_bootstrap_timeout")?,
            prefix: text("runner_prefix")?,
            image: text("image")?,
            flavor: text("flavor")?,
            os_arch: text("os_arch")?,
            has_shell: body.truth("enable_shell")?,
            // A POST and a GET call it `github-runner-group`.
            group: text("runner_group")?,
            state: body.text("state")?,
            extended_state: body.text("extended_state")?,
        })
    }

    /// `max_runners: 0` is accepted, unlike in a POST.
    pub(crate) fn check(&self, set: &ScaleSetRow) -> Result<(), ApiRefusal> {
        if self.timeout == Some(0) {
            return Err(ApiRefusal::bad("runner_bootstrap_timeout cannot be 0"));
        }
        if self.min_idle.unwrap_or(set.min_idle) > self.max.unwrap_or(set.max_runners) {
            return Err(ApiRefusal::bad("min_idle_runners cannot be larger than max_runners"));
        }
        Ok(())
    }

    /// The new name, if it differs.
    pub(crate) fn name_besides(&self, name: &str) -> Option<&str> {
        Some(self.name.as_str()).filter(|new| !new.is_empty() && *new != name)
    }

    /// The new runner group, if it differs.
    pub(crate) fn group_besides(&self, group: &str) -> Option<&str> {
        Some(self.group.as_str()).filter(|new| !new.is_empty() && *new != group)
    }

    /// Updates the row and returns whether anything changed. Accepts any OS and architecture.
    pub(crate) fn apply(&self, set: &mut ScaleSetRow, specs: Option<String>) -> bool {
        let outdates = [
            set_text(&mut set.image, &self.image),
            set_text(&mut set.flavor, &self.flavor),
            set_text(&mut set.os_type, &self.os_type),
            set_text(&mut set.os_arch, &self.os_arch),
            set_text(&mut set.group, &self.group),
            replace(&mut set.has_shell, self.has_shell),
            replace(&mut set.proxy, self.proxy),
            // Compared as text: the same JSON in other formatting is a change.
            replace(&mut set.extra_specs, specs.map(Some)),
        ];
        let keeps = [
            set_text(&mut set.name, &self.name),
            set_text(&mut set.prefix, &self.prefix),
            replace(&mut set.disable_update, self.disable_update),
            replace(&mut set.is_enabled, self.is_enabled),
            replace(&mut set.max_runners, self.max),
            replace(&mut set.min_idle, self.min_idle),
            replace(&mut set.timeout, self.timeout),
            replace(&mut set.template, self.template),
            replace(&mut set.state, self.state.clone()),
            replace(&mut set.extended_state, self.extended_state.clone()),
        ];
        let is_outdating = outdates.contains(&true);
        if is_outdating {
            set.generation += 1;
        }
        is_outdating || keeps.contains(&true)
    }
}
