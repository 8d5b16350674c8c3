//! The plan as Markdown, for a comment on a pull request and the summary of a workflow run.
//!
//! Text from YAML and GARM appears only in code spans, which it cannot end, so it cannot contain
//! mentions, links or markup.

use super::value::{ChangeText, told};
use super::{PlanHeading, leave, subject, summary};
use crate::plan::{FieldChange, Note, NoteSeverity, Plan, Step};
use crate::render::markdown::{sentence, span};
use crate::render::words::count;

/// The maximum length in characters. GitHub allows 65,536 in a comment.
pub const MARKDOWN_MAX: usize = 60_000;

/// The characters reserved for the line that counts the omitted entries.
const REST_MAX: usize = 200;

/// The whole plan; if it is too long, as much as fits and the number of omitted entries.
pub fn markdown(plan: &Plan, heading: &PlanHeading) -> String {
    let mut blocks = vec![
        vec![format!("### {}", summary(plan))],
        vec![format!(
            "Fleet {} on {}{} ({})",
            span(plan.fleet.as_str()),
            heading.garm.as_ref().map_or_else(String::new, |garm| span(garm.as_str()) + ", "),
            span(&heading.garm_url),
            span(&heading.fleet_file)
        )],
    ];
    blocks.extend(leave(plan).map(|hint| vec![sentence(&hint)]));
    blocks.extend(plan.steps.iter().map(step));
    blocks.extend(plan.notes.iter().map(note));
    fitted(&blocks)
}

/// Joins blocks with empty lines, and cuts only between lines.
fn fitted(blocks: &[Vec<String>]) -> String {
    let long = |text: &String| text.chars().count() + 1;
    let all: usize = blocks.iter().map(|block| block.iter().map(long).sum::<usize>() + 1).sum();
    let room = if all <= MARKDOWN_MAX { MARKDOWN_MAX } else { MARKDOWN_MAX - REST_MAX };
    let mut text = String::new();
    let mut used = 0;
    for (at, block) in blocks.iter().enumerate() {
        for (row, line) in block.iter().enumerate() {
            used += long(line) + usize::from(row == 0);
            if used > room {
                let rest = count(blocks.len() - at, "more entry").replace("entrys", "entries");
                text.push_str(&format!("\n… and {rest}: `runnerctl plan` shows all\n"));
                return text;
            }
            if row == 0 && at > 0 {
                text.push('\n');
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn step(step: &Step) -> Vec<String> {
    let id =
        step.pool_id.as_ref().map_or_else(String::new, |id| format!(" ({})", span(id.as_str())));
    let mut lines = vec![format!(
        "- **{}** {}{id}: {}",
        step.action.word(),
        span(&subject(step)),
        sentence(&step.reason)
    )];
    lines.extend(step.changes.iter().map(|change| format!("  - {}", change_text(change, step))));
    lines.extend(
        step.consequences.iter().map(|consequence| format!("  - {}", sentence(consequence))),
    );
    lines.extend(step.policy.as_ref().map(|policy| format!("  - policy: {}", sentence(policy))));
    lines.extend(step.help.as_ref().map(|help| format!("  - help: {}", sentence(help))));
    lines
}

fn change_text(change: &FieldChange, step: &Step) -> String {
    let field = span(&change.field);
    match told(change, step) {
        ChangeText::One(text) => format!("{field}: {}", span(&text)),
        ChangeText::Two(before, after) => format!("{field}: {} → {}", span(&before), span(&after)),
    }
}

fn note(note: &Note) -> Vec<String> {
    let word = match note.weight {
        NoteSeverity::Warning => "**warning**",
        NoteSeverity::Remark => "note",
    };
    let mut lines = vec![format!("- {word}: {}", sentence(&note.text))];
    lines.extend(note.help.as_ref().map(|help| format!("  - help: {}", sentence(help))));
    lines
}
