//! The checks that refuse an `apply` before its first write, and the confirmation.

use crate::domain::name::PoolName;
use crate::domain::text::{code, escape};
use crate::plan::consent::{Permission, RequiredConsent, need};
use crate::plan::saved::SavedPlan;
use crate::plan::{Action, Plan, Resource};
use crate::render::plan::{PlanHeading, opening, summary};
use crate::render::style::{NAME, REMOVED, paint};

use super::args::{AllowDestroy, ApplyArgs};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::prompt::ask;

/// Fails (6) if the plan differs from the saved one.
pub fn check_saved(saved: &SavedPlan, plan: &Plan, heading: &PlanHeading) -> Result<(), Failure> {
    let again = "run `runnerctl plan --out FILE` to make a new plan";
    if !saved.is_for(plan) {
        let text = format!(
            "the saved plan is for the fleet `{}` on another GARM, at `{}`; the fleet file names `{}`",
            saved.fleet, saved.garm_url, heading.garm_url
        );
        return Err(Failure::refused(text).help(again));
    }
    let differing = saved.differences(plan);
    if differing.is_empty() {
        return Ok(());
    }
    if plan.steps.is_empty() {
        let text = "the saved plan is stale: GARM already matches the files";
        return Err(Failure::refused(text).help("the plan may have been applied already"));
    }
    let names: Vec<String> = differing
        .iter()
        .map(|resource| match resource {
            Resource::Controller => "the controller's settings".to_owned(),
            Resource::Credential(name) => format!("the credential {}", code(name)),
            Resource::Pool(pool) => quoted(pool),
        })
        .collect();
    let text =
        format!("the saved plan is stale: the current plan differs for {}", names.join(", "));
    Err(Failure::refused(text).help(again))
}

/// Fails (6) if a step needs a permission that no flag gives and no terminal can ask for. Otherwise
/// returns the word that confirms at the terminal.
pub fn word_to_type(
    plan: &Plan,
    args: &ApplyArgs,
    cx: Context<'_>,
) -> Result<ConfirmationWord, Failure> {
    let need = need(plan);
    let given = match args.allow_destroy {
        None => Permission::None,
        Some(AllowDestroy::Some) => Permission::Destroy,
        Some(AllowDestroy::All) => Permission::All,
    };
    let is_asked = !args.auto_approve;
    if is_asked && !cx.print.can_ask() {
        let text = "no terminal for confirmation, and `--auto-approve` is not given";
        return Err(Failure::refused(text).help(no_terminal_help(&need, args)));
    }
    if need.permission <= given {
        return Ok(ConfirmationWord::Yes);
    }
    match need.permission {
        Permission::Destroy if is_asked => Ok(ConfirmationWord::Destroy),
        Permission::None | Permission::Destroy | Permission::All => Err(no_leave(&need)),
    }
}

/// The word to type to confirm, the stronger one last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfirmationWord {
    Yes,
    /// For plans that delete or replace pools.
    Destroy,
}

impl ConfirmationWord {
    fn text(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Destroy => "destroy",
        }
    }

    /// The hint for an answer that is neither this word nor a no.
    fn help(self) -> &'static str {
        match self {
            Self::Yes => "type `yes` to confirm",
            Self::Destroy => {
                "the plan deletes or replaces pools: type `destroy` to confirm, not `yes`"
            }
        }
    }
}

/// Asks once for `word`, to apply all of the plans. Fails (1) on any other answer.
pub async fn confirm(
    plans: &[(&Plan, &PlanHeading)],
    word: ConfirmationWord,
    cx: Context<'_>,
) -> Result<(), Failure> {
    let told = |(plan, heading): &(&Plan, &PlanHeading)| {
        let goes = match need(plan).pools.as_slice() {
            [] => String::new(),
            pools => format!("{} {}\n", paint(REMOVED, "Pools to be deleted:"), list(pools)),
        };
        format!("{}\n{}\n{goes}", opening(&plan.fleet, heading), summary(plan))
    };
    let question = format!(
        "\n{}Type {} to apply {}: ",
        plans.iter().map(told).collect::<Vec<_>>().join("\n"),
        paint(NAME, format!("`{}`", word.text())),
        if plans.len() > 1 { "all of them" } else { "it" },
    );
    let answer = ask(&question, cx).await?.unwrap_or_default();
    if answer == word.text() {
        return Ok(());
    }
    let failure = Failure::new(Exit::Failed, "not confirmed: nothing was changed");
    let is_no = ["", "n", "no"].contains(&answer.to_lowercase().as_str());
    Err(if is_no { failure } else { failure.help(word.help()) })
}

/// Whether the plan has a step that is not blocked.
pub fn has_work(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.action != Action::Blocked)
}

fn no_leave(need: &RequiredConsent) -> Failure {
    let pools = list(&need.pools);
    match (&need.because, need.permission) {
        (Some(because), Permission::All) => {
            Failure::refused(format!("the plan deletes or replaces {pools}: {because}"))
                .help("allow it with `--allow-destroy=all`")
        }
        (_, Permission::None | Permission::Destroy | Permission::All) => {
            Failure::refused(format!("the plan deletes or replaces {pools}"))
                .help("allow it with `--allow-destroy`")
        }
    }
}

fn no_terminal_help(need: &RequiredConsent, args: &ApplyArgs) -> String {
    let flags = match need.permission {
        Permission::None => "--auto-approve",
        Permission::Destroy => "--auto-approve --allow-destroy",
        Permission::All => "--auto-approve --allow-destroy=all",
    };
    let file = args.plan_file.as_ref();
    let file =
        file.map_or_else(String::new, |path| format!("{} ", escape(&path.to_string_lossy())));
    format!(
        "review the changes with `runnerctl plan`, then apply them with `runnerctl apply {file}{flags}`"
    )
}

fn list(pools: &[PoolName]) -> String {
    pools.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

fn quoted(pool: &PoolName) -> String {
    format!("`{pool}`")
}
