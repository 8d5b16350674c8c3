//! GARM's JSON: zero values may be absent, lists may be null, unknown fields are ignored (GARM.md
//! §0.3, §a). Numbers out of range become the nearest valid value and invalid times the zero time,
//! so that one row of another team cannot hide all others; a row that cannot be decoded is left out
//! and reported. Lists are decoded row by row as they arrive, within a budget.

mod body;
mod controller;
mod credential;
mod entity;
mod event;
mod job;
mod lenient;
mod pool;
mod pool_keys;
mod row_splitter;
mod rows;
mod runner;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

pub(super) use body::{change_body, create_body, scale_set_body, scale_set_change_body};
pub(super) use controller::{controller, providers, proxies, templates};
pub(super) use credential::{
    credential, credential_body, credentials, endpoints, new_credential_body, rate_limits,
};
pub use entity::SpecsByPool;
pub(super) use entity::{entities, entity_with_specs, without_map};
pub(super) use event::{EventContent, event};
pub(super) use job::jobs;
pub(super) use pool::{pool_with_runners, pools, scale_sets};
pub(super) use pool_keys::unknown;
pub use pool_keys::{KeyMeaning, POOL_KEYS, UnknownPoolData};
pub(super) use rows::{BodyReader, DocumentReader};
pub(super) use runner::{runner, runners};

/// Longest token, in bytes: it must fit into a header line.
const TOKEN_MAX: usize = 16 << 10;

/// Why a body is not a valid response. The text may quote it and must be bounded and escaped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodeError(pub(super) String);

/// The token of a login.
pub(super) fn token(body: &[u8]) -> Result<SecretString, DecodeError> {
    #[derive(Deserialize)]
    struct WireToken {
        token: String,
    }
    let token = decode::<WireToken>(body)?.token;
    if token.is_empty()
        || token.len() > TOKEN_MAX
        || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(DecodeError("the token is not one that a request can carry".into()));
    }
    Ok(SecretString::from(token))
}

use rows::list;

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|error| DecodeError(not_json(body, &error)))
}

fn not_json(body: &[u8], error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        _ if body.trim_ascii().is_empty() => "an empty response".into(),
        Category::Eof => format!("JSON that breaks off: {error}"),
        Category::Syntax | Category::Io => format!("not JSON: {error}"),
        Category::Data => format!("JSON of an unexpected shape: {error}"),
    }
}

/// What is wrong with a document that is not a list.
fn no_list(body: &[u8]) -> DecodeError {
    match decode::<Vec<IgnoredAny>>(body) {
        Ok(_) => DecodeError("trailing data after the list".into()),
        Err(misread) => misread,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::Value;

    use super::rows::{Excess, RowReader, read};
    use super::*;
    use crate::garm::budget::{AnswerLimit, Budget};

    const BOUND: AnswerLimit = AnswerLimit { rows: 3, bytes: 1 << 20 };

    fn names() -> RowReader<Named, String, impl FnMut(Named) -> Result<Option<String>, DecodeError>>
    {
        RowReader::new(BOUND, |row: Named| Ok(Some(row.name)))
    }

    /// Checks the names of the rows and the remark, with the response arriving in various pieces.
    #[track_caller]
    fn check(body: &str, expected: Result<(&str, Option<&str>), &str>) {
        for size in [1, 5, 1 << 20] {
            let mut reader = names();
            let taken = body.as_bytes().chunks(size).try_for_each(|chunk| reader.take(chunk));
            let remark = reader.remark();
            let got = taken.and_then(|()| reader.finish()).map(|names| names.join(" "));
            let got = got.map(|names| (names, remark));
            let expected = expected.map(|(names, remark)| (names.into(), remark.map(Into::into)));
            assert_eq!(got, expected.map_err(|message| DecodeError(message.into())), "{size}");
        }
    }

    #[derive(Deserialize)]
    struct Named {
        name: String,
    }

    #[test]
    fn null_is_an_empty_list() {
        check("null", Ok(("", None)));
        check("[]", Ok(("", None)));
        check(r#"[{"name":"a","new":{"x":[1]}}]"#, Ok(("a", None)));
    }

    #[test]
    fn errors_say_what_is_wrong_with_a_body() {
        check("", Err("an empty response"));
        check(" \n", Err("an empty response"));
        check("<html>", Err("not JSON: expected value at line 1 column 1"));
        check(r#"[{"name":"a"},{"nam"#, Err("JSON that breaks off after 1 entries"));
        check(
            r#"{"name":"a"}"#,
            Err("JSON of an unexpected shape: invalid type: map, expected a sequence at line 1 \
                 column 0"),
        );
        check(
            r#"[{"name":"a"},<html>]"#,
            Err("entry 2 of the list: not JSON: expected value at line 1 column 1"),
        );
        check(
            r#"[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}]"#,
            Err("more than 3 entries"),
        );
    }

    #[test]
    fn a_row_that_cannot_be_decoded_is_left_out_and_reported() {
        check(
            r#"[{"name":"a"},{"id":"7f","name":5},{"name":"b"}]"#,
            Ok((
                "a b",
                Some(
                    r#"left out 1 entry that cannot be read: entry 2 ("7f") of the list cannot be read: invalid type: integer `5`, expected a string at line 1 column 19"#,
                ),
            )),
        );
        check(
            "[7]",
            Err("entry 1 of the list cannot be read: invalid type: integer `7`, expected struct \
                 Named at line 1 column 1"),
        );
    }

    #[test]
    fn a_row_that_is_not_utf8_is_left_out() {
        let mut reader = names();
        reader.take(b"[{\"name\":\"a\"},{\"id\":7,\"name\":\"\xff\"},{\"name\":\"b\"}]").unwrap();
        let why = "left out 1 entry that cannot be read: entry 2 of the list cannot be read: \
                   invalid utf-8 sequence of 1 bytes from index 16";
        assert_eq!(reader.remark().as_deref(), Some(why));
        assert_eq!(reader.finish().unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_vital_row_is_never_left_out() {
        let body = br#"[{"name":"a"},{"name":["mine"]}]"#;
        let mut reader = names().vital(|row| row.windows(4).any(|window| window == b"mine"));
        let why = reader.take(body).unwrap_err().0;
        assert!(why.starts_with("entry 2 ([\"mine\"]) of the list cannot be read"), "{why}");
    }

    #[test]
    fn a_list_may_end_at_its_limit() {
        let mut reader = names().excess(Excess::LeftOut);
        reader.take(br#"[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"},"#).unwrap();
        assert!(reader.is_full());
        assert_eq!(reader.remark().unwrap(), "only the first 3 entries are read");
        assert_eq!(reader.finish().unwrap(), ["a", "b", "c"]);
    }

    /// Another team's pool may contain anything.
    #[test]
    fn a_row_with_excessive_nesting_is_left_out() {
        let nest = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let body = format!(r#"[{{"id":"p","org_id":"o","x":{nest}}},{{"id":"q","org_id":"o"}}]"#);
        let mut reader = pools(BOUND);
        reader.take(body.as_bytes()).unwrap();
        let why = "left out 1 entry that cannot be read: entry 1 (\"p\") of the list cannot be \
                   read: it is nested too deeply";
        assert_eq!(reader.remark().as_deref(), Some(why));
        assert_eq!(reader.finish().unwrap().len(), 1);
    }

    #[test]
    fn only_a_token_that_fits_a_header_is_accepted() {
        let read =
            |body: &str| token(body.as_bytes()).map(|token| token.expose_secret().to_owned());
        assert_eq!(read(r#"{"token":"a.b-c_d"}"#), Ok("a.b-c_d".into()));
        for bad in [r#"{"token":""}"#, r#"{"token":"a\r\nX: y"}"#, r#"{"token":"é"}"#] {
            let expected = DecodeError("the token is not one that a request can carry".into());
            assert_eq!(read(bad), Err(expected), "{bad}");
        }
        assert!(read("{}").is_err());
    }

    /// Recorded events contain the same objects as lists; deletes are stubs.
    #[test]
    fn the_objects_of_recorded_events_decode() {
        let events = include_str!("../../../tests/garm/events.jsonl");
        let budget = Budget::default();
        let mut seen = (0, 0, 0);
        let mut faults = 0;
        for line in events.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["operation"] == "delete" {
                continue;
            }
            let body = format!("[{}]", event["payload"]).into_bytes();
            match event["entity-type"].as_str().unwrap() {
                "pool" => seen.0 += read(pools(budget.pools), &body).unwrap().len(),
                "instance" => {
                    let runner = read(runners(budget.runners), &body).unwrap().remove(0);
                    seen.1 += 1;
                    let fault = runner.provider_fault.unwrap_or_default();
                    faults += usize::from(fault.contains("stderr: lab: injected create failure"));
                }
                _ => seen.2 += read(jobs(budget.jobs), &body).unwrap().len(),
            }
        }
        assert_eq!((seen, faults), ((5, 62, 5), 2));
    }
}
