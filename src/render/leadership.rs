//! Who leads, for `/decisions`, `status` and the status page.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::text::quote;

/// The part of a `watch` with `watch.leader`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeadershipJson {
    /// Whether it leads; a standby writes nothing.
    pub leading: bool,
    /// The host and process that lead, `HOST:PID`; null if none does.
    pub holder: Option<String>,
    /// The term of the leader; null if none does.
    pub term: Option<u64>,
    /// Since when it leads, on its own clock; null if none does.
    #[schemars(extend("format" = "date-time"))]
    pub since: Option<String>,
}

impl LeadershipJson {
    /// One sentence without a full stop.
    pub fn sentence(&self) -> String {
        let since = self.since.as_deref().and_then(|since| since.parse::<Timestamp>().ok());
        let since = since.map(|since| format!(" since {}", since.strftime("%Y-%m-%dT%H:%M:%SZ")));
        let since = since.unwrap_or_default();
        match (self.leading, &self.holder, self.term) {
            (true, _, Some(term)) => format!("it leads in term {term}{since}"),
            (false, Some(holder), Some(term)) => {
                format!("{} leads in term {term}{since}", quote(holder))
            }
            (_, _, _) => "no `watch` leads".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leads_is_one_sentence() {
        let other = LeadershipJson {
            leading: false,
            holder: Some("host-a:1\u{1b}".into()),
            term: Some(7),
            since: Some("2026-01-02T03:04:05.678Z".into()),
        };
        let told = "host-a:1\\u{1b} leads in term 7 since 2026-01-02T03:04:05Z";
        assert_eq!(other.sentence(), told);
        let own = LeadershipJson { leading: true, ..other };
        assert_eq!(own.sentence(), "it leads in term 7 since 2026-01-02T03:04:05Z");
        assert_eq!(LeadershipJson::default().sentence(), "no `watch` leads");
    }
}
