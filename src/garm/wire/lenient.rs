//! Values that GARM leaves out, sends as `null`, or sends larger than the domain has them.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// GARM's own zero, `0001-01-01T00:00:00Z`: "never".
pub(super) fn zero_time() -> Timestamp {
    Timestamp::from_second(-62_135_596_800).expect("the year 1 is within jiff's range")
}

/// `null` is the default, as an absent field is.
pub(super) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A time; what is none, or none that we can hold, is [`zero_time`]. An age reckoned from it is
/// long, which shows, and one odd row does not hide the others.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    deserializer.deserialize_any(TimeVisitor)
}

/// Reads the text where it stands: a large fleet's lists have a hundred thousand of them.
struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        Ok(text.parse().unwrap_or_else(|_| zero_time()))
    }

    fn visit_unit<E: Error>(self) -> Result<Timestamp, E> {
        Ok(zero_time())
    }
}

/// A number that GARM holds in 64 bits and we in 32: larger ones are read as the largest, those
/// below zero as zero. Fractions, which no count has, are an error.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(0) };
    if let Some(count) = number.as_u64() {
        return Ok(u32::try_from(count).unwrap_or(u32::MAX));
    }
    match number.as_f64() {
        Some(far) if far <= 0.0 => Ok(0),
        Some(far) if far >= f64::from(u32::MAX) => Ok(u32::MAX),
        Some(_) | None => Err(D::Error::custom("a count is a whole number")),
    }
}

/// Most entries of a list inside a row, such as labels.
const FEW: usize = 1_000;

/// A list inside a row, `null` being an empty one; one of more than [`FEW`] entries is an error.
pub(super) fn few<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let NewestEntries { newest, count } =
        deserializer.deserialize_any(NewestVisitor(FEW, PhantomData))?;
    if count > FEW {
        return Err(D::Error::custom(format_args!("a list of more than {FEW} entries")));
    }
    Ok(newest.into())
}

/// Most messages of a row that are kept.
const LAST: usize = 100;

/// The last [`LAST`] entries of a list inside a row, which grows while the row lives.
pub(super) fn last<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(deserializer.deserialize_any(NewestVisitor(LAST, PhantomData))?.newest.into())
}

struct NewestVisitor<T>(usize, PhantomData<T>);

struct NewestEntries<T> {
    newest: VecDeque<T>,
    count: usize,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for NewestVisitor<T> {
    type Value = NewestEntries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_unit<E: Error>(self) -> Result<NewestEntries<T>, E> {
        Ok(NewestEntries { newest: VecDeque::new(), count: 0 })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<NewestEntries<T>, A::Error> {
        let mut last = NewestEntries { newest: VecDeque::new(), count: 0 };
        while let Some(entry) = entries.next_element()? {
            if last.newest.len() == self.0 {
                last.newest.pop_front();
            }
            last.newest.push_back(entry);
            last.count += 1;
        }
        Ok(last)
    }
}

/// Fewest bytes that a value of a tree has on average, beyond the first thousand: a value takes up
/// to 150 in memory, so that a tree has no more than ten times its text.
const VALUE_MIN: usize = 16;

/// Any JSON. One of very many tiny values is an error.
pub(super) fn tree<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let Some(raw) = Option::<Box<RawValue>>::deserialize(deserializer)? else { return Ok(None) };
    let text = raw.get();
    let values = values(text);
    if values > FEW + text.len() / VALUE_MIN {
        return Err(D::Error::custom(format_args!("a tree of some {values} tiny values")));
    }
    serde_json::from_str(text).map_err(D::Error::custom)
}

/// How many values a JSON text has, to within those that are empty.
fn values(text: &str) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_are_read_as_the_nearest_that_we_have() {
        for (json, expected) in [
            ("0", 0),
            ("7", 7),
            ("4294967295", u32::MAX),
            ("4294967296", u32::MAX),
            ("18446744073709551615", u32::MAX),
            ("184467440737095516150", u32::MAX),
            ("1e300", u32::MAX),
            ("-1", 0),
            ("-9223372036854775808", 0),
            ("-1e300", 0),
            ("null", 0),
        ] {
            let mut reader = serde_json::Deserializer::from_str(json);
            assert_eq!(count(&mut reader).unwrap(), expected, "{json}");
        }
        for bad in ["1.5", "\"7\"", "true", "[]"] {
            let mut reader = serde_json::Deserializer::from_str(bad);
            assert!(count(&mut reader).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_inside_a_row_are_bounded() {
        let read = |json: &str| few::<u32, _>(&mut serde_json::Deserializer::from_str(json));
        assert_eq!(read("[1,2]").unwrap(), [1, 2]);
        assert_eq!(read("null").unwrap(), [0; 0]);
        let many = |n: usize| serde_json::to_string(&(0..n).collect::<Vec<_>>()).unwrap();
        assert_eq!(read(&many(FEW)).unwrap().len(), FEW);
        assert!(read(&many(FEW + 1)).is_err() && read("7").is_err());
        let text = many(1_000_000);
        let kept = last::<u32, _>(&mut serde_json::Deserializer::from_str(&text)).unwrap();
        assert_eq!((kept.len(), kept[99]), (LAST, 999_999));
    }

    #[test]
    fn a_tree_is_bounded_by_its_values() {
        let read = |json: &str| tree(&mut serde_json::Deserializer::from_str(json));
        assert_eq!(read(r#"{"a":[1,null]}"#).unwrap(), Some(json!({"a": [1, null]})));
        assert_eq!(read("null").unwrap(), None);
        let script = json!({ "script": "a, b, [c]\n".repeat(10_000) });
        assert_eq!(read(&script.to_string()).unwrap(), Some(script));
        assert!(read(&format!("[{}1]", "1,".repeat(5_000))).is_err());
    }

    #[test]
    fn odd_times_are_never() {
        for odd in [
            json!(null),
            json!("0001-01-01T00:00:00Z"),
            json!(""),
            json!("yesterday"),
            json!("99999-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(&odd).unwrap(), zero_time(), "{odd}");
        }
        let good = json!("2026-11-23T23:07:56.551229519+01:00");
        assert_eq!(time(&good).unwrap().to_string(), "2026-11-23T22:07:56.551229519Z");
    }
}
