//! The plan as text in the style of Terraform: signs, only the changed fields, old → new, and the
//! consequences.

use anstyle::Style;

use super::value::{ChangeText, told};
use super::{PlanHeading, leave, opening, sign, subject, summary};
use crate::domain::text::quote;
use crate::plan::{Action, FieldChange, Note, NoteSeverity, Plan, Step};
use crate::render::style::{
    ADDED, BLOCKED, CHANGED, GOOD, HELP, NAME, QUIET, REMOVED, WARNING, paint,
};
use crate::render::wrap::hanging;

/// The indent of a step's fields.
const INDENT: &str = "      ";

/// The maximum width of the column of field names. A longer name moves its value to the right.
const FIELD_MAX: usize = 32;

/// The whole plan, wrapped to `width` columns. Ends with a line feed.
pub fn text(plan: &Plan, heading: &PlanHeading, width: usize) -> String {
    let mut parts = vec![paint(NAME, opening(&plan.fleet, heading)) + "\n"];
    parts.extend(plan.steps.iter().map(|step| step_text(step, width)));
    let notes: Vec<String> = plan.notes.iter().map(|note| note_text(note, width)).collect();
    if !notes.is_empty() {
        parts.push(notes.concat());
    }
    let style = if plan.is_empty() { GOOD } else { NAME };
    let leave = leave(plan).map(|hint| labelled("", "help:", HELP, (&hint, width)) + "\n");
    parts.push(paint(style, summary(plan)) + "\n" + &leave.unwrap_or_default());
    parts.join("\n")
}

fn step_text(step: &Step, width: usize) -> String {
    let style = style_of(step.action);
    let id =
        step.pool_id.as_ref().map_or_else(String::new, |id| format!(" ({})", quote(id.as_str())));
    let mut lines = vec![format!(
        "{} {}: {}{}",
        paint(style, format!("{:>3}", sign(step.action))),
        paint(NAME, subject(step)),
        paint(style, step.action.word()),
        paint(QUIET, id),
    )];
    lines.push(hanging("    ", &step.reason, width));
    lines.extend(fields(step, width));
    lines.extend(step.consequences.iter().map(|consequence| hanging("    · ", consequence, width)));
    lines.extend(
        step.policy.as_ref().map(|policy| labelled("    ", "policy:", QUIET, (policy, width))),
    );
    lines.extend(step.help.as_ref().map(|help| labelled("    ", "help:", HELP, (help, width))));
    lines.join("\n") + "\n"
}

fn fields(step: &Step, width: usize) -> Vec<String> {
    let changes = &step.changes;
    let names: Vec<String> = changes.iter().map(|change| quote(&change.field)).collect();
    let column =
        names.iter().map(|name| name.chars().count()).filter(|name| *name <= FIELD_MAX).max();
    let column = column.unwrap_or(0);
    let line = |(name, change): (&String, &FieldChange)| {
        let first = format!("{INDENT}{name:<column$}  ");
        value(&first, &told(change, step), width)
    };
    names.iter().zip(changes).map(line).collect()
}

/// A changed value. It is styled if it fits on one line; otherwise it is wrapped and has no style.
fn value(first: &str, told: &ChangeText, width: usize) -> String {
    let room = width.saturating_sub(first.chars().count());
    let plain = match told {
        ChangeText::One(text) => text.clone(),
        ChangeText::Two(before, after) => format!("{before} → {after}"),
    };
    match told {
        ChangeText::Two(before, after) if plain.chars().count() <= room => {
            format!("{first}{} → {}", paint(REMOVED, before), paint(ADDED, after))
        }
        ChangeText::One(_) | ChangeText::Two(..) => hanging(first, &plain, width),
    }
}

fn note_text(note: &Note, width: usize) -> String {
    let (word, style) = match note.weight {
        NoteSeverity::Warning => ("warning:", WARNING),
        NoteSeverity::Remark => ("note:", QUIET),
    };
    let mut lines = vec![labelled("", word, style, (&note.text, width))];
    lines.extend(note.help.as_ref().map(|help| labelled("", "help:", HELP, (help, width))));
    lines.join("\n") + "\n"
}

/// A sentence after a styled word such as `help:`, wrapped.
fn labelled(indent: &str, word: &str, style: Style, (text, width): (&str, usize)) -> String {
    let plain = hanging(&format!("{indent}{word} "), text, width);
    plain.replacen(word, &paint(style, word), 1)
}

fn style_of(action: Action) -> Style {
    match action {
        Action::Create => ADDED,
        Action::Update | Action::Adopt => CHANGED,
        Action::Replace | Action::Delete => REMOVED,
        Action::Blocked => BLOCKED,
    }
}
