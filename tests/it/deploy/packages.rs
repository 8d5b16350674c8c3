//! The Debian package, as `Cargo.toml` describes it.

use super::text;
use crate::cli::bench::root;

/// The rows of `[package.metadata.deb]`: source, destination, mode.
fn assets() -> Vec<[String; 3]> {
    let manifest = text("Cargo.toml");
    let rows = manifest.split("\nassets = [\n").nth(1).unwrap().split("\n]\n").next().unwrap();
    let rows = rows.lines().map(|row| row.trim().trim_end_matches(','));
    rows.map(|row| serde_json::from_str(row).unwrap()).collect()
}

#[test]
fn everything_that_the_debian_package_installs_is_there() {
    let assets = assets();
    // `cargo deb` finds the units and the scripts of the package by themselves.
    let [built, rest @ ..] = &assets[..] else { panic!("{assets:?}") };
    assert_eq!(*built, ["target/release/runnerctl", "usr/bin/", "755"]);
    for [source, _, mode] in rest {
        let (folder, name) = source.rsplit_once('/').unwrap_or((".", source));
        let folder = root().join(folder);
        let is_there = match name.strip_prefix('*') {
            None => folder.join(name).is_file(),
            Some(end) => std::fs::read_dir(&folder)
                .unwrap()
                .any(|entry| entry.unwrap().file_name().to_str().unwrap().ends_with(end)),
        };
        assert!(is_there && mode == "644", "{source} {mode}");
    }
    for shell in ["runnerctl.bash", "_runnerctl", "runnerctl.fish", "runnerctl.1"] {
        let source = format!("completions/{shell}");
        assert!(assets.iter().any(|asset| asset[0] == source), "{source}");
    }
}

#[test]
fn the_debian_changelog_begins_with_this_version() {
    let start = concat!("runnerctl (", env!("CARGO_PKG_VERSION"), "-1) ");
    assert!(text("deploy/debian/changelog").starts_with(start));
}
