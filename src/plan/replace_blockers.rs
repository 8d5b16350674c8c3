//! What prevents a replace whose end an interruption could change.

use super::blocker::Blocker;
use super::context::PlanContext;
use super::diff::{self, LevelOwner};
use super::resolve::ResolvedPool;
use super::step::{Creation, FieldChange, ShownValue};
use crate::domain::name::PoolKind;
use crate::domain::pool::Pool;
use crate::domain::text::{LISTED_MAX, code, list};

impl PlanContext<'_> {
    /// A plan for a part of the fleet deletes no leftover of an interrupted create. If it replaced
    /// the pool in force beside one and were interrupted after retiring that pool, the next run
    /// would find only the leftover under this name and take it for the pool in force.
    pub(super) fn twin_in_the_way<'p>(
        &self,
        resolved: &ResolvedPool<'_>,
        old: &'p Pool,
    ) -> Option<Blocker<'p>> {
        let is_twin = |pool: &&&Pool| pool.owned_name(&self.resolver.desired.fleet).is_some();
        let twin = resolved.leftovers.iter().find(is_twin).filter(|_| !self.is_whole())?;
        let reason = format!(
            "would be replaced, but an interrupted create has left the pool {} with the same label",
            code(twin.id.as_str())
        );
        let help = "plan the whole fleet, without `--target` and `-f FILE`, which deletes the leftover first";
        Some(Blocker::new(reason).at(old).help(help))
    }

    /// Blocks a replace by a scale set that an interruption would change: values that the file leaves
    /// to GARM and that only the old one has. Once the old one is deleted, or if no write after the
    /// POST shows that the new one is meant to be disabled, the next run cannot know them.
    pub(super) fn lost_if_interrupted<'p>(
        &self,
        resolved: &ResolvedPool<'_>,
        old: &'p Pool,
        new: &Creation,
    ) -> Option<Blocker<'p>> {
        if new.spec.kind() == PoolKind::Pool {
            return None;
        }
        let later = self.creation(resolved, &new.entity, None).spec;
        let found = diff::difference(&later, &new.spec, LevelOwner::Manifest, &self.show);
        let is_lost = |change: &&FieldChange| match change.field.as_str() {
            "enabled" => true,
            // GARM assigns its own template again.
            "template" => old.kind() == PoolKind::ScaleSet && self.has_other_template(new),
            _ => old.kind() == PoolKind::ScaleSet,
        };
        let lost: Vec<&FieldChange> = found.changes.iter().filter(is_lost).collect();
        if lost.is_empty() {
            return None;
        }
        let fields = list(lost.iter().map(|change| code(&change.field)), LISTED_MAX);
        let values = list(lost.iter().map(|change| code(self.as_declared(change))), LISTED_MAX);
        let reason = format!(
            "would be replaced, but an interruption would lose {fields}, which the file leaves to GARM"
        );
        let help = format!("declare {values}, and apply again");
        Some(Blocker::new(reason).at(old).help(help))
    }

    fn has_other_template(&self, new: &Creation) -> bool {
        let read = new.spec.template_id.and_then(|id| self.resolver.index.template_with(id));
        read.is_some_and(|template| !template.is_system)
    }

    /// The value after a change as a line of a pool file. Templates and proxies have names there,
    /// which are left out if they were not read.
    fn as_declared(&self, change: &FieldChange) -> String {
        let index = &self.resolver.index;
        let name = match (change.field.as_str(), &change.after) {
            ("template", ShownValue::Value(id)) => {
                id.as_u64().and_then(|id| index.template_with(id)).map(|template| &template.name)
            }
            ("proxy", ShownValue::Value(id)) => {
                id.as_u64().and_then(|id| index.proxy_with(id)).map(|proxy| &proxy.name)
            }
            (_, ShownValue::Value(serde_json::Value::String(text))) => Some(text),
            (_, ShownValue::Value(value)) => return format!("{}: {value}", change.field),
            _ => None,
        };
        name.map_or_else(|| change.field.clone(), |name| format!("{}: {name}", change.field))
    }
}
