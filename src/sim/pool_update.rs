//! Updates of a pool: which fields a PUT can change, and which of them make existing runners
//! outdated (GARM.md §b).

use super::body::Body;
use super::pool::PoolRow;
use super::reply::ApiRefusal;

/// The body of a PUT. As in GARM, an empty string means "unchanged".
#[derive(Debug, Default)]
pub(crate) struct PoolUpdate {
    pub(crate) tags: Vec<String>,
    pub(crate) template: Option<u64>,
    is_enabled: Option<bool>,
    max: Option<u64>,
    min_idle: Option<u64>,
    timeout: Option<u64>,
    priority: Option<u64>,
    prefix: String,
    image: String,
    flavor: String,
    os_type: String,
    os_arch: String,
    group: Option<String>,
    has_shell: Option<bool>,
    pub(crate) extra_specs: Option<String>,
    pub(crate) proxy: Option<u64>,
}

impl PoolUpdate {
    pub(crate) fn read(body: &Body<'_>) -> Result<Self, ApiRefusal> {
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        Ok(Self {
            tags: body.texts("tags")?.unwrap_or_default(),
            template: body.number("template_id")?,
            is_enabled: body.truth("enabled")?,
            max: body.number("max_runners")?,
            min_idle: body.number("min_idle_runners")?,
            timeout: body.number("runner_bootstrap_timeout")?,
            priority: body.number("priority")?,
            prefix: text("runner_prefix")?,
            image: text("image")?,
            flavor: text("flavor")?,
            os_type: text("os_type")?,
            os_arch: text("os_arch")?,
            group: body.text("github-runner-group")?,
            has_shell: body.truth("enable_shell")?,
            extra_specs: body.raw("extra_specs").map(str::to_owned),
            proxy: body.number("proxy_id")?,
        })
    }

    /// Checks minimum and maximum together, with the stored value of the one that is absent.
    pub(crate) fn check(&self, pool: &PoolRow) -> Result<(), ApiRefusal> {
        if self.timeout == Some(0) {
            return Err(ApiRefusal::bad("runner_bootstrap_timeout cannot be 0"));
        }
        let max = self.max.unwrap_or(pool.max_runners);
        if self.min_idle.unwrap_or(pool.min_idle) > max {
            return Err(ApiRefusal::bad("min_idle_runners cannot be larger than max_runners"));
        }
        Ok(())
    }

    /// The same update, in which a timeout of 0 means "unchanged".
    pub(crate) fn without_zero_timeout(self) -> Self {
        Self { timeout: self.timeout.filter(|minutes| *minutes > 0), ..self }
    }

    /// Updates the row except its tags, and returns whether anything changed. Accepts any OS and
    /// architecture.
    pub(crate) fn apply(&self, pool: &mut PoolRow) -> bool {
        let outdates = [
            set_text(&mut pool.image, &self.image),
            set_text(&mut pool.flavor, &self.flavor),
            set_text(&mut pool.os_type, &self.os_type),
            set_text(&mut pool.os_arch, &self.os_arch),
            set(&mut pool.group, self.group.clone()),
            set(&mut pool.has_shell, self.has_shell),
            set(&mut pool.proxy, self.proxy),
            // Compared as text: the same JSON in other formatting is a change.
            set(&mut pool.extra_specs, self.extra_specs.clone().map(Some)),
        ];
        let keeps = [
            set_text(&mut pool.prefix, &self.prefix),
            set(&mut pool.is_enabled, self.is_enabled),
            set(&mut pool.max_runners, self.max),
            set(&mut pool.min_idle, self.min_idle),
            set(&mut pool.timeout, self.timeout),
            set(&mut pool.priority, self.priority),
            set(&mut pool.template, self.template),
        ];
        let is_outdating = outdates.contains(&true);
        if is_outdating {
            pool.generation += 1;
        }
        is_outdating || keeps.contains(&true)
    }
}

/// Replaces a field, and returns whether that changed it.
pub(crate) fn set<T: PartialEq>(field: &mut T, value: Option<T>) -> bool {
    match value {
        Some(value) if value != *field => {
            *field = value;
            true
        }
        Some(_) | None => false,
    }
}

/// The same for a text; an empty text changes nothing.
pub(crate) fn set_text(field: &mut String, value: &str) -> bool {
    set(field, Some(value.to_owned()).filter(|text| !text.is_empty()))
}
