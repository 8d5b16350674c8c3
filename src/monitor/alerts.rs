//! Evaluates the alert rules (DESIGN §6; R6).
//!
//! A rule watches one series. If the series has a value per pool, each pool is evaluated
//! separately. Unknown values are not evaluated: while GARM cannot be read, no alert starts or
//! ends. A pending condition continues after an unknown period of at most [`BRIDGE`], since a
//! failed read is not a recovery; after a longer period it starts again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{AlertRule, AlertSeries, Threshold};
use crate::domain::duration;
use crate::domain::name::PoolName;
use crate::domain::text::code;
use crate::election::FiredAlert;

/// The maximum length of an unknown period after which a pending condition continues.
pub const BRIDGE: Duration = Duration::from_mins(2);

/// The value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesValue {
    /// One number for the fleet; `None` while it is unknown.
    Fleet(Option<f64>),
    /// One number per managed pool; `None` while it is unknown. Pools that are missing here no
    /// longer exist.
    Pools(BTreeMap<PoolName, Option<f64>>),
    /// Unknown for all pools; it is also unknown which pools exist.
    Unknown,
}

/// The values of the series at one time; a missing series is unknown.
pub type SeriesValues = BTreeMap<AlertSeries, SeriesValue>;

/// The start or end of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertTransition {
    pub rule: String,
    pub series: AlertSeries,
    /// `None` for the whole fleet.
    pub pool: Option<PoolName>,
    pub status: AlertStatus,
    /// The value at that time; the last known value if the alert ended because its pool or rule was
    /// removed.
    pub value: f64,
    /// Names of receivers; empty for all of them.
    pub receivers: Vec<String>,
    /// One sentence without a full stop.
    pub summary: String,
    /// What to look at next, as one sentence.
    pub description: String,
}

/// Whether an alert begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertStatus {
    Firing {
        /// When the condition had lasted as long as the rule requires.
        since: Timestamp,
    },
    Resolved {
        /// When the alert had started.
        since: Timestamp,
        at: Timestamp,
    },
}

impl AlertStatus {
    pub fn since(self) -> Timestamp {
        match self {
            Self::Firing { since } | Self::Resolved { since, .. } => since,
        }
    }

    pub fn is_firing(self) -> bool {
        matches!(self, Self::Firing { .. })
    }

    /// The word used in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Firing { .. } => "firing",
            Self::Resolved { .. } => "resolved",
        }
    }
}

/// All active rules and the state of their conditions.
#[derive(Debug, Clone)]
pub struct AlertRules {
    rules: BTreeMap<String, RuleState>,
}

/// A rule with the pools for which its condition holds.
#[derive(Debug, Clone)]
struct RuleState {
    rule: AlertRule,
    subjects: BTreeMap<Option<PoolName>, ConditionState>,
}

/// The state of a rule for one pool while its condition holds, or held when last known.
#[derive(Debug, Clone, Copy)]
struct ConditionState {
    holds_since: Timestamp,
    /// When it became unknown whether the condition still holds.
    unknown_since: Option<Timestamp>,
    value: f64,
    fires_since: Option<Timestamp>,
}

impl AlertRules {
    /// Activates the rules of a fleet file, and those of [`AlertRule::built_in`] that it does not
    /// replace.
    pub fn new(rules: &[AlertRule]) -> Self {
        let mut all = Self { rules: BTreeMap::new() };
        for rule in in_force(rules) {
            let standing = RuleState { rule: rule.clone(), subjects: BTreeMap::new() };
            all.rules.insert(rule.name, standing);
        }
        all
    }

    /// Replaces the rules at `now`. Alerts of a rule that still watches the same series continue,
    /// with the new threshold from the next evaluation on; all others end.
    pub fn reload(&mut self, rules: &[AlertRule], now: Timestamp) -> Vec<AlertTransition> {
        let mut ended = Vec::new();
        let mut old = std::mem::take(&mut self.rules);
        for rule in in_force(rules) {
            let name = rule.name.clone();
            let mut standing = RuleState { rule, subjects: BTreeMap::new() };
            if let Some(before) = old.remove(&name) {
                match before.rule.when == standing.rule.when {
                    true => standing.inherit(before, now, &mut ended),
                    false => before.end_all(now, &mut ended),
                }
            }
            self.rules.insert(name, standing);
        }
        for standing in old.into_values() {
            standing.end_all(now, &mut ended);
        }
        ended
    }

    /// Takes over alerts that another process has sent: they fire since then, and their next evaluation
    /// shows whether they still do. Alerts of rules that do not exist here are left out.
    pub fn take_over(&mut self, fired: &[FiredAlert], now: Timestamp) {
        for alert in fired {
            let Some(standing) = self.rules.get_mut(&alert.rule) else { continue };
            let pool = match alert.pool.as_deref().map(PoolName::new) {
                Some(Ok(pool)) => Some(pool),
                None => None,
                Some(Err(_)) => continue,
            };
            let unseen = ConditionState {
                holds_since: alert.since.min(now),
                unknown_since: Some(now),
                value: f64::NAN,
                fires_since: None,
            };
            standing.subjects.entry(pool).or_insert(unseen).fires_since = Some(alert.since);
        }
    }

    /// Evaluates every rule at `now`; returns the alerts that start or end.
    pub fn evaluate(&mut self, readings: &SeriesValues, now: Timestamp) -> Vec<AlertTransition> {
        let mut turned = Vec::new();
        for standing in self.rules.values_mut() {
            let reading = readings.get(&standing.rule.when).unwrap_or(&SeriesValue::Unknown);
            standing.evaluate(reading, now, &mut turned);
        }
        turned
    }

    /// The firing alerts, each with the last evaluated value.
    pub fn firing(&self) -> impl Iterator<Item = AlertTransition> {
        self.rules.values().flat_map(|standing| {
            standing.subjects.iter().filter_map(|(pool, state)| {
                let status = AlertStatus::Firing { since: state.fires_since? };
                Some(standing.transition(pool.as_ref(), status, state.value))
            })
        })
    }
}

/// The rules of a fleet file, and the built-in ones that it does not replace.
fn in_force(rules: &[AlertRule]) -> Vec<AlertRule> {
    let is_replaced = |built_in: &AlertRule| rules.iter().any(|rule| rule.name == built_in.name);
    let built_in = AlertRule::built_in().into_iter().filter(|built_in| !is_replaced(built_in));
    built_in.chain(rules.iter().cloned()).collect()
}

impl RuleState {
    fn evaluate(
        &mut self,
        reading: &SeriesValue,
        now: Timestamp,
        turned: &mut Vec<AlertTransition>,
    ) {
        match reading {
            SeriesValue::Unknown => {
                self.subjects.values_mut().for_each(|condition| condition.lose_sight(now));
            }
            SeriesValue::Fleet(value) => self.judge(None, *value, now, turned),
            SeriesValue::Pools(pools) => {
                for (pool, value) in pools {
                    self.judge(Some(pool), *value, now, turned);
                }
                let is_gone = |name: &&Option<PoolName>| {
                    name.as_ref().is_some_and(|name| !pools.contains_key(name))
                };
                let gone: BTreeSet<_> = self.subjects.keys().filter(is_gone).cloned().collect();
                for pool in gone {
                    self.end(pool.as_ref(), None, now, turned);
                }
            }
        }
    }

    fn judge(
        &mut self,
        pool: Option<&PoolName>,
        value: Option<f64>,
        now: Timestamp,
        turned: &mut Vec<AlertTransition>,
    ) {
        let Some(value) = value.filter(|value| !value.is_nan()) else {
            if let Some(state) = self.subjects.get_mut(&pool.cloned()) {
                state.lose_sight(now);
            }
            return;
        };
        if !holds(self.rule.bound, value) {
            self.end(pool, Some(value), now, turned);
            return;
        }
        let fresh =
            ConditionState { holds_since: now, unknown_since: None, value, fires_since: None };
        let lasting = self.rule.lasting;
        let state = self.subjects.entry(pool.cloned()).or_insert(fresh);
        state.hold(value, now);
        if state.fires_since.is_none() && span(state.holds_since, now) >= lasting {
            state.fires_since = Some(now);
            let status = AlertStatus::Firing { since: now };
            turned.push(self.transition(pool, status, value));
        }
    }

    /// Ends the condition, because it no longer holds or its pool is gone.
    fn end(
        &mut self,
        pool: Option<&PoolName>,
        value: Option<f64>,
        now: Timestamp,
        turned: &mut Vec<AlertTransition>,
    ) {
        let Some(state) = self.subjects.remove(&pool.cloned()) else { return };
        if let Some(since) = state.fires_since {
            let status = AlertStatus::Resolved { since, at: now.max(since) };
            turned.push(self.transition(pool, status, value.unwrap_or(state.value)));
        }
    }

    fn end_all(mut self, now: Timestamp, turned: &mut Vec<AlertTransition>) {
        let all: Vec<_> = self.subjects.keys().cloned().collect();
        for pool in all {
            self.end(pool.as_ref(), None, now, turned);
        }
    }

    /// Takes over the states of the previous rule with the same name and series. If the receivers
    /// differ, the previous ones are notified of the end, and the new ones of the firing alerts.
    fn inherit(&mut self, before: Self, now: Timestamp, turned: &mut Vec<AlertTransition>) {
        self.subjects.clone_from(&before.subjects);
        if before.rule.notify == self.rule.notify {
            return;
        }
        before.end_all(now, turned);
        for (pool, state) in &self.subjects {
            if let Some(since) = state.fires_since {
                let status = AlertStatus::Firing { since };
                turned.push(self.transition(pool.as_ref(), status, state.value));
            }
        }
    }

    fn transition(
        &self,
        pool: Option<&PoolName>,
        status: AlertStatus,
        value: f64,
    ) -> AlertTransition {
        AlertTransition {
            rule: self.rule.name.clone(),
            series: self.rule.when,
            pool: pool.cloned(),
            status,
            value,
            receivers: self.rule.notify.clone(),
            summary: self.summary(pool, status, value),
            description: self.rule.when.advice().to_owned(),
        }
    }

    fn summary(&self, pool: Option<&PoolName>, status: AlertStatus, value: f64) -> String {
        let series = code(self.rule.when.word());
        let of = pool.map(|pool| format!(" of pool {}", code(pool.as_str()))).unwrap_or_default();
        let (side, bound) = match self.rule.bound {
            Threshold::Above(bound) => ("above", bound),
            Threshold::Below(bound) => ("below", bound),
        };
        // A fraction does not help the reader.
        let value = value.round();
        match status {
            AlertStatus::Firing { .. } if self.rule.lasting.is_zero() => {
                format!("{series}{of} is {value}, {side} {bound}")
            }
            AlertStatus::Firing { .. } => {
                let lasting = duration::format(self.rule.lasting);
                format!("{series}{of} is {value}, {side} {bound} for {lasting}")
            }
            AlertStatus::Resolved { since, at } => {
                let lasted = duration::format(span(since, at));
                format!("{series}{of} is {value}, no longer {side} {bound} after {lasted}")
            }
        }
    }
}

impl ConditionState {
    /// Records that the condition holds at `now`.
    fn hold(&mut self, value: f64, now: Timestamp) {
        let is_broken = self.unknown_since.take().is_some_and(|since| span(since, now) > BRIDGE);
        if is_broken && self.fires_since.is_none() {
            self.holds_since = now;
        }
        // If the clock was set back, the required time must not become longer.
        self.holds_since = self.holds_since.min(now);
        self.value = value;
    }

    /// Records that it is unknown at `now` whether the condition holds.
    fn lose_sight(&mut self, now: Timestamp) {
        self.unknown_since = Some(self.unknown_since.map_or(now, |since| since.min(now)));
    }
}

fn holds(bound: Threshold, value: f64) -> bool {
    match bound {
        Threshold::Above(bound) => value > f64::from(bound),
        Threshold::Below(bound) => value < f64::from(bound),
    }
}

fn span(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
