//! Suggestions for misspelt and misplaced keys: "did you mean …?".

use super::keys::KeySpec;
use super::tables::{DEFAULTS, FLEET_FILE, POOL, POOL_FILE};

/// Words from GARM and other tools, and our words for them.
const SYNONYMS: &[(&str, &str)] = &[
    ("flavor", "instance_type"),
    ("flavour", "instance_type"),
    ("size", "instance_type"),
    ("machine_type", "instance_type"),
    ("tags", "labels"),
    ("runs_on", "labels"),
    ("min", "min_runners"),
    ("max", "max_runners"),
    ("min_size", "min_runners"),
    ("max_size", "max_runners"),
    ("min_idle", "min_idle_runners"),
    ("org", "organization"),
    ("organisation", "organization"),
    ("repo", "repository"),
    ("provider_name", "provider"),
    ("runner_bootstrap_timeout", "bootstrap_timeout"),
    ("github_runner_group", "runner_group"),
    ("template_id", "template"),
    ("user", "username"),
    ("level", "min_idle_runners"),
    ("os", "os_type"),
    ("arch", "os_arch"),
    ("proxy_name", "proxy"),
    ("proxy_id", "proxy"),
    ("template_name", "template"),
    ("prefix", "runner_prefix"),
    ("group", "runner_group"),
    // Values: other names for operating systems and architectures.
    ("x64", "amd64"),
    ("x86_64", "amd64"),
    ("aarch64", "arm64"),
    ("armv8", "arm64"),
    ("arm32", "arm"),
    ("armhf", "arm"),
    ("armv7", "arm"),
    ("armv7l", "arm"),
    ("x86", "i386"),
    ("i686", "i386"),
    ("ubuntu", "linux"),
    ("debian", "linux"),
    ("win", "windows"),
    ("darwin", "macos"),
    ("osx", "macos"),
    ("mac", "macos"),
];

pub(super) fn near<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded = snake(written);
    let synonym = SYNONYMS.iter().find(|(word, _)| *word == folded).map(|synonym| synonym.1);
    if let Some(key) = synonym.and_then(|meant| known.iter().find(|key| **key == meant)) {
        return Some(key);
    }
    // Longer texts are not misspelt keys, and comparing them would be slow.
    if folded.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|key| (strsim::damerau_levenshtein(&folded, key), *key))
        .filter(|(distance, key)| *distance <= (key.len().max(3)) / 3)
        .min()
        .map(|nearest| nearest.1)
}

/// Converts `providerName`, `provider-name` and `Provider_Name` to `provider_name`.
fn snake(written: &str) -> String {
    let mut folded = String::new();
    let mut before = '_';
    for c in written.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            folded.push('_');
        }
        folded.extend(if c == '-' { '_' } else { c }.to_lowercase());
        before = c;
    }
    folded
}

/// A hint for a key that exists, but belongs in another mapping.
pub(super) fn elsewhere(key: &str, here: &[KeySpec]) -> Option<&'static str> {
    let is = |table: &[KeySpec]| std::ptr::eq(table, here);
    let holds = |table: &[KeySpec]| table.iter().any(|entry| entry.key == key);
    if is(POOL_FILE) {
        if holds(FLEET_FILE) {
            return Some("it belongs in the fleet file; a pool file contains only `pools:`");
        }
        if holds(&POOL) {
            return Some("it belongs in a pool under `pools:`, indented after a `-`");
        }
    }
    if is(FLEET_FILE) {
        if holds(POOL_FILE) {
            return Some("pools are declared in pool files, which contain nothing else");
        }
        if holds(&DEFAULTS) {
            return Some("it belongs under `defaults:`");
        }
    }
    if is(&POOL) && holds(FLEET_FILE) {
        return Some("it belongs in the fleet file");
    }
    if is(&DEFAULTS) && holds(&POOL) {
        return Some("every pool has its own; set it in the pool");
    }
    None
}

/// The words in backticks, separated by commas.
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_and_foreign_words_are_recognized_and_others_are_not() {
        let keys = ["min_runners", "max_runners", "instance_type", "labels"];
        assert_eq!(near("max_runner", &keys), Some("max_runners"));
        assert_eq!(near("MaxRunners", &keys), Some("max_runners"));
        assert_eq!(near("max-runners", &keys), Some("max_runners"));
        assert_eq!(near("flavor", &keys), Some("instance_type"));
        assert_eq!(near("tags", &keys), Some("labels"));
        assert_eq!(near("providerName", &["provider"]), Some("provider"));
        assert_eq!(near("githubRunnerGroup", &["runner_group"]), Some("runner_group"));
        assert_eq!(near("instanceType", &keys), Some("instance_type"));
        assert_eq!(near("X64", &["amd64", "arm64"]), Some("amd64"));
        assert_eq!(near("aarch64", &["amd64", "arm64"]), Some("arm64"));
        assert_eq!(near("colour", &keys), None);
        assert_eq!(near("", &keys), None);
        assert_eq!(near(&"x".repeat(100_000), &keys), None);
    }
}
