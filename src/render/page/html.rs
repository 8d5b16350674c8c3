//! Writes HTML. Markup comes only from string literals; every value is escaped.

use std::fmt::{self, Display, Write};

use crate::domain::text;

/// A buffer of HTML. **Invariant:** each part is either a `&'static str` of this crate or escaped,
/// so no value can become markup.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends a value, as text or between the quotes of an attribute.
    pub(super) fn text(&mut self, value: impl Display) -> &mut Self {
        write!(EscapingWriter(&mut self.0), "{value}")
            .expect("a `String` takes all that is written");
        self
    }

    /// Appends a sentence; parts in backticks become code.
    pub(super) fn prose(&mut self, sentence: &str) -> &mut Self {
        if sentence.matches('`').count() % 2 == 1 {
            return self.text(sentence);
        }
        for (at, part) in sentence.split('`').enumerate() {
            match at % 2 {
                0 => self.text(part),
                _ => self.markup("<code>").text(part).markup("</code>"),
            };
        }
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

struct EscapingWriter<'a>(&'a mut String);

impl Write for EscapingWriter<'_> {
    fn write_str(&mut self, value: &str) -> fmt::Result {
        // Escapes control and bidirectional characters first, then the special characters of HTML.
        let safe = text::escape(value);
        let mut rest = safe.as_ref();
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            self.0.push_str(&rest[..at]);
            self.0.push_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            });
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

/// A path segment in which every byte except letters, digits and `-._~` is percent-encoded (RFC
/// 3986).
pub(super) fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Html) -> &mut Html) -> String {
        let mut html = Html::default();
        write(&mut html);
        html.finish()
    }

    #[test]
    fn a_value_is_never_markup() {
        let hostile = "</title><script>x('1\"&\u{202e}\u{1b}\n";
        let expected = "&lt;/title&gt;&lt;script&gt;x(&#39;1&quot;&amp;\\u{202e}\\u{1b}\\n";
        assert_eq!(written(|html| html.text(hostile)), expected);
        assert_eq!(written(|html| html.prose(hostile)), expected);
        assert_eq!(written(|html| html.text(12)), "12");
    }

    #[test]
    fn backticks_are_code_where_they_come_in_pairs() {
        let prose = |text: &str| written(|html| html.prose(text));
        assert_eq!(prose("`a<b` is 2"), "<code>a&lt;b</code> is 2");
        assert_eq!(prose("it`s"), "it`s");
    }

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        assert_eq!(segment("web-1.x_~"), "web-1.x_~");
        assert_eq!(segment("a/b?c#d é\""), "a%2Fb%3Fc%23d%20%C3%A9%22");
    }
}
