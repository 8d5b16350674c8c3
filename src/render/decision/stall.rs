//! Reports that GARM does not create the runners that a pool's level asks for.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::words::{clock, count_of};
use crate::domain::credential::RateLimit;
use crate::domain::text::code;

/// What is known about a pool whose level GARM does not follow. GARM gives the reason only in its
/// log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// When the level began to ask for more runners than GARM counts, on GARM's clock.
    pub since: Timestamp,
    /// The level that was sent repeatedly.
    pub level: u32,
    /// The number of runners that GARM compares with it.
    pub counted: u32,
    /// The pool's runner group; empty for GitHub's default one, which always exists.
    pub runner_group: String,
    /// The name of the provider.
    pub provider: String,
    /// The name of GARM's credentials for the entity; `None` while unknown.
    pub credentials: Option<String>,
    /// GitHub's rate limit for those credentials; `None` while GARM has not read it.
    pub rate_limit: Option<RateLimit>,
}

impl Stall {
    /// What GARM has not done, since when, and what to check: one sentence without a full stop.
    pub fn sentence(&self) -> String {
        let lacking = count_of(self.level.saturating_sub(self.counted), "runner");
        let group = (!self.runner_group.is_empty())
            .then(|| format!("that GitHub knows the runner group {}", code(&self.runner_group)));
        let provider = format!("that GARM still has the provider {}", code(&self.provider));
        let checks: Vec<String> =
            [Some(self.credentials()), group, Some(provider)].into_iter().flatten().collect();
        format!(
            "GARM has not created {lacking} that level {} asks for since {}, although the level \
             was sent again; only GARM's log says why: check {}",
            self.level,
            clock(self.since),
            checks.join(", ")
        )
    }

    /// What to check about the credentials.
    fn credentials(&self) -> String {
        let name = self.credentials.as_ref().map_or_else(
            || "GARM's credentials".to_owned(),
            |credential| format!("GARM's credentials {}", code(credential)),
        );
        let Some(limit) = &self.rate_limit else {
            return format!("that GitHub accepts {name}");
        };
        let until = limit.resets_at.map_or_else(String::new, |at| format!(" until {}", clock(at)));
        let RateLimit { limit, remaining, .. } = limit;
        format!(
            "that GitHub accepts {name} (rate limit: {remaining} of {limit} requests left{until})"
        )
    }

    /// The object `level_not_followed` of a decision.
    pub(super) fn json(&self) -> StallJson<'_> {
        StallJson {
            since: self.since.to_string(),
            level: self.level,
            counted: self.counted,
            credentials: self.credentials.as_deref(),
            rate_limit: self.rate_limit.map(|limit| RateLimitJson {
                limit: limit.limit,
                remaining: limit.remaining,
                resets_at: limit.resets_at.map(|at| at.to_string()),
            }),
            sentence: self.sentence(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StallJson<'a> {
    #[schemars(extend("format" = "date-time"))]
    since: String,
    level: u32,
    /// The number of runners that GARM counts as idle.
    counted: u32,
    credentials: Option<&'a str>,
    rate_limit: Option<RateLimitJson>,
    sentence: String,
}

#[derive(Serialize, JsonSchema)]
struct RateLimitJson {
    limit: u64,
    remaining: u64,
    #[schemars(extend("format" = "date-time"))]
    resets_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::at;

    #[test]
    fn a_stall_names_what_to_check_and_the_remaining_rate_limit() {
        let bare = Stall {
            since: at(0),
            level: 3,
            counted: 1,
            runner_group: String::new(),
            provider: "aws".into(),
            credentials: None,
            rate_limit: None,
        };
        let used_up = RateLimit { limit: 5_000, remaining: 0, resets_at: Some(at(600)) };
        let full = Stall {
            runner_group: "gpu`s".into(),
            credentials: Some("app".into()),
            rate_limit: Some(used_up),
            ..bare.clone()
        };
        assert_eq!(
            [bare.sentence(), full.sentence()],
            [
                "GARM has not created 2 runners that level 3 asks for since 2026-09-21T14:13:20Z, \
                 although the level was sent again; only GARM's log says why: check that GitHub \
                 accepts GARM's credentials, that GARM still has the provider `aws`",
                "GARM has not created 2 runners that level 3 asks for since 2026-09-21T14:13:20Z, \
                 although the level was sent again; only GARM's log says why: check that GitHub \
                 accepts GARM's credentials `app` (rate limit: 0 of 5000 requests left until \
                 2026-09-21T14:23:20Z), that GitHub knows the runner group `gpu's`, that GARM \
                 still has the provider `aws`",
            ]
        );
    }
}
