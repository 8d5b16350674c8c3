//! Runs the commands and checks the files that README, `docs/` and `deploy/` print.
//!
//! For every block of the README, either a test runs it or [`LEFT`] gives the reason why none can.
//! A block with neither is a failure, and so is a row for a block that no longer exists. In other
//! documents, the program must accept every line that begins with `runnerctl`, and lines that can
//! be run are run.

pub(crate) mod blocks;
mod deploy;
mod docs;
mod json;
mod links;
mod operations;
mod providers;
mod readme;
pub(crate) mod stage;

use blocks::{Block, blocks, document};

/// The first lines of README's blocks that a test runs.
const RUN: [&str; 10] = [
    "$ runnerctl watch",
    "runnerctl sandbox --write-config runnerctl.yaml --arrivals 20/m &",
    "# pools/default.yaml",
    "runnerctl validate              # every problem",
    "runnerctl init",
    "fleet: acme",
    "runnerctl import > pools/imported.yaml",
    "runnerctl watch                 # until stopped",
    "# .github/workflows/runners.yaml",
    "0 * * * *",
];

/// The first lines of README's blocks that no test runs, and why.
const LEFT: [(&str, &str); 2] = [
    (
        "cargo run --release -- demo",
        "builds the program; `the_demo_prints_what_readme_shows_of_it` runs it",
    ),
    (
        "cargo install --locked",
        "builds the program; `generated_files_are_fresh` runs `completions`",
    ),
];

#[test]
fn every_block_of_readme_is_run_or_says_why_it_is_not() {
    let fates = || RUN.into_iter().chain(LEFT.map(|it| it.0));
    let printed: Vec<Block> = blocks(&document("README.md"));
    for block in &printed {
        let found = fates().filter(|it| block.text.starts_with(it)).count();
        assert_eq!(
            found, 1,
            "README.md:{}: this block needs a test that runs it and a row in `RUN`, or a row in \
             `LEFT` with the reason:\n{}",
            block.line, block.text
        );
    }
    assert_eq!(printed.len(), fates().count(), "a row is for a block that is not printed any more");
}
