//! What a person should know about the runner kit of a plan.

use std::time::Duration;

use super::make::PlanContext;
use super::notes::warning;
use super::{Note, RunnerKit};
use crate::domain::text::{code, count};
use crate::policy::kit::KitContents;

/// Bytes of a kit beyond which a warning is due: it grows by a third on its way into a VM's user
/// data, where GARM's own part needs 4 KiB, and the smallest cloud takes 16 KiB in all (EC2).
const KIT_MAX: usize = 9_000;

/// How long before its end a runners' certificate is spoken of.
const EXPIRY: Duration = Duration::from_secs(14 * 24 * 3600);

/// Seconds.
const DAY: i64 = 24 * 3600;

/// Warnings about the kit; nothing without one.
pub(super) fn notes(context: &PlanContext<'_>) -> Vec<Note> {
    let RunnerKit::Ready(kit) = &context.options.kit else { return Vec::new() };
    let fleet = context.resolver.index.fleet();
    let mut notes = Vec::new();
    if kit.gives() == KitContents::Certificate {
        let urls = [&fleet.controller.metadata_url, &fleet.controller.callback_url];
        if let Some(url) = urls.into_iter().find(|it| it.starts_with("http://")) {
            notes.push(warning(
                format!(
                    "GARM tells runners to come to {}, which asks nobody for a certificate: the \
                     runner kit will stop every install",
                    code(url)
                ),
                "`garm-cli controller update --metadata-url … --callback-url …` names the front \
                 that asks for one",
            ));
        }
    }
    if let Some(end) = kit.holds_until() {
        let left = end.as_second() - fleet.observed_at.as_second();
        if left < i64::try_from(EXPIRY.as_secs()).unwrap_or(i64::MAX) {
            let days = usize::try_from(left / DAY).unwrap_or(0);
            notes.push(warning(
                format!("the runners' certificate ends at {end}, in {}", count(days, "day")),
                "renew the files of `runner_mtls`, and apply",
            ));
        }
    }
    if kit.size() > KIT_MAX {
        notes.push(warning(
            format!(
                "the runner kit has {} bytes, and some clouds take no more than 16 KiB of user data \
                 in all, 4 of which are GARM's",
                kit.size()
            ),
            "use elliptic-curve keys, and leave out of `runner_mtls.cert` and `ca` what is not needed",
        ));
    }
    notes
}
