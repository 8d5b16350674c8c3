//! The secrets in a request. GARM or a proxy may quote the request in its response, so they are
//! masked in everything that is shown of that response.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::Value;

use crate::domain::redact::without;

/// The shortest line of a key or script that is masked separately, in bytes, since a response may
/// quote part of a long value. Shorter lines are too common to be secrets.
const LINE_MIN: usize = 16;

/// The secrets that no text about a response may contain.
pub(super) struct Carried(Vec<SecretString>);

impl Carried {
    /// The token or password, and the secrets in the body.
    pub(super) fn new(credential: &SecretString, body: Option<&Value>) -> Self {
        let mut all = vec![credential.clone()];
        if let Some(body) = body {
            collect(body, &mut all);
        }
        Self(all)
    }

    /// Masks all of them in a text.
    pub(super) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| without(&text, secret).into_owned())
    }
}

/// Collects an App's key and all of `extra_specs`, which contain the runner kit's key.
fn collect(value: &Value, all: &mut Vec<SecretString>) {
    let Value::Object(members) = value else { return };
    for (key, member) in members {
        match key.as_str() {
            "private_key_bytes" | "extra_specs" => take(member, all),
            _ => collect(member, all),
        }
    }
}

fn take(value: &Value, all: &mut Vec<SecretString>) {
    match value {
        Value::String(text) => {
            // Scripts and keys are sent in base64.
            let decoded =
                STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            for text in decoded.iter().chain([text]) {
                let lines = text.lines().filter(|line| line.len() >= LINE_MIN);
                all.extend(lines.map(SecretString::from));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| take(item, all)),
        Value::Object(members) => members.values().for_each(|member| take(member, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_in_a_body_is_masked_whole_and_by_its_lines() {
        let key = "-----BEGIN KEY-----\ncanary-canary-canary-1\ncanary-canary-canary-2\n-----END";
        let encoded = STANDARD.encode(key);
        let body = json!({
            "name": "a-visible-name-of-a-pool",
            "app": { "private_key_bytes": encoded },
            "extra_specs": { "pre_install_scripts": { "10": STANDARD.encode("KEY=canary-in-a-script") } },
        });
        let carried = Carried::new(&SecretString::from("canary-token"), Some(&body));
        for quoted in [
            format!("you sent {encoded}"),
            "line 2: canary-canary-canary-1 is bad".to_owned(),
            key.replace('\n', "\\n"),
            body.to_string(),
            "KEY%3Dcanary-in-a-script".to_owned(),
            "Bearer canary-token".to_owned(),
        ] {
            let shown = carried.mask(&quoted);
            assert!(!shown.contains("canary"), "{shown}");
            assert!(!shown.contains(&encoded[..20]), "{shown}");
        }
        let text = "pool a-visible-name-of-a-pool is not there";
        assert_eq!(carried.mask(text), text);
    }
}
