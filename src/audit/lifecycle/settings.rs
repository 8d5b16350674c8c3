//! Records changes of pools and of GARM's own settings by others. This process's own changes are
//! recorded as intents and outcomes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::entry::{Entry, Fidelity, Initiator, PoolOwner, Subject};
use super::super::pool_fields::{self, SPECS};
use super::record_builder::{OwnedSubject, RecordBuilder};
use super::runner_history::RunnerHistory;
use super::{EventTime, WRITE_MEMORY};
use crate::domain::fleet::{Controller, Fleet};
use crate::domain::name::{PoolId, PoolName};
use crate::domain::pool::{Pool, PoolDetail};
use crate::domain::text::quote;

/// The number of this process's writes to a pool that are remembered, to explain later changes.
const ASKED_MAX: usize = 16;

/// The number of deleted pools that are remembered for late events.
const GONE_MAX: usize = 1_024;

/// The pools and the controller, as they were last observed.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pools: BTreeMap<PoolId, KnownPool>,
    gone: VecDeque<PoolId>,
    controller: Option<Value>,
    /// Recent writes of this process by pool; `None` stands for GARM's own settings.
    asked: HashMap<Option<PoolId>, VecDeque<RequestedChange>>,
    has_read: bool,
}

#[derive(Debug)]
struct KnownPool {
    name: Option<PoolName>,
    owner: PoolOwner,
    /// All fields, `extra_specs` as a digest.
    image: Value,
    updated_at: Timestamp,
}

/// A write of this process.
#[derive(Debug)]
struct RequestedChange {
    at: Timestamp,
    /// The requested values; `None` for a deletion.
    fields: Option<Value>,
}

impl Settings {
    /// The subject of a record about a runner, and its owner.
    pub(super) fn subject(&self, id: &str, life: &RunnerHistory) -> OwnedSubject {
        let pool = life.pool.as_ref().and_then(|id| self.pools.get(id));
        let subject = Subject::Instance {
            id: id.to_owned(),
            name: life.name.clone(),
            pool: pool.and_then(|pool| pool.name.clone()),
            pool_id: life.pool.clone(),
        };
        OwnedSubject(subject, pool.map_or(PoolOwner::Others, |pool| pool.owner))
    }

    /// Remembers an intent of this process.
    pub(super) fn asked(&mut self, entry: &Entry) {
        let target = match &entry.subject {
            Subject::Pool { id: Some(id), .. } => Some(id.clone()),
            Subject::Controller => None,
            Subject::Pool { id: None, .. }
            | Subject::Log
            | Subject::Credential { .. }
            | Subject::Runner { .. }
            | Subject::Instance { .. }
            | Subject::OtherPool(_) => return,
        };
        let asked = self.asked.entry(target).or_default();
        if asked.len() >= ASKED_MAX {
            asked.pop_front();
        }
        asked.push_back(RequestedChange { at: entry.time, fields: entry.after.clone() });
    }

    pub(super) fn read(
        &mut self,
        fleet: &Fleet,
        builder: &RecordBuilder,
        moment: EventTime,
        entries: &mut Vec<Entry>,
    ) {
        self.see_controller(&fleet.controller, builder, moment, entries);
        // A pool that a read lists exists, even if an event reported it as deleted.
        self.gone.clear();
        for pool in &fleet.pools {
            self.see_pool(pool, builder, moment, entries);
        }
        let is_lost = |id: &&PoolId| fleet.pool(id).is_none();
        let lost: Vec<PoolId> = self.pools.keys().filter(is_lost).cloned().collect();
        for id in lost {
            self.lose_pool(&id, builder, moment, entries);
        }
        self.has_read = true;
    }

    fn see_controller(
        &mut self,
        controller: &Controller,
        builder: &RecordBuilder,
        moment: EventTime,
        entries: &mut Vec<Entry>,
    ) {
        let image = controller_image(controller);
        let Some(before) = self.controller.replace(image.clone()) else { return };
        let changed = self.unexplained(None, &before, &image);
        if !changed.is_empty() {
            let subject = OwnedSubject(Subject::Controller, PoolOwner::Others);
            let entry = builder.event(
                moment,
                "controller changed",
                subject,
                (Initiator::Unknown, Fidelity::Exact),
            );
            entries.push(difference(entry, &changed, &before, &image));
        }
    }

    pub(super) fn see_pool(
        &mut self,
        pool: &Pool,
        builder: &RecordBuilder,
        moment: EventTime,
        entries: &mut Vec<Entry>,
    ) {
        let known = self.pools.get(&pool.id);
        if self.gone.contains(&pool.id)
            || known.is_some_and(|known| known.updated_at > pool.updated_at)
        {
            return;
        }
        let fresh = KnownPool {
            name: pool.owned_name(&builder.fleet),
            owner: builder.owner(pool),
            image: image(pool, known),
            updated_at: pool.updated_at,
        };
        let subject = OwnedSubject(subject(&pool.id, fresh.name.as_ref()), fresh.owner);
        match known {
            None if moment.source == super::Source::Resync && !self.has_read => {}
            None => {
                let entry = builder.event(
                    moment,
                    "pool created",
                    subject,
                    (Initiator::Unknown, Fidelity::Exact),
                );
                entries.push(Entry { after: Some(fresh.image.clone()), ..entry });
            }
            Some(known) => {
                let changed = self.unexplained(Some(&pool.id), &known.image, &fresh.image);
                if !changed.is_empty() {
                    let seen = (Initiator::Unknown, Fidelity::Exact);
                    let entry = builder.event(moment, "pool changed", subject, seen);
                    entries.push(difference(entry, &changed, &known.image, &fresh.image));
                }
            }
        }
        self.pools.insert(pool.id.clone(), fresh);
    }

    pub(super) fn lose_pool(
        &mut self,
        id: &PoolId,
        builder: &RecordBuilder,
        moment: EventTime,
        entries: &mut Vec<Entry>,
    ) {
        let Some(known) = self.pools.remove(id) else { return };
        if self.gone.len() >= GONE_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back(id.clone());
        let subject = subject(id, known.name.as_ref());
        let asked = self.asked.get(&Some(id.clone()));
        let is_ours =
            asked.is_some_and(|changes| changes.iter().any(|change| change.fields.is_none()));
        let by = if is_ours { Initiator::Us } else { Initiator::Unknown };
        let owned = OwnedSubject(subject, known.owner);
        let entry = builder.event(moment, "pool gone", owned, (by, Fidelity::Exact));
        entries.push(Entry { before: Some(known.image), ..entry });
    }

    /// The keys of the fields that differ and whose new value was not requested by a recent write
    /// of this process.
    fn unexplained(&self, pool: Option<&PoolId>, before: &Value, after: &Value) -> Vec<String> {
        let none = VecDeque::new();
        let asked = self.asked.get(&pool.cloned()).unwrap_or(&none);
        let is_asked = |key: &str| {
            let mut requested = asked.iter().filter_map(|change| change.fields.as_ref());
            requested.any(|fields| fields.get(key) == after.get(key))
        };
        let members = [before, after].into_iter().filter_map(Value::as_object);
        let all: BTreeSet<&String> = members.flat_map(Map::keys).collect();
        // When `extra_specs` are read for the first time, it is unknown whether they have changed.
        let is_unread = |key: &str| key == SPECS && before[SPECS].is_null();
        let is_news = |key: &&&String| {
            before.get(**key) != after.get(**key) && !is_asked(key) && !is_unread(key)
        };
        all.into_iter().filter(|key| is_news(&key)).cloned().collect()
    }

    pub(super) fn forget(&mut self, now: Timestamp) {
        self.asked.retain(|_, asked| {
            asked.retain(|change| now.duration_since(change.at) < WRITE_MEMORY);
            !asked.is_empty()
        });
    }
}

/// All fields of a pool. Those that GARM's lists leave out keep their last known value.
fn image(pool: &Pool, known: Option<&KnownPool>) -> Value {
    let mut image = pool_fields::all(&pool.spec);
    if pool.detail == PoolDetail::Listed {
        image[SPECS] = known.map_or(Value::Null, |known| known.image[SPECS].clone());
    }
    image
}

fn subject(id: &PoolId, name: Option<&PoolName>) -> Subject {
    match name {
        Some(name) => Subject::Pool { name: name.clone(), id: Some(id.clone()) },
        None => Subject::OtherPool(id.clone()),
    }
}

fn difference(entry: Entry, keys: &[String], before: &Value, after: &Value) -> Entry {
    let only = |image: &Value| {
        let members = keys.iter().filter_map(|key| Some((key.clone(), image.get(key)?.clone())));
        Some(Value::Object(members.collect()))
    };
    Entry { before: only(before), after: only(after), ..entry }
}

fn controller_image(controller: &Controller) -> Value {
    json!({
        "id": quote(&controller.id),
        "version": quote(&controller.version),
        "minimum_job_age_backoff_s": controller.backoff.as_secs(),
        "metadata_url": quote(&controller.metadata_url),
        "callback_url": quote(&controller.callback_url),
        "webhook_url": quote(&controller.webhook_url),
    })
}
