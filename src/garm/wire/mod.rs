//! GARM's JSON: zero values are absent, lists may be null, unknown fields are tolerated
//! (GARM.md §0.3, §a). Odd numbers and times are read as the nearest that the domain has, so that
//! one row of a stranger cannot hide all others; a row that cannot be understood is named.

mod body;
mod controller;
mod credential;
mod entity;
mod event;
mod job;
mod lenient;
mod pool;
mod runner;

use std::fmt;
use std::marker::PhantomData;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

pub(super) use body::{change_body, create_body};
pub(super) use controller::{controller, providers, templates};
pub(super) use credential::{
    credential, credential_body, credentials, endpoints, new_credential_body,
};
pub use entity::SpecsByPool;
pub(super) use entity::{entities, entity_with_specs};
pub(super) use event::event;
pub(super) use job::jobs;
pub(super) use pool::{pool_with_runners, pools};
pub(super) use runner::{runner, runners};

/// Longest token, in bytes: a header line has to hold it.
const TOKEN_MAX: usize = 16 << 10;

/// Why a body is not what GARM answers, in words that may quote it: to be bounded and escaped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misread(pub(super) String);

/// The token of a login.
pub(super) fn token(body: &[u8]) -> Result<SecretString, Misread> {
    #[derive(Deserialize)]
    struct Wire {
        token: String,
    }
    let token = decode::<Wire>(body)?.token;
    if token.is_empty() || token.len() > TOKEN_MAX || !token.bytes().all(|it| it.is_ascii_graphic())
    {
        return Err(Misread("the token is not one that a request can carry".into()));
    }
    Ok(SecretString::from(token))
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Misread> {
    serde_json::from_slice(body).map_err(|error| Misread(not_json(body, &error)))
}

/// A list, `null` being an empty one. A row that cannot be read is named by its place and id.
fn list<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Misread> {
    list_of(body, |row: T| row)
}

/// A list of what its rows are made into, one by one: the ten thousand rows of a large fleet never
/// stand in memory twice.
fn list_of<T: DeserializeOwned, U>(
    body: &[u8],
    make: impl FnMut(T) -> U,
) -> Result<Vec<U>, Misread> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let rows = reader.deserialize_any(Rows(make, PhantomData));
    let rows = rows.and_then(|rows| reader.end().map(|()| rows));
    rows.map_err(|error| Misread(bad_row::<T>(body).unwrap_or_else(|| not_json(body, &error))))
}

struct Rows<T, F>(F, PhantomData<T>);

impl<'de, T: Deserialize<'de>, U, F: FnMut(T) -> U> Visitor<'de> for Rows<T, F> {
    type Value = Vec<U>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Vec<U>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut rows: A) -> Result<Vec<U>, A::Error> {
        let mut made = Vec::new();
        while let Some(row) = rows.next_element()? {
            made.push(self.0(row));
        }
        made.shrink_to_fit();
        Ok(made)
    }
}

/// Reads once more, row by row; only ever after a failure.
fn bad_row<T: DeserializeOwned>(body: &[u8]) -> Option<String> {
    let rows: Vec<Value> = serde_json::from_slice(body).ok()?;
    rows.into_iter().enumerate().find_map(|(place, row)| {
        let name = ["id", "name"].iter().find_map(|&key| row.get(key).map(Value::to_string));
        let error = T::deserialize(row).err()?;
        let name = name.map(|it| format!(" ({it})")).unwrap_or_default();
        Some(format!("entry {}{name} of the list cannot be read: {error}", place + 1))
    })
}

fn not_json(body: &[u8], error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        _ if body.trim_ascii().is_empty() => "an empty answer".into(),
        Category::Eof => format!("JSON that breaks off: {error}"),
        Category::Syntax | Category::Io => format!("not JSON: {error}"),
        Category::Data => format!("JSON of an unexpected shape: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Result<usize, &str>) {
        let got = list::<Named>(body.as_bytes()).map(|it| it.len());
        assert_eq!(got, expected.map_err(|it| Misread(it.into())));
    }

    #[derive(Deserialize)]
    struct Named {
        #[expect(dead_code, reason = "only its type matters here")]
        name: String,
    }

    #[test]
    fn null_is_an_empty_list() {
        check("null", Ok(0));
        check("[]", Ok(0));
        check(r#"[{"name":"a","new":{"x":[1]}}]"#, Ok(1));
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        check("", Err("an empty answer"));
        check(" \n", Err("an empty answer"));
        check("<html>", Err("not JSON: expected value at line 1 column 1"));
        check(
            r#"[{"name":"a"#,
            Err("JSON that breaks off: EOF while parsing a string at line 1 column 11"),
        );
        check(
            r#"{"name":"a"}"#,
            Err(
                "JSON of an unexpected shape: invalid type: map, expected a sequence at line 1 column 1",
            ),
        );
    }

    #[test]
    fn a_row_that_cannot_be_read_is_named() {
        check(
            r#"[{"name":"a"},{"id":"7f","name":5}]"#,
            Err(
                r#"entry 2 ("7f") of the list cannot be read: invalid type: integer `5`, expected a string"#,
            ),
        );
        check(
            "[7]",
            Err(
                "entry 1 of the list cannot be read: invalid type: integer `7`, expected struct Named",
            ),
        );
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let nest = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let body = format!(r#"[{{"id":"p","org_id":"o","extra_specs":{nest}}}]"#);
        let got = pools(body.as_bytes()).map(|it| it.len());
        let expected = "not JSON: recursion limit exceeded at line 1 column 164";
        assert_eq!(got, Err(Misread(expected.into())));
    }

    #[test]
    fn only_a_token_that_a_header_can_hold_is_taken() {
        let read = |body: &str| token(body.as_bytes()).map(|it| it.expose_secret().to_owned());
        assert_eq!(read(r#"{"token":"a.b-c_d"}"#), Ok("a.b-c_d".into()));
        for bad in [r#"{"token":""}"#, r#"{"token":"a\r\nX: y"}"#, r#"{"token":"é"}"#] {
            let expected = Misread("the token is not one that a request can carry".into());
            assert_eq!(read(bad), Err(expected), "{bad}");
        }
        assert!(read("{}").is_err());
    }

    /// The recorded events carry the same objects as the lists do; deletes are stubs.
    #[test]
    fn the_objects_of_recorded_events_decode() {
        let events = include_str!("../../../tests/garm/events.jsonl");
        let mut read = (0, 0, 0);
        let mut faults = 0;
        for line in events.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["operation"] == "delete" {
                continue;
            }
            let body = format!("[{}]", event["payload"]).into_bytes();
            match event["entity-type"].as_str().unwrap() {
                "pool" => read.0 += pools(&body).unwrap().len(),
                "instance" => {
                    let runner = runners(&body).unwrap().remove(0);
                    read.1 += 1;
                    let fault = runner.provider_fault.unwrap_or_default();
                    faults += usize::from(fault.contains("stderr: lab: injected create failure"));
                }
                _ => read.2 += jobs(&body).unwrap().len(),
            }
        }
        assert_eq!((read, faults), ((5, 62, 5), 2));
    }
}
