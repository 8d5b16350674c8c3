//! Globs in a policy: `*` matches any characters, `?` exactly one. Neither matches a character that
//! could separate several values in one string: a comma, a semicolon, a line break, NUL or any
//! other control character. A provider may take such a string for a list, of which the glob was
//! meant to match the first value only.

/// Whether `pattern` matches the whole of `text`. Every character except `*` and `?` matches
/// itself. Takes at most `pattern × text` steps, whatever the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // The last `*` and the end of the text that it matches so far. Backtracking to the last star is
    // enough: it can match whatever an earlier one could.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == text[t] || (*c == '?' && !separates(text[t])) => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((at, swallowed)) = star else { return false };
                if separates(text[swallowed]) {
                    return false;
                }
                star = Some((at, swallowed + 1));
                p = at + 1;
                t = swallowed + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn separates(c: char) -> bool {
    matches!(c, ',' | ';' | '\u{2028}' | '\u{2029}') || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_do_not_match_a_list_in_one_string() {
        for text in ["ci-a,prod", "ci-a;prod", "ci-a\nprod", "ci-a\0", "ci-\u{2028}prod", "ci-a,"] {
            assert!(!matches("ci-*", text) && !matches("*", text), "{text:?}");
            assert!(matches(text, text), "{text:?}");
        }
        assert!(!matches("ci?a", "ci,a") && matches("ci,*", "ci,a"));
        assert!(matches("VM *", "VM Network") && !matches("ci-*,x", "ci-a,b,x"));
    }

    #[test]
    fn stars_and_question_marks_match_as_documented() {
        for (pattern, text, expected) in [
            ("prod-*", "prod-a", true),
            ("prod-*", "prod-", true),
            ("prod-*", "prod", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*-gpu", "linux-gpu", true),
            ("*-gpu", "linux-gpu-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("[ab]", "a", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_backtrack_exponentially() {
        assert!(!matches(&format!("{}b", "a*".repeat(200)), &"a".repeat(1_000)));
    }
}
