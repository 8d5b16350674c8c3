//! Every link of the documentation has a target, and the book contains every page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::blocks::document;
use super::docs::documents;
use crate::cli::bench::root;

/// A document without its blocks and code spans, in which links do not count. Lines keep their
/// numbers.
fn prose(markdown: &str) -> String {
    let mut text = String::new();
    let mut is_fenced = false;
    for line in markdown.lines() {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        if !is_fenced && !is_fence && !line.starts_with("    ") {
            // Every second part is within backticks.
            text.extend(line.split('`').step_by(2));
        }
        text.push('\n');
    }
    text
}

/// The targets of the links, each with its line.
fn links(markdown: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    for (place, line) in prose(markdown).lines().enumerate() {
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            all.push((place + 1, target.to_owned()));
        }
    }
    all
}

/// The anchors that GitHub and mdBook generate for the headings.
pub(super) fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut all = BTreeSet::new();
    let mut is_fenced = false;
    for line in markdown.lines() {
        is_fenced ^= line.trim_start().starts_with("```");
        let text = line.trim_start_matches('#');
        if is_fenced || text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let kept = |it: &char| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_');
        let anchor: String = text.trim().to_lowercase().chars().filter(kept).collect();
        let anchor = anchor.replace(' ', "-");
        let count = seen.entry(anchor.clone()).or_default();
        all.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    all
}

/// Normalizes a path: `docs/../README.md` becomes `README.md`. `None` if it leaves the repository.
fn within(path: &Path) -> Option<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !parts.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts)
}

/// Why a link of document `from` has no target; `None` if it has one.
fn fault(from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match path {
        "" => PathBuf::from(from),
        path => within(&Path::new(from).parent().unwrap().join(path))?,
    };
    if !root().join(&path).exists() {
        return Some(format!("there is no {}", path.display()));
    }
    if anchor.is_empty() || path.extension().is_none_or(|it| it != "md") {
        return None;
    }
    let is_there = anchors(&document(path.to_str().unwrap())).contains(anchor);
    (!is_there).then(|| format!("{} has no heading for #{anchor}", path.display()))
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut pages = documents();
    pages.extend(
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "tests/README.md"].map(str::to_owned),
    );
    let mut count = 0;
    for page in pages {
        for (line, target) in links(&document(&page)) {
            assert_eq!(fault(&page, &target), None, "{page}:{line}: {target}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn links_that_lead_nowhere_are_found() {
    let said = |target: &str| fault("docs/audit.md", target).unwrap_or_default();
    assert_eq!(said("nowhere.md"), "there is no docs/nowhere.md");
    assert_eq!(said("#nothing"), "docs/audit.md has no heading for #nothing");
    assert_eq!(said("../README.md#nothing"), "README.md has no heading for #nothing");
    assert_eq!(
        [said("#segments"), said("../README.md#install"), said("https://a.example#b")].concat(),
        ""
    );
    let text = "# A `b`, c\n\n[x](y.md \"t\") `[no](z)`\n\n```\n# d\n[no](z)\n```\n\n## A b c\n";
    assert_eq!(links(text), [(3, "y.md".to_owned())]);
    assert_eq!(anchors(text), BTreeSet::from(["a-b-c".to_owned(), "a-b-c-1".to_owned()]));
}

#[test]
fn the_book_has_every_page_once() {
    let listed: Vec<String> = links(&document("docs/SUMMARY.md"))
        .into_iter()
        .map(|it| format!("docs/{}", it.1))
        .collect();
    let distinct: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len(), "a page is listed twice");
    let pages: BTreeSet<String> =
        documents().into_iter().filter(|it| it != "docs/SUMMARY.md").collect();
    assert_eq!(pages.iter().collect::<BTreeSet<_>>(), distinct);
    assert!(fs::read_to_string(root().join("docs/book.toml")).unwrap().contains("src = \".\""));
}
