//! Merges a pool with the defaults and checks that its values agree.

use std::collections::HashSet;
use std::time::Duration;

use super::declared::DeclaredPool;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::suggest;
use super::value::{LocatedValue, Mapping, Value};
use crate::domain::desired::{PoolSettings, ScalePolicy};
use crate::domain::duration;
use crate::domain::entity::{EntityKind, EntityRef};
use crate::domain::field::{Absent, FIELDS, GARM_ARCHITECTURES, GARM_SYSTEMS, LABELS_MAX, field};
use crate::domain::label::Labels;
use crate::domain::name::{PoolKind, PoolName};
use crate::domain::text::quote;

/// The fields that decide when GARM's own pools start runners and which of them does.
const OF_POOLS_ONLY: [&str; 6] = [
    "priority",
    "price",
    "scale_up_threshold",
    "scale_up_delay",
    "scale_up_target",
    "max_queue_wait",
];

/// The defaults of the fleet file.
#[derive(Debug, Clone)]
pub(super) enum Defaults {
    /// These fields; empty if there is no fleet file, or if it has no defaults.
    Known(Mapping),
    /// The fleet file could not be read, so the missing fields of pools are unknown.
    Unknown,
}

/// Merges pools with the defaults.
pub(super) struct Merger<'m> {
    pub(super) defaults: &'m Defaults,
    pub(super) diagnostics: &'m mut Diagnostics,
    /// Conflicts within the defaults themselves, reported once for all pools.
    reported: HashSet<(u32, u32)>,
}

impl<'m> Merger<'m> {
    pub(super) fn new(defaults: &'m Defaults, diagnostics: &'m mut Diagnostics) -> Self {
        Self { defaults, diagnostics, reported: HashSet::new() }
    }

    /// Merges one pool. Returns `None` if a part of it is missing or broken; that has then been
    /// reported.
    pub(super) fn merge(&mut self, own: &Mapping, at: FileSpan) -> Option<DeclaredPool> {
        self.required(own, at);
        let none = Mapping::default();
        let defaults = match self.defaults {
            Defaults::Known(mapping) => mapping,
            Defaults::Unknown => &none,
        };
        let merged = Merged { own, defaults };
        self.at_most_max(&merged, "min_runners", Code::MinOverMax);
        self.at_most_max(&merged, "min_idle_runners", Code::MinIdleOverMax);
        let pool = merged.pool()?;
        self.labels(&pool, own.key_at("labels").unwrap_or(at));
        self.kind(&pool, own);
        self.group(&pool, &merged);
        self.runners_exist(&merged);
        self.prefix_is_a_name(&pool, &merged);
        Some(pool)
    }

    fn labels(&mut self, pool: &DeclaredPool, at: FileSpan) {
        let diagnostic = match pool.labels.len() {
            0 if pool.kind == PoolKind::ScaleSet => return,
            0 => Diagnostic::error(
                Code::NoLabels,
                at,
                "the pool has no labels, so no job can request it",
            )
            .help("remove `labels` to use the pool's name as its label"),
            count if count > LABELS_MAX => {
                let message = format!(
                    "the pool has {count} labels: together with the three added to each runner, GitHub refuses its runners"
                );
                let help =
                    format!("GitHub accepts 100 labels per runner: keep at most {LABELS_MAX}");
                Diagnostic::error(Code::TooManyLabels, at, message).help(help)
            }
            _ => return,
        };
        self.diagnostics.report(diagnostic);
    }

    /// Reports fields that mean nothing for this kind of pool, if the pool itself sets them: defaults
    /// are for pools of all kinds.
    fn kind(&mut self, pool: &DeclaredPool, own: &Mapping) {
        if pool.kind == PoolKind::Pool {
            let Some(item) = own.get("scale_set_name") else { return };
            let message = "`scale_set_name` is set, but the pool is not a scale set";
            let diagnostic = Diagnostic::error(Code::ScaleSetName, item.at, message)
                .help("add `kind: scale_set`, or remove the line");
            return self.diagnostics.report(diagnostic);
        }
        let listed = OF_POOLS_ONLY.iter().filter_map(|key| Some((key, own.get(key)?)));
        for (key, item) in listed {
            let message = format!("`{key}` has no effect on a scale set");
            let diagnostic = Diagnostic::warning(Code::NotForScaleSets, item.at, message).help(
                "GitHub assigns jobs to a scale set at once, up to `max_runners`: limit it with that, and remove the line",
            );
            self.diagnostics.report(diagnostic);
        }
    }

    /// Reports a runner group that GARM ignores.
    fn group(&mut self, pool: &DeclaredPool, merged: &Merged<'_>) {
        let is_repository =
            pool.entity.as_ref().is_some_and(|entity| entity.kind == EntityKind::Repository);
        let named = pool.runner_group.as_ref().is_some_and(|group| !group.is_empty());
        let Some(item) = merged.own.get("runner_group").filter(|_| is_repository && named) else {
            return;
        };
        let message = "a repository has no runner groups: GARM ignores this one";
        let diagnostic = Diagnostic::warning(Code::NoRunnerGroups, item.at, message)
            .help("runner groups belong to an organization or an enterprise; remove the line");
        self.diagnostics.report(diagnostic);
    }

    /// Reports values for which GARM creates no runners: a problem of the pool, not of the fleet.
    fn runners_exist(&mut self, merged: &Merged<'_>) {
        for (key, known) in [("os_type", GARM_SYSTEMS), ("os_arch", GARM_ARCHITECTURES)] {
            let Some(item) = merged.item(key) else { continue };
            let Some(word) = item.text().filter(|word| !known.contains(word)) else { continue };
            let place = (item.at.span.start, item.at.span.end);
            if !merged.own.has(key) && !self.reported.insert(place) {
                continue;
            }
            let message =
                format!("GARM creates no runners for `{key}: {word}`: `plan` blocks the pool");
            let diagnostic = Diagnostic::warning(Code::NoSuchRunners, item.at, message)
                .help(format!("use one of {}, or remove the pool", suggest::listed(known)));
            self.diagnostics.report(diagnostic);
        }
    }

    /// Reports a prefix that GARM and GitHub accept, but that most providers refuse in the name of
    /// a VM.
    fn prefix_is_a_name(&mut self, pool: &DeclaredPool, merged: &Merged<'_>) {
        let Some(item) = merged.item("runner_prefix") else { return };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let Some(odd) = pool.runner_prefix.chars().find(|c| !fits(*c)) else { return };
        let place = (item.at.span.start, item.at.span.end);
        if !merged.own.has("runner_prefix") && !self.reported.insert(place) {
            return;
        }
        let what = if odd == ' ' {
            "a space".to_owned()
        } else {
            format!("`{}`", quote(&odd.to_string()))
        };
        let message =
            format!("`runner_prefix` contains {what}: most providers refuse a VM with such a name");
        let diagnostic = Diagnostic::warning(Code::RunnerPrefix, item.at, message);
        self.diagnostics
            .report(diagnostic.help("letters, digits, `-`, `_` and `.` work everywhere"));
    }

    /// Reports missing fields that the pool or the defaults must set.
    fn required(&mut self, own: &Mapping, at: FileSpan) {
        let Defaults::Known(defaults) = self.defaults else { return };
        for field in
            FIELDS.iter().filter(|field| field.absent == Absent::Required && field.in_defaults)
        {
            if own.has(field.key) || defaults.has(field.key) || own.is_misspelt(field.key) {
                continue;
            }
            let message = format!("the pool is missing `{}`", field.key);
            let help = format!("`{}`: {}", field.key, field.help);
            self.diagnostics.report(Diagnostic::error(Code::MissingKey, at, message).help(help));
        }
    }

    fn at_most_max(&mut self, merged: &Merged<'_>, key: &'static str, code: Code) {
        let (Some(low), Some(high)) = (merged.item(key), merged.item("max_runners")) else {
            return;
        };
        let (Value::Number(least), Value::Number(most)) = (&low.value, &high.value) else { return };
        let mut is_new = || self.reported.insert((low.at.span.start, high.at.span.start));
        let is_own = merged.own.has(key) || merged.own.has("max_runners");
        if least <= most || !(is_own || is_new()) {
            return;
        }
        let message = format!("`{key}` ({least}) is greater than `max_runners` ({most})");
        let diagnostic = Diagnostic::error(code, low.at, message)
            .label(format!("at least {least}"))
            .context(high.at, format!("at most {most}"))
            .help(format!("lower this to {most}, or raise `max_runners`"));
        self.diagnostics.report(diagnostic);
    }
}

impl Mapping {
    /// Whether one of the unknown keys was probably meant as `key`.
    fn is_misspelt(&self, key: &str) -> bool {
        self.unknown_keys().iter().any(|unknown| suggest::near(unknown, &[key]).is_some())
    }
}

/// A pool on top of the defaults.
struct Merged<'m> {
    own: &'m Mapping,
    defaults: &'m Mapping,
}

impl<'m> Merged<'m> {
    fn item(&self, key: &str) -> Option<&'m LocatedValue> {
        self.own.get(key).or_else(|| self.defaults.get(key))
    }

    fn value(&self, key: &str) -> Option<&'m Value> {
        self.item(key).map(|item| &item.value)
    }

    fn is_broken(&self) -> bool {
        let broken =
            |mapping: &Mapping| mapping.iter().any(|item| matches!(item.1.value, Value::Broken));
        broken(self.own) || broken(self.defaults)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.item(key)?.text().map(str::to_owned)
    }

    /// A text field that has a default.
    fn word(&self, key: &str) -> String {
        self.text(key).unwrap_or_else(|| default(key).to_owned())
    }

    fn number(&self, key: &str) -> Option<u32> {
        match self.value(key) {
            Some(Value::Number(number)) => u32::try_from(*number).ok(),
            Some(_) => None,
            None => default(key).parse().ok(),
        }
    }

    fn flag(&self, key: &str) -> bool {
        match self.value(key) {
            Some(Value::Flag(flag)) => *flag,
            Some(_) | None => default(key) == "true",
        }
    }

    fn kind(&self) -> PoolKind {
        PoolKind::from_word(&self.word("kind")).unwrap_or_default()
    }

    /// `None` leaves it as it is in GARM.
    fn enabled(&self) -> Option<bool> {
        match self.value("enabled") {
            Some(Value::Unmanaged) => None,
            Some(_) | None => Some(self.flag("enabled")),
        }
    }

    /// GitHub has no runner groups for repositories, so the default is ignored there.
    fn runner_group(&self) -> Option<String> {
        let is_repository =
            self.entity().is_some_and(|entity| entity.kind == EntityKind::Repository);
        if is_repository { self.own.text("runner_group") } else { self.text("runner_group") }
    }

    /// A duration that has a default; `None` for `off`.
    fn duration(&self, key: &str) -> Option<Duration> {
        match self.value(key) {
            Some(Value::Duration(duration)) => Some(*duration),
            Some(_) => None,
            None => duration::parse(default(key)).ok(),
        }
    }

    /// The pool, if nothing in it is missing or broken.
    fn pool(&self) -> Option<DeclaredPool> {
        if self.is_broken() {
            return None;
        }
        let name = PoolName::new(&self.text("name")?).ok()?;
        let timeout_min = self.duration("bootstrap_timeout")?.as_secs() / 60;
        Some(DeclaredPool {
            garm: None,
            entity: self.entity(),
            provider: self.text("provider"),
            image: self.text("image"),
            settings: PoolSettings {
                kind: self.kind(),
                scale_set_name: self.text("scale_set_name"),
                instance_type: self.text("instance_type")?,
                labels: self.labels(&name),
                os_type: self.word("os_type"),
                os_arch: self.word("os_arch"),
                enabled: self.enabled(),
                runner_prefix: self.text("runner_prefix").unwrap_or_else(|| name.to_string()),
                runner_group: self.runner_group(),
                bootstrap_timeout_min: u32::try_from(timeout_min).ok()?,
                priority: self.number("priority")?,
                template: self.text("template"),
                proxy: self.text("proxy"),
                enable_shell: self.flag("enable_shell"),
                extra_specs: self.extra_specs(),
                scale: self.scale()?,
                adopt: self.text("adopt"),
                name,
            },
        })
    }

    fn scale(&self) -> Option<ScalePolicy> {
        Some(ScalePolicy {
            min_runners: self.number("min_runners")?,
            max_runners: self.number("max_runners")?,
            min_idle_runners: self.number("min_idle_runners")?,
            scale_up_threshold: self.number("scale_up_threshold")?,
            scale_up_delay: self.duration("scale_up_delay")?,
            scale_up_target: self.number("scale_up_target")?,
            scale_down_delay: self.duration("scale_down_delay")?,
            max_queue_wait: self.duration("max_queue_wait"),
            boot_grace: self.duration("boot_grace")?,
            failed_runner_grace: self.duration("failed_runner_grace")?,
            stale_job_age: self.duration("stale_job_age")?,
            autoscale: self.flag("autoscale"),
            price: self.value("price").and_then(Value::price),
            // The fleet file says which pools are in a group.
            group: None,
        })
    }

    /// An entity in the pool replaces the default one, including its endpoint.
    fn entity(&self) -> Option<EntityRef> {
        let named = |mapping: &Mapping| {
            EntityKind::ALL.into_iter().find_map(|kind| Some((kind, mapping.text(kind.word())?)))
        };
        let own = named(self.own);
        let endpoint = match own {
            Some(_) => self.own.text("endpoint"),
            None => self.text("endpoint"),
        };
        let (kind, name) = own.or_else(|| named(self.defaults))?;
        Some(EntityRef { kind, name, endpoint })
    }

    fn labels(&self, name: &PoolName) -> Labels {
        let of = |mapping: &'m Mapping| match mapping.value("labels") {
            Some(Value::Labels(labels)) => Some(labels),
            Some(_) | None => None,
        };
        let mut labels = Labels::new();
        if self.flag("default_labels") {
            labels = of(self.defaults).cloned().unwrap_or_default();
        }
        match of(self.own) {
            Some(own) => own.iter().for_each(|label| labels.insert(label)),
            None if self.kind() == PoolKind::Pool => labels.insert(name.as_str()),
            // Jobs request a scale set by its name.
            None => {}
        }
        labels
    }

    /// Merged by top-level key; `null` removes a key.
    fn extra_specs(&self) -> serde_json::Map<String, serde_json::Value> {
        let of = |mapping: &Mapping| match mapping.value("extra_specs") {
            Some(Value::Specs(map, _)) => map.clone(),
            Some(_) | None => serde_json::Map::new(),
        };
        let mut merged = of(self.defaults);
        merged.extend(of(self.own));
        merged.retain(|_, value| !value.is_null());
        merged
    }
}

/// The default in the table of fields, as it would be written.
fn default(key: &str) -> &'static str {
    match field(key).map(|field| field.absent) {
        Some(Absent::Default(value)) => value,
        Some(
            Absent::Required
            | Absent::NeededForPlan
            | Absent::Derived(_)
            | Absent::LeftAlone
            | Absent::Nothing,
        )
        | None => "",
    }
}
