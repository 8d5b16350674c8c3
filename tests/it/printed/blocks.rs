//! The blocks of a document in Markdown: fenced ones, and indented ones.

use std::fs;

use crate::cli::bench::root;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Where its first line stands.
    pub(super) line: usize,
    /// Its text, without indentation and fences.
    pub(super) text: String,
}

/// A document of the repository.
pub(super) fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The block of a document that begins like this.
pub(super) fn block(name: &str, first: &str) -> String {
    let found = blocks(&document(name)).into_iter().find(|it| it.text.starts_with(first));
    found.unwrap_or_else(|| panic!("{name} has no block that begins with {first}")).text
}

/// Every block, in order. Lines of an indented one follow an empty line, as CommonMark has it.
pub(super) fn blocks(markdown: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let (mut is_fenced, mut is_indented, mut was_empty) = (false, false, true);
    for (place, line) in markdown.lines().enumerate() {
        let begin = |text: &str| Block { line: place + 1, text: text.to_owned() };
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            is_indented = false;
            if is_fenced {
                all.push(Block { line: place + 2, text: String::new() });
            }
        } else if is_fenced {
            let block = all.last_mut().expect("the fence began one");
            block.text.push_str(line);
            block.text.push('\n');
        } else if let Some(code) = line.strip_prefix("    ").filter(|_| is_indented || was_empty) {
            match all.last_mut().filter(|_| is_indented) {
                Some(block) => block.text.push_str(&format!("{code}\n")),
                None => all.push(begin(&format!("{}\n", code.trim_start()))),
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
    let text = "a\n\n    one\n    two\n\nb\n    no block\n\n```sh\nthree\n\nfour\n```\n";
    let found: Vec<_> = blocks(text).into_iter().map(|it| (it.line, it.text)).collect();
    assert_eq!(found, [(3, "one\ntwo\n".to_owned()), (10, "three\n\nfour\n".to_owned())]);
}
