//! The lines below a plan on a screen: the meaning of its signs, and what to type next.

use super::{sign, subject};
use crate::domain::text::{LISTED_MAX, code, list};
use crate::plan::{Action, Plan};
use crate::render::style::{HELP, QUIET, paint};
use crate::render::wrap::hanging;

/// The actions in the order of the summary.
const ACTIONS: [Action; 6] = [
    Action::Create,
    Action::Update,
    Action::Adopt,
    Action::Replace,
    Action::Delete,
    Action::Blocked,
];

/// The legend of the signs that occur, and the next step; `None` for a plan without steps. `apply`
/// is the command line that applies the plan.
pub fn next(plan: &Plan, apply: &str, width: usize) -> Option<String> {
    let occurs = |action: &Action| plan.steps.iter().any(|step| step.action == *action);
    let legend: Vec<String> = (ACTIONS.into_iter().filter(occurs))
        .map(|action| format!("{} {}", sign(action), action.word()))
        .collect();
    let blocked = plan.steps.iter().filter(|step| step.action == Action::Blocked);
    let blocked: Vec<String> = blocked.map(|step| code(subject(step))).collect();
    let said = |word: &str, advice: &str| {
        hanging(word, advice, width).replacen(word, &paint(HELP, word), 1) + "\n"
    };
    let advice = match (blocked.len(), plan.steps.len()) {
        (_, 0) => return None,
        (0, _) => said("next: ", &format!("{apply} applies this plan")),
        (some, all) => {
            let blocked = list(&blocked, LISTED_MAX);
            let resolve = format!("resolve what blocks {blocked}, then run `runnerctl plan` again");
            let others = format!("{apply} applies the other steps");
            let others = if some < all { said("  or: ", &others) } else { String::new() };
            said("next: ", &resolve) + &others
        }
    };
    Some(format!("{}\n{advice}", paint(QUIET, legend.join("  "))))
}
