//! Sentences folded to a width.

/// Folds `text` at its blanks so that no line is wider than `width`, the first line after `first`
/// and the others after as many blanks. A word that is wider keeps a line to itself, whole: it may
/// be a name to be copied. Widths are in characters.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_at_blanks_and_hang() {
        assert_eq!(hanging("- ", "one two three", 9), "- one two\n  three");
        assert_eq!(hanging("- ", "one", 9), "- one");
        assert_eq!(hanging("", "unbreakable word", 4), "unbreakable\nword");
        assert_eq!(hanging("note: ", "a b", 0), "note: a\n      b");
    }
}
