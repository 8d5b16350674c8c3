//! Decodes path segments and query parameters.

/// A path segment with `%xx` decoded.
pub(crate) fn decode(segment: &str) -> String {
    // `+` is literal in a path and a space in a query.
    parts(&format!("x={}", segment.replace('+', "%2B")))
        .next()
        .map(|pair| pair.1)
        .unwrap_or_default()
}

/// The value of a key, if present.
pub(crate) fn value(query: &str, key: &str) -> Option<String> {
    parts(query).find(|pair| pair.0 == key).map(|pair| pair.1)
}

/// Whether Go's `ParseBool` reads the value as true.
pub(crate) fn is_true(query: &str, key: &str) -> bool {
    value(query, key)
        .is_some_and(|text| ["1", "t", "T", "TRUE", "true", "True"].contains(&text.as_str()))
}

fn parts(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(query.as_bytes()).into_owned()
}
