//! The alert rules: which of them fire, for which pool (DESIGN §6; R6).
//!
//! A rule watches one series. Where the series has a number per pool, each pool is judged for
//! itself. What is not known is not judged: while GARM cannot be read, nothing begins to fire and
//! nothing is over. A condition that was pending before goes on after an unknown time of at most
//! [`BRIDGE`], since a read that fails is no recovery; after a longer one it begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{AlertRule, AlertSeries, Threshold};
use crate::domain::duration;
use crate::domain::name::PoolName;
use crate::domain::text::code;

/// The longest unknown time that does not break a pending condition.
pub const BRIDGE: Duration = Duration::from_mins(2);

/// What a series shows.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesValue {
    /// One number for the fleet; absent while nobody knows it.
    Fleet(Option<f64>),
    /// A number for every managed pool; absent while nobody knows that pool's. A pool that is not
    /// in here is gone.
    Pools(BTreeMap<PoolName, Option<f64>>),
    /// Nobody knows it of any pool, nor which pools there are.
    Unknown,
}

/// What the series show at one moment. One that is not in here is unknown.
pub type SeriesValues = BTreeMap<AlertSeries, SeriesValue>;

/// An alert begins or ends.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertTransition {
    /// Name of the rule.
    pub rule: String,
    /// What it watches.
    pub series: AlertSeries,
    /// Which pool; absent for the fleet.
    pub pool: Option<PoolName>,
    /// Where it goes.
    pub status: AlertStatus,
    /// The number that was judged; at the end because of a removal, the last one.
    pub value: f64,
    /// Names of receivers; empty: all of them.
    pub receivers: Vec<String>,
    /// One sentence without full stop.
    pub summary: String,
    /// What to look at next.
    pub description: String,
}

/// Whether an alert begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertStatus {
    /// It fires.
    Firing {
        /// From when: the condition had lasted long enough then.
        since: Timestamp,
    },
    /// It is over.
    Resolved {
        /// Since when it was firing.
        since: Timestamp,
        /// When it ended.
        at: Timestamp,
    },
}

impl AlertStatus {
    /// Since when the alert is, or was, firing.
    pub fn since(self) -> Timestamp {
        match self {
            Self::Firing { since } | Self::Resolved { since, .. } => since,
        }
    }

    /// Whether the alert still fires.
    pub fn is_firing(self) -> bool {
        matches!(self, Self::Firing { .. })
    }

    /// The word that messages use for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Firing { .. } => "firing",
            Self::Resolved { .. } => "resolved",
        }
    }
}

/// An alert that fires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiringAlert<'a> {
    /// Name of the rule.
    pub rule: &'a str,
    /// Which pool; absent for the fleet.
    pub pool: Option<&'a PoolName>,
    /// Since when.
    pub since: Timestamp,
}

/// The rules in force and how each stands.
#[derive(Debug, Clone)]
pub struct AlertRules {
    rules: BTreeMap<String, RuleState>,
}

/// One rule and what it is about to do, or does.
#[derive(Debug, Clone)]
struct RuleState {
    rule: AlertRule,
    subjects: BTreeMap<Option<PoolName>, ConditionState>,
}

/// How a rule stands for one pool, while its condition holds or held when last known.
#[derive(Debug, Clone, Copy)]
struct ConditionState {
    /// Since when the condition holds.
    holds_since: Timestamp,
    /// Since when nobody knows whether it still does.
    unknown_since: Option<Timestamp>,
    value: f64,
    fires_since: Option<Timestamp>,
}

impl AlertRules {
    /// The rules of a fleet file, and those of [`AlertRule::built_in`] that it does not replace.
    pub fn new(rules: &[AlertRule]) -> Self {
        let mut all = Self { rules: BTreeMap::new() };
        for rule in in_force(rules) {
            let standing = RuleState { rule: rule.clone(), subjects: BTreeMap::new() };
            all.rules.insert(rule.name, standing);
        }
        all
    }

    /// Puts other rules in force at `now`. What fires under a rule that still watches the same
    /// series goes on, and is judged by the new bound from the next look on; under any other it
    /// is over.
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

    /// Judges every rule at `now`; returns what begins and what ends.
    pub fn evaluate(&mut self, readings: &SeriesValues, now: Timestamp) -> Vec<AlertTransition> {
        let mut turned = Vec::new();
        for standing in self.rules.values_mut() {
            let reading = readings.get(&standing.rule.when).unwrap_or(&SeriesValue::Unknown);
            standing.evaluate(reading, now, &mut turned);
        }
        turned
    }

    /// Everything that fires.
    pub fn firing(&self) -> impl Iterator<Item = FiringAlert<'_>> {
        self.rules.values().flat_map(|standing| {
            standing.subjects.iter().filter_map(|(pool, state)| {
                let rule = standing.rule.name.as_str();
                Some(FiringAlert { rule, pool: pool.as_ref(), since: state.fires_since? })
            })
        })
    }
}

/// The rules of a fleet file and the built-in ones that none of them replaces.
fn in_force(rules: &[AlertRule]) -> Vec<AlertRule> {
    let is_replaced = |it: &AlertRule| rules.iter().any(|rule| rule.name == it.name);
    let built_in = AlertRule::built_in().into_iter().filter(|it| !is_replaced(it));
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
                self.subjects.values_mut().for_each(|it| it.lose_sight(now));
            }
            SeriesValue::Fleet(value) => self.judge(None, *value, now, turned),
            SeriesValue::Pools(pools) => {
                for (pool, value) in pools {
                    self.judge(Some(pool), *value, now, turned);
                }
                let is_gone =
                    |it: &&Option<PoolName>| it.as_ref().is_some_and(|it| !pools.contains_key(it));
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
        let Some(value) = value.filter(|it| !it.is_nan()) else {
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

    /// The condition does not hold, or its pool is gone.
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

    /// Takes over what stood under a rule of the same name and series. Who is told no more hears
    /// the end, who is told from now on hears of what fires.
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
        let of = pool.map(|it| format!(" of pool {}", code(it.as_str()))).unwrap_or_default();
        let (side, bound) = match self.rule.bound {
            Threshold::Above(bound) => ("above", bound),
            Threshold::Below(bound) => ("below", bound),
        };
        // Whole numbers are shown as such; nobody acts on the rest.
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
    /// The condition holds at `now`.
    fn hold(&mut self, value: f64, now: Timestamp) {
        let is_broken = self.unknown_since.take().is_some_and(|it| span(it, now) > BRIDGE);
        if is_broken && self.fires_since.is_none() {
            self.holds_since = now;
        }
        // A clock that was set back must not make the wait longer than it is.
        self.holds_since = self.holds_since.min(now);
        self.value = value;
    }

    /// Nobody knows whether the condition holds at `now`.
    fn lose_sight(&mut self, now: Timestamp) {
        self.unknown_since = Some(self.unknown_since.map_or(now, |it| it.min(now)));
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
