//! Wraps sentences to a width, and truncates text to the size of a screen.

use anstream::adapter::strip_str;

/// Wraps `text` at its blanks so that no line is wider than `width`. The first line starts with
/// `first`, the others with the same number of blanks. A wider word is not broken, because a user
/// may want to copy it. Widths are in characters.
pub fn hanging(first: &str, text: &str, width: usize) -> String {
    let indent = first.chars().count();
    let room = width.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let long = word.chars().count();
        if used > 0 && used + 1 + long > room {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += long;
    }
    lines.push(line);
    format!("{first}{}", lines.join(&format!("\n{}", " ".repeat(indent))))
}

/// The first lines of `text` that fit on a screen with this number of lines and `width` columns,
/// and the number of remaining lines. A wider line takes several lines of the screen. Styles take
/// no space.
pub fn on_screen(text: &str, width: usize, lines: usize) -> (String, usize) {
    let taken = |line: &str| strip_str(line).to_string().chars().count().div_ceil(width).max(1);
    let mut left = lines;
    let mut kept = String::new();
    let mut rest = 0;
    for line in text.lines() {
        match left.checked_sub(taken(line)).filter(|_| rest == 0) {
            Some(after) => {
                left = after;
                kept.push_str(line);
                kept.push('\n');
            }
            None => rest += 1,
        }
    }
    (kept, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_blanks_and_indented() {
        assert_eq!(hanging("- ", "one two three", 9), "- one two\n  three");
        assert_eq!(hanging("- ", "one", 9), "- one");
        assert_eq!(hanging("", "unbreakable word", 4), "unbreakable\nword");
        assert_eq!(hanging("note: ", "a b", 0), "note: a\n      b");
    }

    #[test]
    fn text_is_cut_to_the_screen_and_the_rest_is_counted() {
        assert_eq!(on_screen("a\nb\nc\n", 10, 3), ("a\nb\nc\n".into(), 0));
        assert_eq!(on_screen("a\nb\nc\n", 10, 2), ("a\nb\n".into(), 1));
        // A wide line takes two; a style takes none.
        assert_eq!(on_screen("\u{1b}[1mabcd\u{1b}[0m\nabcdef\nc\n", 4, 3).1, 1);
        assert_eq!(on_screen("a\n\nb\n", 4, 2), ("a\n\n".into(), 1));
    }
}
