//! The report on the requirements, in words and as JSON.

use serde_json::{Value, json};

use super::style::{GOOD, NAME, QUIET, WARNING, paint};
use super::wrap::hanging;
use crate::domain::text::escape;
use crate::monitor::compliance::{Answer, Known, Verdict};

/// A heading, and one line for each requirement, folded to `width` columns.
pub fn text(verdicts: &[Verdict], width: usize) -> String {
    let lines: String = verdicts.iter().map(|it| line(it, width)).collect();
    format!("{}\n{lines}", paint(NAME, "Requirements"))
}

/// The same as a list. The sentences stand in code spans and cannot end them.
pub fn markdown(verdicts: &[Verdict]) -> String {
    let line = |it: &Verdict| {
        let said = sentence(it).replace('`', "'");
        format!("- {} {}: `{said}`\n", it.requirement.id(), it.answer.word())
    };
    format!("\n#### Requirements\n\n{}", verdicts.iter().map(line).collect::<String>())
}

/// One line of a log, without the word of the answer's weight.
pub fn log_line(verdict: &Verdict) -> String {
    format!("{} {}: {}", verdict.requirement.id(), verdict.answer.word(), sentence(verdict))
}

fn line(verdict: &Verdict, width: usize) -> String {
    let (id, word) = (verdict.requirement.id(), verdict.answer.word());
    let style = match (verdict.answer, verdict.is_warning()) {
        (Answer::Met, _) => GOOD,
        (Answer::NotMet, true) => WARNING,
        (Answer::NotMet, false) | (Answer::CannotTell, _) => QUIET,
    };
    let plain = format!("  {id:<5}{word:<13}");
    let folded = hanging(&plain, &sentence(verdict), width);
    // Padding counts the bytes of styles, so these come after it.
    let painted = plain.replacen(id, &paint(NAME, id), 1).replacen(word, &paint(style, word), 1);
    format!("{}\n", folded.replacen(&plain, &painted, 1))
}

fn sentence(verdict: &Verdict) -> String {
    let mut sentence = format!("{}: {}", verdict.requirement.title(), escape(&verdict.evidence));
    if let Some(teller) = verdict.teller {
        sentence.push_str(&format!("; `{teller}` tells"));
    }
    if verdict.answer == Answer::NotMet && verdict.known == Known::Accepted {
        sentence.push_str(" (accepted by `policy.accept`)");
    }
    sentence
}

/// One object for each requirement.
pub fn json(verdicts: &[Verdict]) -> Value {
    let one = |it: &Verdict| {
        json!({
            "id": it.requirement.id(),
            "title": it.requirement.title(),
            "answer": it.answer.word(),
            "evidence": it.evidence,
            "command": it.teller,
            "accepted": it.known == Known::Accepted,
        })
    };
    verdicts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::compliance::{Facts, Mtls, Networks, report};

    fn some() -> Vec<Verdict> {
        let networks = Networks {
            providers: ["aws".to_owned(), "g\u{1b}p".to_owned()].into(),
            ..Networks::default()
        };
        let facts = Facts {
            networks: Some(networks),
            mtls: Some(Mtls::Enforced("6 probes were refused".into())),
            ..Facts::default()
        };
        report(&facts, &["R8".to_owned()])
    }

    #[test]
    fn every_requirement_has_a_line() {
        let said = anstream::adapter::strip_str(&text(&some(), 72)).to_string();
        insta::assert_snapshot!(said);
    }

    #[test]
    fn the_report_as_markdown_and_as_lines_of_a_log() {
        let markdown = markdown(&some());
        assert!(
            markdown.contains("- R10 met: `mTLS from runners to GARM: 6 probes were refused`\n")
        );
        assert_eq!(markdown.matches('`').count(), 12, "{markdown}");
        let lines: Vec<String> = some().iter().map(log_line).collect();
        assert_eq!(lines[4], "R10 met: mTLS from runners to GARM: 6 probes were refused");
    }

    #[test]
    fn the_report_as_json() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&json(&some())).unwrap());
    }
}
