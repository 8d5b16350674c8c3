//! Warnings about the runner kit of a plan.

use std::time::Duration;

use super::context::PlanContext;
use super::note::Note;
use super::options::RunnerKit;
use crate::domain::text::{code, count};
use crate::policy::kit::KitContents;

/// The size in bytes above which a kit causes a warning. It grows by a third in a VM's user data,
/// where GARM's own part needs 4 KiB, and the strictest cloud (EC2) accepts 16 KiB in total.
const KIT_MAX: usize = 9_000;

/// How long before its expiry the runners' certificate causes a warning.
const EXPIRY: Duration = Duration::from_secs(14 * 24 * 3600);

const DAY_S: i64 = 24 * 3600;

pub(super) fn notes(context: &PlanContext<'_>) -> Vec<Note> {
    let RunnerKit::Ready(kit) = &context.options.kit else { return Vec::new() };
    let fleet = context.resolver.index.fleet();
    let mut notes = Vec::new();
    if kit.gives() == KitContents::Certificate {
        let urls = [&fleet.controller.metadata_url, &fleet.controller.callback_url];
        if let Some(url) = urls.into_iter().find(|url| url.starts_with("http://")) {
            notes.push(Note::warning(
                format!(
                    "GARM sends runners to {}, where no certificate is requested: the \
                     runner kit will stop every installation",
                    code(url)
                ),
                "set the URLs of the front with `garm-cli controller update --metadata-url … \
                 --callback-url …`",
            ));
        }
    }
    if let Some(end) = kit.holds_until() {
        let left = end.as_second() - fleet.observed_at.as_second();
        if left < i64::try_from(EXPIRY.as_secs()).unwrap_or(i64::MAX) {
            let days = usize::try_from(left / DAY_S).unwrap_or(0);
            notes.push(Note::warning(
                format!("the runners' certificate expires at {end}, in {}", count(days, "day")),
                "renew the files of `runner_mtls`, and apply",
            ));
        }
    }
    if kit.size() > KIT_MAX {
        notes.push(Note::warning(
            format!(
                "the runner kit has {} bytes, but some clouds accept only 16 KiB of user data \
                 in total, of which GARM uses 4",
                kit.size()
            ),
            "use elliptic-curve keys, and remove what is not needed from `runner_mtls.cert` and `ca`",
        ));
    }
    notes
}
