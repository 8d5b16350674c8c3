//! The document of `validate -o json`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::document;
use super::problem::{self, ProblemJson};
use super::proof::{self, ProofJson};
use super::requirements::{self, RequirementJson};
use crate::config::Problem;
use crate::domain::proof::Probe;
use crate::monitor::compliance::RequirementVerdict;

/// The fields of `validate`'s document besides `format_version` and `command`.
#[derive(Serialize, JsonSchema)]
struct ValidateJson<'a> {
    problems: Vec<ProblemJson<'a>>,
    /// Files below the folder of pool files that are not read; absent if there are none.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unread: &'a [String],
    /// What the mTLS probes prove; only with `--online`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProofJson<'a>")]
    mtls: Option<ProofJson<'a>>,
    /// Only with `--online`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<RequirementJson<'a>>")]
    requirements: Option<Vec<RequirementJson<'a>>>,
}

/// The fields of `validate`'s document besidess `format_version` and `command`. `online` contains
/// the results of the checks against GARM.
pub fn json(
    problems: &[Problem],
    unread: &[String],
    online: Option<(&[Probe], &[RequirementVerdict])>,
) -> Value {
    document::value(&ValidateJson {
        problems: problem::rows(problems),
        unread,
        mtls: online.map(|(probes, _)| proof::fields(probes)),
        requirements: online.map(|(_, verdicts)| requirements::rows(verdicts)),
    })
}

/// What `--online` adds to the document, or to `garms` for one of several GARMs.
#[derive(Serialize, JsonSchema)]
struct OnlineJson<'a> {
    mtls: ProofJson<'a>,
    requirements: Vec<RequirementJson<'a>>,
}

/// The results of the checks against one of several GARMs.
pub fn online(probes: &[Probe], verdicts: &[RequirementVerdict]) -> Value {
    document::value(&OnlineJson {
        mtls: proof::fields(probes),
        requirements: requirements::rows(verdicts),
    })
}

/// The schema of [`online`].
pub fn online_schema() -> Value {
    document::line_schema::<OnlineJson<'_>>("validate")
}

pub fn schema() -> Value {
    document::schema::<ValidateJson<'_>>("validate", Some("validate"))
}
