//! Paths that GARM's router does not take as they are: it redirects to the same path without empty
//! segments, `.` and `..`, whatever the method, before it looks for a token (measured).

use super::reply::ApiReply;

/// The redirect for `path` with its query, unless it is fit to be routed.
pub(crate) fn redirect(path: &str) -> Option<ApiReply> {
    let (path, query) = path.split_once('?').map_or((path, None), |it| (it.0, Some(it.1)));
    // The router looks at the path with its escapes resolved; only a slash matters here.
    let path = path.replace("%2F", "/").replace("%2f", "/");
    let clean = cleaned(&path);
    if clean == path {
        return None;
    }
    let query = query.map_or_else(String::new, |it| format!("?{it}"));
    Some(ApiReply::moved(format!("{clean}{query}")))
}

/// As Go's `path.Clean` has it, with the slash at the end kept.
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
    fn a_path_is_redirected_to_itself_without_what_says_nothing() {
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
            let found = redirect(path).and_then(|it| it.location);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
