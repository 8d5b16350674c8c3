//! Problems as text, as JSON and as annotations of GitHub Actions.

use serde_json::{Value, json};

use crate::manifest::{Problem, Spot};

/// The problems as JSON, in their order: `code, severity, file, line, column, message, help`.
pub fn json(problems: &[Problem]) -> Value {
    problems.iter().map(one).collect()
}

fn one(problem: &Problem) -> Value {
    let spot: Option<Spot> = problem.place.spot;
    json!({
        "code": problem.code.text(),
        "severity": problem.severity.word(),
        "file": problem.place.file,
        "line": spot.map(|it| it.line),
        "column": spot.map(|it| it.column),
        "message": problem.message,
        "help": problem.help,
    })
}

/// The problems as text, with ANSI styles.
pub fn text(problems: &[Problem]) -> String {
    problems.iter().map(|it| format!("{}: {}\n", it.place, it.message)).collect()
}
