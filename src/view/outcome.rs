//! What became of each step: text, JSON, markdown.

use anstyle::Style;
use serde_json::{Value, json};

use super::style::{self, paint};
use super::table::{Cell, table};
use super::{progress, words};
use crate::domain::text;
use crate::event::{Outcome, OutcomeKind};
use crate::plan::About;

/// Every kind, in the order of the closing line.
const KINDS: [OutcomeKind; 6] = [
    OutcomeKind::Done,
    OutcomeKind::AlreadyDone,
    OutcomeKind::Failed,
    OutcomeKind::Blocked,
    OutcomeKind::TimedOut,
    OutcomeKind::Interrupted,
];

/// A table of all outcomes, at most `width` columns wide, each help once, and a line that counts.
/// Nothing for no outcomes.
pub fn text(outcomes: &[Outcome], width: usize) -> String {
    if outcomes.is_empty() {
        return String::new();
    }
    let header = ["POOL", "ACTION", "OUTCOME", "DETAIL"].map(Cell::text).into();
    let rows = outcomes.iter().map(row).collect();
    let helps: Vec<String> = helps(outcomes)
        .into_iter()
        .map(|it| format!("{} {}\n", paint(style::HELP, "help:"), text::escape(it)))
        .collect();
    let helps = if helps.is_empty() { String::new() } else { format!("\n{}", helps.concat()) };
    format!("{}{helps}\n{}\n", table(header, rows, width), summary(outcomes))
}

/// Each help once, in the order of the outcomes.
fn helps(outcomes: &[Outcome]) -> Vec<&str> {
    let mut helps: Vec<&str> = Vec::new();
    for help in outcomes.iter().filter_map(|it| it.help.as_deref()) {
        if !helps.contains(&help) {
            helps.push(help);
        }
    }
    helps
}

fn row(outcome: &Outcome) -> Vec<Cell> {
    vec![
        Cell::text(name(outcome)).styled(style::NAME),
        Cell::text(outcome.action.word()),
        Cell::text(outcome.kind.word()).styled(style_of(outcome.kind)),
        Cell::text(text::escape(&outcome.detail)),
    ]
}

/// The pool; in brackets what is no pool.
fn name(outcome: &Outcome) -> String {
    match &outcome.about {
        About::Pool(pool) => pool.to_string(),
        about @ (About::Controller | About::Credential(_)) => {
            format!("({})", progress::subject(about))
        }
    }
}

fn style_of(kind: OutcomeKind) -> Style {
    match kind {
        OutcomeKind::Done => style::GOOD,
        OutcomeKind::AlreadyDone => style::QUIET,
        OutcomeKind::Failed => style::ERROR,
        OutcomeKind::Blocked => style::BLOCKED,
        OutcomeKind::TimedOut | OutcomeKind::Interrupted => style::WARNING,
    }
}

/// `3 steps: 2 done, 1 failed`.
pub fn summary(outcomes: &[Outcome]) -> String {
    let counts = KINDS.into_iter().filter_map(|kind| {
        let count = outcomes.iter().filter(|it| it.kind == kind).count();
        (count > 0).then(|| paint(style_of(kind), format!("{count} {}", kind.word())))
    });
    let counts: Vec<String> = counts.collect();
    format!("{}: {}", words::count(outcomes.len(), "step"), counts.join(", "))
}

/// `[{pool, action, outcome, detail}]`; `pool` is null for GARM's own settings, and for credentials,
/// which stand in `credential`.
pub fn json(outcomes: &[Outcome]) -> Value {
    outcomes
        .iter()
        .map(|it| {
            let mut document = json!({
                "pool": it.about.pool().map(ToString::to_string),
                "action": it.action.word(),
                "outcome": it.kind.word(),
                "detail": detail(it),
            });
            if let Some(name) = it.about.credential() {
                document["credential"] = json!(name);
            }
            document
        })
        .collect()
}

/// The sentence, and the help behind it where the shape has no place of its own for one.
fn detail(outcome: &Outcome) -> String {
    let detail = text::escape(&outcome.detail);
    match &outcome.help {
        Some(help) => format!("{detail} (help: {})", text::escape(help)),
        None => detail.into_owned(),
    }
}

/// A markdown table, every value in a code span or one of our own words.
pub fn markdown(outcomes: &[Outcome]) -> String {
    let mut lines =
        vec!["| pool | action | outcome | detail |".to_owned(), "|---|---|---|---|".to_owned()];
    lines.extend(outcomes.iter().map(|it| {
        let detail = Some(detail(it)).filter(|it| !it.is_empty());
        let detail = detail.map(|it| code(&it)).unwrap_or_default();
        let (action, kind) = (it.action.word(), it.kind.word());
        format!("| {} | {action} | {kind} | {detail} |", code(&name(it)))
    }));
    lines.push(String::new());
    lines.join("\n")
}

/// A code span that its own text cannot end, nor leave its cell.
fn code(content: &str) -> String {
    let safe = content.replace('`', "'").replace('|', "\\|");
    format!("`{safe}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::PoolName;
    use crate::plan::Action;

    fn outcomes() -> Vec<Outcome> {
        let outcome = |pool: &str, action, kind, detail: &str| Outcome {
            about: PoolName::new(pool).map_or(About::Controller, About::Pool),
            action,
            kind,
            detail: detail.into(),
            help: (kind == OutcomeKind::Failed).then(|| "look at GARM's log".to_owned()),
        };
        vec![
            outcome("", Action::Update, OutcomeKind::Done, ""),
            outcome("default", Action::Create, OutcomeKind::AlreadyDone, "created by another run"),
            outcome("gpu", Action::Update, OutcomeKind::Failed, "PUT /pools/1: 400 a`b|c\u{1b}[2J"),
            outcome("old", Action::Delete, OutcomeKind::TimedOut, "2 runners left after 30m"),
        ]
    }

    #[test]
    fn text_is_a_table_and_a_count() {
        let text = anstream::adapter::strip_str(&text(&outcomes(), 100)).to_string();
        insta::assert_snapshot!(text);
        assert_eq!(super::text(&[], 80), "");
    }

    #[test]
    fn json_has_the_four_keys_of_the_design() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&json(&outcomes())).unwrap());
    }

    #[test]
    fn markdown_keeps_every_value_in_its_cell() {
        insta::assert_snapshot!(markdown(&outcomes()));
    }
}
