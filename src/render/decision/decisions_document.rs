//! The document of `/decisions`: all decisions, and what holds for all of them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::json::DecisionJson;
use crate::monitor::compliance::RequirementVerdict;
use crate::render::document;
use crate::render::leadership::LeadershipJson;
use crate::render::requirements::{self, RequirementJson};
/// The fields of `/decisions` besides the decisions and the requirements.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DecisionsDocument {
    pub fleet: String,
    /// The URL of GARM.
    pub garm: String,
    /// The id that GARM gives itself.
    pub controller_id: Option<String>,
    /// When the loop last evaluated, on GARM's clock.
    pub at: Timestamp,
    /// Whether decisions are applied to pools that are not frozen: `false` in a dry run and while
    /// all writes are suspended.
    pub is_applied: bool,
    /// Declared pools that are not scaled, and why.
    pub not_scaled: Vec<(String, String)>,
}

#[derive(Serialize, JsonSchema)]
struct DocumentJson<'a> {
    format_version: &'static str,
    command: &'static str,
    version: &'static str,
    fleet: &'a str,
    garm: &'a str,
    controller_id: Option<&'a str>,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    applied: bool,
    #[schemars(with = "Vec<DecisionJson<'a>>")]
    pools: &'a [Value],
    not_scaled: Vec<NotScaledJson<'a>>,
    /// Absent while `watch` stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<RequirementJson<'a>>")]
    requirements: Option<Vec<RequirementJson<'a>>>,
    /// Who leads; only with `watch.leader`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LeadershipJson")]
    leader: Option<&'a LeadershipJson>,
}

#[derive(Serialize, JsonSchema)]
struct NotScaledJson<'a> {
    pool: &'a str,
    why: &'a str,
}

/// The decisions about the pools of several GARMs.
#[derive(Serialize)]
struct SeveralJson {
    format_version: &'static str,
    command: &'static str,
    /// The fields of the document of each GARM, by its name in the fleet file.
    garms: Map<String, Value>,
}

/// The document of several GARMs, from their names and documents.
pub fn several_decisions(garms: impl IntoIterator<Item = (String, Value)>) -> Value {
    let own = |(name, mut document): (String, Value)| {
        if let Some(fields) = document.as_object_mut() {
            fields.retain(|key, _| key != "format_version" && key != "command");
        }
        (name, document)
    };
    let garms = garms.into_iter().map(own).collect();
    document::value(&SeveralJson { format_version: "1", command: "watch", garms })
}

pub fn schema() -> Value {
    document::schema::<DocumentJson<'_>>("decisions", Some("watch"))
}

impl DecisionsDocument {
    /// The document. `pools` are objects made by [`json`](super::json()).
    pub fn value(
        &self,
        pools: &[Value],
        verdicts: Option<&[RequirementVerdict]>,
        leader: Option<&LeadershipJson>,
    ) -> Value {
        let not_scaled = self.not_scaled.iter().map(|(pool, why)| NotScaledJson { pool, why });
        document::value(&DocumentJson {
            format_version: "1",
            command: "watch",
            version: env!("CARGO_PKG_VERSION"),
            fleet: &self.fleet,
            garm: &self.garm,
            controller_id: self.controller_id.as_deref(),
            at: self.at.to_string(),
            applied: self.is_applied,
            pools,
            not_scaled: not_scaled.collect(),
            requirements: verdicts.map(requirements::rows),
            leader,
        })
    }
}
