//! The parts of a URL after its path.

/// A segment of a path, its `%xx` resolved.
pub(crate) fn decode(segment: &str) -> String {
    // `+` stands for itself in a path, for a blank in a query.
    parts(&format!("x={}", segment.replace('+', "%2B"))).next().map(|it| it.1).unwrap_or_default()
}

/// The value of a key; absent for an absent key.
pub(crate) fn value(query: &str, key: &str) -> Option<String> {
    parts(query).find(|it| it.0 == key).map(|it| it.1)
}

/// What Go's `ParseBool` takes for true.
pub(crate) fn is_true(query: &str, key: &str) -> bool {
    value(query, key)
        .is_some_and(|it| ["1", "t", "T", "TRUE", "true", "True"].contains(&it.as_str()))
}

fn parts(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(query.as_bytes()).into_owned()
}
