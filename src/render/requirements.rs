//! The report on the requirements as text, Markdown and JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::style::{GOOD, NAME, QUIET, WARNING, paint};
use super::wrap::hanging;
use crate::domain::text::escape;
use crate::monitor::compliance::{RequirementAnswer, RequirementVerdict};

/// A heading and one line per requirement, wrapped to `width` columns.
pub fn text(verdicts: &[RequirementVerdict], width: usize) -> String {
    let lines: String = verdicts.iter().map(|verdict| line(verdict, width)).collect();
    format!("{}\n{lines}", paint(NAME, "Requirements"))
}

/// The report as a Markdown list. Each sentence is in a code span, which it cannot end.
pub fn markdown(verdicts: &[RequirementVerdict]) -> String {
    let line = |verdict: &RequirementVerdict| {
        let said = sentence(verdict).replace('`', "'");
        format!("- {} {}: `{said}`\n", verdict.requirement.id(), verdict.answer.word())
    };
    format!("\n#### Requirements\n\n{}", verdicts.iter().map(line).collect::<String>())
}

/// A verdict as the message of a log line.
pub fn log_line(verdict: &RequirementVerdict) -> String {
    format!("{} {}: {}", verdict.requirement.id(), verdict.answer.word(), sentence(verdict))
}

fn line(verdict: &RequirementVerdict, width: usize) -> String {
    let (id, word) = (verdict.requirement.id(), verdict.answer.word());
    let style = match (verdict.answer, verdict.is_warning()) {
        (RequirementAnswer::Met, _) => GOOD,
        (RequirementAnswer::NotMet, true) => WARNING,
        (RequirementAnswer::NotMet, false) | (RequirementAnswer::CannotTell, _) => QUIET,
    };
    let plain = format!("  {id:<5}{word:<13}");
    let folded = hanging(&plain, &sentence(verdict), width);
    // Padding counts the bytes of styles, so styles are added afterwards.
    let painted = plain.replacen(id, &paint(NAME, id), 1).replacen(word, &paint(style, word), 1);
    format!("{}\n", folded.replacen(&plain, &painted, 1))
}

fn sentence(verdict: &RequirementVerdict) -> String {
    let mut sentence = format!("{}: {}", verdict.requirement.title(), escape(&verdict.evidence));
    if let Some(teller) = verdict.teller {
        sentence.push_str(&format!("; `{teller}` can tell"));
    }
    if verdict.answer == RequirementAnswer::NotMet && verdict.is_accepted {
        sentence.push_str(" (accepted by `policy.accept`)");
    }
    sentence
}

#[derive(Serialize, JsonSchema)]
pub(super) struct RequirementJson<'a> {
    id: &'static str,
    title: &'static str,
    #[schemars(extend("enum" = ["met", "not met", "cannot tell"]))]
    answer: &'static str,
    evidence: &'a str,
    /// The command that can tell, if this one cannot.
    command: Option<&'static str>,
    accepted: bool,
}

/// The list `requirements` of a document.
pub(super) fn rows(verdicts: &[RequirementVerdict]) -> Vec<RequirementJson<'_>> {
    let rows = verdicts.iter().map(|verdict| RequirementJson {
        id: verdict.requirement.id(),
        title: verdict.requirement.title(),
        answer: verdict.answer.word(),
        evidence: &verdict.evidence,
        command: verdict.teller,
        accepted: verdict.is_accepted,
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::compliance::{ComplianceFacts, MtlsFact, NetworkFacts, report};
    use crate::render::document;

    fn some() -> Vec<RequirementVerdict> {
        let networks = NetworkFacts {
            providers: ["aws".to_owned(), "g\u{1b}p".to_owned()].into(),
            ..NetworkFacts::default()
        };
        let facts = ComplianceFacts {
            networks: Some(networks),
            mtls: Some(MtlsFact::Enforced("6 probes were refused".into())),
            ..ComplianceFacts::default()
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
        let some = some();
        let rows = document::value(&rows(&some));
        insta::assert_snapshot!(serde_json::to_string_pretty(&rows).unwrap());
    }
}
