//! Globs of the policy: `*` stands for any characters, `?` for exactly one. Neither stands for what
//! could separate several values in one text: a comma, a semicolon, a line break, NUL or another
//! control character. A tool behind may take such a text for a list, of which only the first value
//! was meant by the glob.

/// Whether `pattern` means the whole of `text`. Everything but `*` and `?` stands for itself.
/// Takes at most `pattern × text` steps, whatever the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // The last `*`, and how much of the text it has swallowed: going back to it alone is enough,
    // since a later `*` can swallow whatever an earlier one could.
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
    fn a_list_in_one_text_is_not_one_value() {
        for text in ["ci-a,prod", "ci-a;prod", "ci-a\nprod", "ci-a\0", "ci-\u{2028}prod", "ci-a,"] {
            assert!(!matches("ci-*", text) && !matches("*", text), "{text:?}");
            assert!(matches(text, text), "{text:?}");
        }
        assert!(!matches("ci?a", "ci,a") && matches("ci,*", "ci,a"));
        assert!(matches("VM *", "VM Network") && !matches("ci-*,x", "ci-a,b,x"));
    }

    #[test]
    fn stars_and_question_marks_stand_for_the_rest() {
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
    fn many_stars_stay_cheap() {
        assert!(!matches(&format!("{}b", "a*".repeat(200)), &"a".repeat(1_000)));
    }
}
