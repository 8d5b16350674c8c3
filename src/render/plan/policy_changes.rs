//! The changes of policies and settings since a revision, as text, Markdown and JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::text::quote;
use crate::plan::{PolicyChanges, PoolPolicyChange, SettingChange};
use crate::render::markdown::{sentence, span};
use crate::render::style::{CHANGED, NAME, QUIET, paint};
use crate::render::wrap::hanging;

/// The number of characters of a commit id that are shown.
const COMMIT_SHOWN: usize = 12;

/// A heading and the changes of each pool and of the fleet file, wrapped to `width` columns. Ends
/// with a line feed.
pub fn text(changes: &PolicyChanges, width: usize) -> String {
    let mut lines = vec![paint(NAME, heading(changes))];
    for PoolPolicyChange { pool, changes, policy } in &changes.pools {
        lines.push(format!("  {} {}", paint(CHANGED, "~"), paint(NAME, pool)));
        lines.extend(changes.iter().map(|change| hanging("      ", &said(change), width)));
        let word = "policy:";
        let policy = hanging(&format!("    {word} "), policy, width);
        lines.push(policy.replacen(word, &paint(QUIET, word), 1));
    }
    if !changes.settings.is_empty() {
        lines.push(format!("  {} {}", paint(CHANGED, "~"), paint(NAME, "(fleet file)")));
        let settings = changes.settings.iter();
        lines.extend(settings.map(|change| hanging("      ", &said(change), width)));
    }
    lines.join("\n") + "\n"
}

/// The same as a section of Markdown.
pub fn markdown(changes: &PolicyChanges) -> String {
    let mut text = format!("\n#### {}\n\n", sentence(&heading(changes)));
    for PoolPolicyChange { pool, changes, policy } in &changes.pools {
        text.push_str(&format!("- {}\n", span(pool.as_str())));
        for change in changes {
            text.push_str(&format!("  - {}\n", span(&said(change))));
        }
        text.push_str(&format!("  - policy: {}\n", sentence(policy)));
    }
    for change in &changes.settings {
        text.push_str(&format!("- fleet file: {}\n", span(&said(change))));
    }
    text
}

fn heading(changes: &PolicyChanges) -> String {
    let commit: String = changes.commit.chars().take(COMMIT_SHOWN).collect();
    let since = format!("since {} ({commit})", quote(&changes.since));
    if changes.is_empty() {
        format!("No policy has changed {since}")
    } else {
        format!("Policy changes {since}; `watch` follows them, and GARM does not store them")
    }
}

fn said(change: &SettingChange) -> String {
    let key = quote(&change.key);
    let side = |side: &Option<String>| side.as_deref().map_or_else(|| "(none)".to_owned(), quote);
    match &change.values {
        None => format!("{key}  (changed)"),
        Some((before, after)) => format!("{key}  {} → {}", side(before), side(after)),
    }
}

/// What has changed since a revision; absent without `--policy-since`.
#[derive(Serialize, JsonSchema)]
pub(super) struct PolicyChangesJson<'a> {
    since: &'a str,
    commit: &'a str,
    pools: Vec<PoolPolicyJson<'a>>,
    /// Settings of the fleet file.
    settings: Vec<SettingJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct PoolPolicyJson<'a> {
    pool: &'a str,
    changes: Vec<SettingJson<'a>>,
    /// The new policy in words.
    policy: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct SettingJson<'a> {
    key: &'a str,
    /// False if the values may contain secrets; then both are null.
    shown: bool,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

/// The object `policy_changes` of a document.
pub(super) fn json(changes: &PolicyChanges) -> PolicyChangesJson<'_> {
    PolicyChangesJson {
        since: &changes.since,
        commit: &changes.commit,
        pools: (changes.pools.iter())
            .map(|pool| PoolPolicyJson {
                pool: pool.pool.as_str(),
                changes: pool.changes.iter().map(setting).collect(),
                policy: &pool.policy,
            })
            .collect(),
        settings: changes.settings.iter().map(setting).collect(),
    }
}

fn setting(change: &SettingChange) -> SettingJson<'_> {
    let (before, after) = match &change.values {
        Some((before, after)) => (before.as_deref(), after.as_deref()),
        None => (None, None),
    };
    SettingJson { key: &change.key, shown: change.values.is_some(), before, after }
}
