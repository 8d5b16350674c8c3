//! The plan as people read Terraform: signs, only what changes, old → new, and what follows.

use anstyle::Style;

use super::value::{ChangeText, told};
use super::{Heading, leave, opening, sign, subject, summary};
use crate::domain::text::quote;
use crate::plan::{Action, FieldChange, Note, NoteSeverity, Plan, Step};
use crate::render::style::{
    ADDED, BLOCKED, CHANGED, GOOD, HELP, NAME, QUIET, REMOVED, WARNING, paint,
};
use crate::render::wrap::hanging;

/// Where the fields of a step begin.
const INDENT: &str = "      ";

/// The widest column of field names; a longer name pushes its value aside.
const FIELD_MAX: usize = 32;

/// The whole plan, folded to `width` columns. Ends with a line break.
pub fn text(plan: &Plan, heading: &Heading, width: usize) -> String {
    let mut parts = vec![paint(NAME, opening(&plan.fleet, heading)) + "\n"];
    parts.extend(plan.steps.iter().map(|it| step(it, width)));
    let notes: Vec<String> = plan.notes.iter().map(|it| note(it, width)).collect();
    if !notes.is_empty() {
        parts.push(notes.concat());
    }
    let style = if plan.is_empty() { GOOD } else { NAME };
    let leave = leave(plan).map(|it| labelled("", "help:", HELP, (&it, width)) + "\n");
    parts.push(paint(style, summary(plan)) + "\n" + &leave.unwrap_or_default());
    parts.join("\n")
}

fn step(step: &Step, width: usize) -> String {
    let style = style_of(step.action);
    let id =
        step.pool_id.as_ref().map_or_else(String::new, |it| format!(" ({})", quote(it.as_str())));
    let mut lines = vec![format!(
        "{} {}: {}{}",
        paint(style, format!("{:>3}", sign(step.action))),
        paint(NAME, subject(step)),
        paint(style, step.action.word()),
        paint(QUIET, id),
    )];
    lines.push(hanging("    ", &step.reason, width));
    lines.extend(fields(step, width));
    lines.extend(step.consequences.iter().map(|it| hanging("    · ", it, width)));
    lines.extend(step.policy.as_ref().map(|it| labelled("    ", "policy:", QUIET, (it, width))));
    lines.extend(step.help.as_ref().map(|it| labelled("    ", "help:", HELP, (it, width))));
    lines.join("\n") + "\n"
}

fn fields(step: &Step, width: usize) -> Vec<String> {
    let changes = &step.changes;
    let names: Vec<String> = changes.iter().map(|it| quote(&it.field)).collect();
    let column = names.iter().map(|it| it.chars().count()).filter(|it| *it <= FIELD_MAX).max();
    let column = column.unwrap_or(0);
    let line = |(name, change): (&String, &FieldChange)| {
        let first = format!("{INDENT}{name:<column$}  ");
        value(&first, &told(change, step), width)
    };
    names.iter().zip(changes).map(line).collect()
}

/// Painted where it stands on one line; folded and plain where it does not.
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

fn note(note: &Note, width: usize) -> String {
    let (word, style) = match note.weight {
        NoteSeverity::Warning => ("warning:", WARNING),
        NoteSeverity::Remark => ("note:", QUIET),
    };
    let mut lines = vec![labelled("", word, style, (&note.text, width))];
    lines.extend(note.help.as_ref().map(|it| labelled("", "help:", HELP, (it, width))));
    lines.join("\n") + "\n"
}

/// A sentence after a word in its style.
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
