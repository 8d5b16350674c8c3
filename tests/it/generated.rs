//! Documents that are generated from the code and its output. With `RUNNERCTL_GENERATE` set,
//! `.ci/generate` writes them; otherwise they are compared with the generated text.

mod alerts;
mod errors;
mod metrics;
mod plan_picture;
mod requirements;
mod timeline;

use std::fs;

use crate::cli::bench::root;

/// Compares a document with its generated text, or writes it.
#[track_caller]
fn keep(file: &str, text: &str) {
    let path = root().join(file);
    if std::env::var_os("RUNNERCTL_GENERATE").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    assert!(there == text, "{file} is stale: run `.ci/generate` and commit what it writes");
}

/// Compares the part of a document between two comments with this name with its generated text, or
/// writes it.
#[track_caller]
fn keep_part(file: &str, name: &str, text: &str) {
    let page = fs::read_to_string(root().join(file)).unwrap();
    let (begin, end) =
        (format!("<!-- {name}: made by `.ci/generate` -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{file} has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{file} has no {end}"));
    keep(file, &format!("{before}{begin}{text}{end}{after}"));
}

/// A row of a table in Markdown.
fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|it| it.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A table in Markdown.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = row(&head);
    text.push_str(&format!("|{}\n", "---|".repeat(N)));
    for cells in rows {
        text.push_str(&row(&cells.each_ref().map(String::as_str)));
    }
    text
}

/// The line that says how a document is generated.
fn origin(from: &str) -> String {
    format!("<!-- Made by `.ci/generate` from {from}. -->\n")
}
