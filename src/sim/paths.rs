//! GARM's router redirects paths with empty segments, `.` or `..` to the clean path, whatever the
//! method, before it checks the token (measured).

use super::reply::ApiReply;

/// The redirect for a path with its query, unless the path is clean.
pub(crate) fn redirect(path: &str) -> Option<ApiReply> {
    let (path, query) = path.split_once('?').map_or((path, None), |parts| (parts.0, Some(parts.1)));
    // The router decodes the path first; only encoded slashes matter here.
    let path = path.replace("%2F", "/").replace("%2f", "/");
    let clean = cleaned(&path);
    if clean == path {
        return None;
    }
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    Some(ApiReply::moved(format!("{clean}{query}")))
}

/// Go's `path.Clean`, but keeping a trailing slash.
fn cleaned(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let clean = format!("/{}", kept.join("/"));
    if path.ends_with('/') && clean != "/" { clean + "/" } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_redirected_to_its_clean_form() {
        for (path, expected) in [
            ("/api/v1/pools", None),
            ("/api/v1/pools/", None),
            ("/api/v1/pools?x=//", None),
            ("/", None),
            ("/api/v1//pools?x=1&y=//", Some("/api/v1/pools?x=1&y=//")),
            ("//api/v1/pools//", Some("/api/v1/pools/")),
            ("/api/v1/./pools", Some("/api/v1/pools")),
            ("/api/v1/organizations/../pools", Some("/api/v1/pools")),
            ("/api/v1/..", Some("/api")),
            ("/api/v1/a%2F/b", Some("/api/v1/a/b")),
            ("//", Some("/")),
        ] {
            let found = redirect(path).and_then(|redirect| redirect.location);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
