//! A plan for people, for programs, and for a comment on a pull request.
//!
//! Decides only how it looks: which steps there are, and which values may be shown, is settled in
//! the plan. Every value from YAML or GARM is escaped.

mod json;
mod markdown;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use self::json::json;
pub use self::markdown::{MARKDOWN_MAX, markdown};
pub use self::text::text;

use crate::domain::name::FleetName;
use crate::domain::text::escape;
use crate::plan::consent::{self, Permission};
use crate::plan::{Action, Plan, Resource, Step, Summary};
use crate::render::progress;
use crate::render::words::count;

/// Which GARM a plan is for, and which file said so: nobody shall plan against the wrong one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// GARM's address.
    pub garm_url: String,
    /// The fleet file that was used.
    pub fleet_file: String,
}

/// One line: fleet, GARM and fleet file. `plan`, `apply` and its question open with it.
pub fn opening(fleet: &FleetName, heading: &Heading) -> String {
    format!("fleet {fleet} on {} ({})", escape(&heading.garm_url), escape(&heading.fleet_file))
}

/// `Plan: 1 to create, 2 to update`, or what an empty plan says.
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

/// What `apply` wants before it takes anything away, if the plan takes anything away.
fn leave(plan: &Plan) -> Option<String> {
    let need = consent::need(plan);
    let wanted = match need.permission {
        Permission::None => return None,
        Permission::Destroy => "`--allow-destroy`, or the word `destroy` at a terminal",
        Permission::All => "`--allow-destroy=all`",
    };
    let why = need.because.map(|it| format!(" ({it})")).unwrap_or_default();
    let gone = count(need.pools.len(), "pool");
    Some(format!("this deletes or replaces {gone}{why}: `apply` wants {wanted}"))
}

/// The pool of a step; in brackets what is no pool.
fn subject(step: &Step) -> String {
    match &step.about {
        Resource::Pool(pool) => pool.to_string(),
        about @ (Resource::Controller | Resource::Credential(_)) => {
            format!("({})", progress::subject(about))
        }
    }
}

/// The sign of an action, as people read them in Terraform.
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
