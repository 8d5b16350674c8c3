//! Finds the fenced and indented code blocks of a Markdown document.

use std::fs;

use crate::cli::bench::root;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The number of its first line.
    pub(super) line: usize,
    /// The word after its fence, for example `sh`; empty if there is none.
    pub(super) language: String,
    /// Its text, without indentation and fences.
    pub(super) text: String,
}

/// The text of a document of the repository.
pub(super) fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The text of the block of document `name` that begins with `first`.
pub(crate) fn block(name: &str, first: &str) -> String {
    let found = blocks(&document(name)).into_iter().find(|it| it.text.starts_with(first));
    found.unwrap_or_else(|| panic!("{name} has no block that begins with {first}")).text
}

/// All blocks, in order. As in CommonMark, an indented block follows an empty line.
pub(super) fn blocks(markdown: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let (mut is_fenced, mut is_indented, mut was_empty) = (false, false, true);
    let mut depth = 0;
    for (place, line) in markdown.lines().enumerate() {
        let begin = |line: usize, language: &str, text: String| Block {
            line,
            language: language.to_owned(),
            text,
        };
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_fenced = !is_fenced;
            is_indented = false;
            if is_fenced {
                depth = line.len() - line.trim_start().len();
                all.push(begin(place + 2, language, String::new()));
            }
        } else if is_fenced {
            let block = all.last_mut().expect("the fence began one");
            // In a list item, a fence and its contents are indented.
            let margin = line.len() - line.trim_start().len();
            block.text.push_str(&line[depth.min(margin)..]);
            block.text.push('\n');
        } else if let Some(code) = line.strip_prefix("    ").filter(|_| is_indented || was_empty) {
            match all.last_mut().filter(|_| is_indented) {
                Some(block) => block.text.push_str(&format!("{code}\n")),
                None => all.push(begin(place + 1, "", format!("{}\n", code.trim_start()))),
            }
            is_indented = true;
        } else if !line.is_empty() {
            is_indented = false;
        }
        was_empty = line.is_empty();
    }
    all
}

#[test]
fn blocks_are_found_by_fence_and_by_indentation() {
    let text = "a\n\n    one\n    two\n\nb\n    no block\n\n```sh\nthree\n\nfour\n```\n\
                - c\n  ```\n  five\n    six\n  ```\n";
    let found: Vec<_> =
        blocks(text).into_iter().map(|it| (it.line, it.language, it.text)).collect();
    let expected =
        [(3, "", "one\ntwo\n"), (10, "sh", "three\n\nfour\n"), (16, "", "five\n  six\n")];
    assert_eq!(found, expected.map(|(line, word, text)| (line, word.to_owned(), text.to_owned())));
}
