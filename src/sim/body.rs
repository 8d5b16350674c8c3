//! Reads request bodies as Go's decoder does.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::reply::ApiRefusal;

/// A JSON object with its values as written: `extra_specs` keeps its key order and large numbers
/// (GARM.md §a).
pub(crate) struct Body<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Body<'a> {
    /// Fails with 400 `invalid request` if `text` is neither a JSON object nor `null`, which counts
    /// as an empty one (GARM.md §b). Like Go's decoder, ignores what follows.
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, ApiRefusal> {
        let mut stream = serde_json::Deserializer::from_slice(text).into_iter::<Option<Pairs>>();
        match stream.next() {
            Some(Ok(pairs)) => Ok(Self(pairs.map(|pair| pair.0).unwrap_or_default())),
            Some(Err(_)) | None => Err(ApiRefusal::body()),
        }
    }

    /// The value as written, if present. Like Go, ignores the case of keys and takes the last of
    /// several.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a str> {
        let last = self.0.iter().rev().find(|pair| pair.0.eq_ignore_ascii_case(key));
        last.map(|pair| pair.1.get())
    }

    /// The value unless it is absent or null.
    fn present(&self, key: &str) -> Option<&'a str> {
        self.raw(key).filter(|text| *text != "null")
    }

    /// A string; any other type is an error.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, ApiRefusal> {
        self.decoded(key)
    }

    /// A list of strings; any other type is an error.
    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ApiRefusal> {
        self.decoded(key)
    }

    /// A whole number from 0 to 2^64 − 1; anything else is an error.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, ApiRefusal> {
        self.present(key).map(|text| text.parse().map_err(|_| ApiRefusal::body())).transpose()
    }

    /// A Boolean; any other type is an error.
    pub(crate) fn truth(&self, key: &str) -> Result<Option<bool>, ApiRefusal> {
        self.decoded(key)
    }

    fn decoded<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ApiRefusal> {
        self.present(key)
            .map(|text| serde_json::from_str(text).map_err(|_| ApiRefusal::body()))
            .transpose()
    }
}

/// The members of an object in order, duplicates included.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, &RawValue)>> {
    serde_json::from_str::<Pairs<'_>>(text).ok().map(|truth| truth.0)
}

/// The members of an object in order.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(PairsVisitor).map(Pairs)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<Option<u64>, ApiRefusal> {
        Body::read(text.as_bytes()).and_then(|body| body.number("n"))
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        assert_eq!(number(r#"{"n":7}"#), Ok(Some(7)));
        assert_eq!(number(r#"{"N":7}"#), Ok(Some(7)));
        assert_eq!(number(r#"{"n":null}"#), Ok(None));
        assert_eq!(number(r#"{"n":7,"N":8}"#), Ok(Some(8)));
        assert_eq!(number("{}"), Ok(None));
        assert_eq!(number("null"), Ok(None));
        assert_eq!(number(r#"{"n":18446744073709551615}"#), Ok(Some(u64::MAX)));
        for bad in [r#"{"n":-1}"#, r#"{"n":"7"}"#, r#"{"n":7.0}"#, r#"{"n":18446744073709551616}"#]
        {
            assert_eq!(number(bad), Err(ApiRefusal::body()), "{bad}");
        }
        for broken in ["", "{", "[1]", "7", "nonsense"] {
            assert_eq!(number(broken), Err(ApiRefusal::body()), "{broken}");
        }
    }

    #[test]
    fn raw_values_are_unchanged() {
        let text = br#"{"extra_specs": {"z":1, "a":12345678901234567890123}} trailing"#;
        let body = Body::read(text).unwrap();
        assert_eq!(body.raw("extra_specs"), Some(r#"{"z":1, "a":12345678901234567890123}"#));
    }
}
