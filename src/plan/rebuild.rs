//! The step that replaces a scale set by another one.

use super::context::PlanContext;
use super::make::replace_reason;
use super::resolve::{Replacing, ResolvedPool};
use super::step::{Action, Consent, Creation, FieldChange, Operation, ShownValue, Step};
use super::{consequences, diff, policy_text};
use crate::domain::text::code;

impl PlanContext<'_> {
    /// Replaces a scale set by another one. The name is taken until the old one is gone.
    pub(super) fn rebuild(
        &self,
        resolved: &ResolvedPool<'_>,
        replacing: &Replacing<'_>,
        (new, changes): (Creation, Vec<FieldChange>),
    ) -> Step {
        let desired = resolved.desired;
        let Replacing { old, begun, .. } = *replacing;
        let is_fixed = |change: &&FieldChange| {
            change.before != ShownValue::Absent && diff::is_fixed_in_a_scale_set(&change.field)
        };
        let fields: Vec<String> =
            changes.iter().filter(is_fixed).map(|change| code(&change.field)).collect();
        let counts = self.resolver.index.counts(&old.id);
        let mut consequences = consequences::of_rebuilding(&old.spec, &new.spec);
        consequences.extend(consequences::of_retiring(old, counts));
        Step {
            action: Action::Replace,
            pool_id: Some(old.id.clone()),
            changes,
            consequences,
            policy: Some(policy_text::policy(desired)),
            consent: Consent::Destroy,
            work: Operation::Rebuild { old: old.id.clone(), new, is_retired: old.is_retired() },
            ..Step::for_pool(&desired.name, replace_reason(begun, old.kind(), &fields))
        }
    }
}
