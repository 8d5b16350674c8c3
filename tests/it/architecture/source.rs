//! A Rust source for the architecture test: without comments, strings and tests.

/// One file, by its path below the repository.
pub(super) struct Source {
    /// `src/plan/mod.rs`
    pub(super) path: String,
    /// The content of the file.
    pub(super) text: String,
    /// The content with comments and strings blanked and tests removed. Lines keep their numbers.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = without_tests(&blanked(text));
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// The room: `plan` for `src/plan/mod.rs`, `event` for `src/event.rs`.
    pub(super) fn room(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let first = below.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }

    /// The number of enclosing modules: 1 for `src/plan/mod.rs`, 2 for `src/plan/diff.rs`.
    pub(super) fn depth(&self) -> usize {
        let parts = self.path.split('/').count() - 1;
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// Lines before the first test.
    pub(super) fn lines_before_tests(&self) -> usize {
        let lines = self.text.lines().count();
        self.text.lines().position(|it| it.starts_with("#[cfg(test)]")).unwrap_or(lines)
    }

    /// The modules of this file that are compiled for tests only.
    pub(super) fn test_modules(&self) -> Vec<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        lines
            .windows(2)
            .filter(|it| it[0].trim() == "#[cfg(test)]")
            .filter_map(|it| it[1].trim().strip_suffix(';')?.split("mod ").nth(1))
            .map(str::to_owned)
            .collect()
    }
}

/// Removes every unindented item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut is_in_test = false;
    for line in code.lines() {
        let begins = line.starts_with("#[cfg(test)]");
        is_in_test |= begins;
        if !is_in_test {
            kept.push_str(line);
        }
        kept.push('\n');
        let is_edge = !begins && !line.starts_with([' ', '\t', '#']);
        if is_in_test && is_edge && (line.starts_with('}') || line.ends_with(';')) {
            is_in_test = false;
        }
    }
    kept
}

/// Blanks comments and the contents of strings; line breaks stay.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => text_end(bytes, at),
            b'r' if !follows_word(bytes, at) => raw_end(bytes, at).unwrap_or(at + 1),
            b'\'' => char_end(bytes, at),
            _ => at + 1,
        };
        let whole = end - at > 1;
        for (i, byte) in bytes[at..end].iter().enumerate() {
            let is_edge = whole && (i == 0 || i == end - at - 1) && *byte == b'"';
            match byte {
                b'\n' => code.push('\n'),
                _ if is_edge => code.push('"'),
                _ if whole => code.push(' '),
                _ => code.push(char::from(*byte)),
            }
        }
        at = end;
    }
    code
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|it| *it == b'\n').map_or(bytes.len(), |it| at + it)
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut i = at;
    while i < bytes.len() {
        if bytes[i..].starts_with(b"/*") {
            depth += 1;
            i += 2;
        } else if bytes[i..].starts_with(b"*/") {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    bytes.len()
}

fn text_end(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b'"' => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`; nothing when it is only a letter.
fn raw_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|it| **it == b'#').count();
    let open = at + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let found = bytes[open + 1..].windows(close.len()).position(|it| it == close)?;
    Some(open + 1 + found + close.len())
}

/// A character, or a lifetime, which ends at once.
fn char_end(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[at + 3..].iter().position(|it| *it == b'\'');
        return close.map_or(bytes.len(), |it| at + 3 + it + 1);
    }
    // A character is at most four bytes long.
    let close = (2..=5).find(|it| bytes.get(at + it) == Some(&b'\''));
    let is_lifetime = bytes.get(at + 1).is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_')
        && bytes.get(at + 2) != Some(&b'\'');
    if is_lifetime { at + 1 } else { close.map_or(at + 1, |it| at + it + 1) }
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

#[test]
fn comments_and_texts_are_blanked_and_tests_are_cut() {
    let text = r###"use a; // use b;
/* tokio /* deep */ */ let s = "tokio\" x"; let c = '"'; let l: &'a str = r#"tok"io"#;
#[cfg(test)]
mod tests {
    use z;
}
fn after() {}
#[cfg(test)]
mod builders;
fn last() {}
"###;
    let source = Source::new("src/plan/mod.rs", text);
    assert!(!source.code.contains("tokio"), "{}", source.code);
    assert!(!source.code.contains("use b") && !source.code.contains("use z"));
    assert!(source.code.contains("use a;") && source.code.contains("&'a str"));
    assert!(source.code.contains("fn after") && source.code.contains("fn last"));
    assert_eq!(source.code.lines().count(), text.lines().count());
    assert_eq!(source.lines_before_tests(), 2);
    assert_eq!(source.test_modules(), ["builders"]);
    assert_eq!((source.room(), source.depth()), (Some("plan"), 1));
    assert_eq!(Source::new("src/event.rs", "").room(), Some("event"));
}
