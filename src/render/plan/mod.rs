//! A plan as text, JSON and Markdown.
//!
//! Decides only the appearance: the plan determines the steps and which values may be shown. Every
//! value from YAML or GARM is escaped.

mod json;
mod markdown;
mod next;
mod policy_changes;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub(in crate::render) use self::json::{PlanJson, fields};
pub use self::json::{json, schema};
pub use self::markdown::{MARKDOWN_MAX, markdown};
pub use self::next::next;
pub use self::policy_changes::{markdown as policy_markdown, text as policy_text};
pub use self::text::text;

use crate::domain::name::{FleetName, GarmName};
use crate::domain::text::escape;
use crate::plan::consent::{self, Permission};
use crate::plan::{Action, Plan, Resource, Step, Summary};
use crate::render::progress;
use crate::render::words::count;

/// The GARM that a plan is for, and the file that names it. A reader can thus notice a plan against
/// the wrong GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHeading {
    /// Its name, if the fleet file has `garms`.
    pub garm: Option<GarmName>,
    pub garm_url: String,
    pub fleet_file: String,
}

/// One line with fleet, GARM and fleet file, at the top of `plan`, `apply` and its prompt.
pub fn opening(fleet: &FleetName, heading: &PlanHeading) -> String {
    let garm = heading.garm.as_ref().map_or_else(String::new, |garm| format!("{garm}, "));
    format!(
        "fleet {fleet} on {garm}{} ({})",
        escape(&heading.garm_url),
        escape(&heading.fleet_file)
    )
}

/// `Plan: 1 to create, 2 to update`, or that there is nothing to do.
pub fn summary(plan: &Plan) -> String {
    let Summary { create, update, adopt, replace, delete, blocked } = plan.summary();
    let counts = [
        (create, "to create"),
        (update, "to update"),
        (adopt, "to adopt"),
        (replace, "to replace"),
        (delete, "to delete"),
        (blocked, "blocked"),
    ];
    let said: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match said.as_slice() {
        [] => "no changes: the fleet is as declared".to_owned(),
        said if blocked == plan.steps.len() => {
            format!("Plan: nothing can be done, {}", said.join(", "))
        }
        said => format!("Plan: {}", said.join(", ")),
    }
}

/// The sentence about the permission that `apply` needs, if the plan deletes or replaces anything.
fn leave(plan: &Plan) -> Option<String> {
    let need = consent::need(plan);
    let wanted = match need.permission {
        Permission::None => return None,
        Permission::Destroy => "`--allow-destroy`, or the word `destroy` at a terminal",
        Permission::All => "`--allow-destroy=all`",
    };
    let why = need.because.map(|because| format!(" ({because})")).unwrap_or_default();
    let gone = count(need.pools.len(), "pool");
    Some(format!("this deletes or replaces {gone}{why}: `apply` wants {wanted}"))
}

/// The pool of a step; other subjects are in parentheses.
fn subject(step: &Step) -> String {
    match &step.about {
        Resource::Pool(pool) => pool.to_string(),
        about @ (Resource::Controller | Resource::Credential(_)) => {
            format!("({})", progress::subject(about))
        }
    }
}

/// The sign of an action, as in Terraform.
fn sign(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Update => "~",
        Action::Adopt => ">",
        Action::Replace => "-/+",
        Action::Delete => "-",
        Action::Blocked => "!",
    }
}
