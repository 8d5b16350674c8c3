//! Decodes values that GARM omits, sends as `null`, or sends larger than the domain allows.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// GARM's zero time, `0001-01-01T00:00:00Z`, which means "never".
pub(super) fn zero_time() -> Timestamp {
    Timestamp::from_second(-62_135_596_800).expect("the year 1 is within jiff's range")
}

/// `null` means the default, as an absent field does.
pub(super) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A time; an invalid one or one out of range becomes [`zero_time`]. The age computed from it is
/// conspicuously long, and one invalid row does not hide the others.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    deserializer.deserialize_any(TimeVisitor)
}

/// Parses without copying the text: the lists of a large fleet have a hundred thousand times.
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

/// A number that GARM stores in 64 bits and we in 32. Larger numbers become the maximum and
/// negative ones zero; fractions are an error.
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

/// The id of a pool, a string, or of a scale set, a number; empty if it is neither.
pub(super) fn pool_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum WirePoolId {
        Text(String),
        Number(u64),
    }
    Ok(match Option::<WirePoolId>::deserialize(deserializer)? {
        Some(WirePoolId::Text(id)) => id,
        Some(WirePoolId::Number(id)) => id.to_string(),
        None => String::new(),
    })
}

/// Maximum length of a list inside a row, such as labels.
const FEW: usize = 1_000;

/// A list inside a row; `null` is empty, and more than [`FEW`] entries are an error.
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

/// How many messages of a row are kept.
const LAST: usize = 100;

/// The last [`LAST`] entries of a list that grows as long as its row exists.
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

/// Minimum average size of a JSON value in bytes, beyond the first thousand values. A value takes
/// up to 150 bytes in memory, so a tree takes at most ten times the memory of its text.
const VALUE_MIN: usize = 16;

/// Any JSON, except a tree of very many tiny values.
pub(super) fn tree<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    let Some(raw) = Option::<Box<RawValue>>::deserialize(deserializer)? else { return Ok(None) };
    let text = raw.get();
    let values = values(text);
    if values > FEW + text.len() / VALUE_MIN {
        return Err(D::Error::custom(format_args!("a tree of some {values} tiny values")));
    }
    serde_json::from_str(text).map_err(D::Error::custom)
}

/// The number of values in a JSON text, counting empty containers imprecisely.
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
    fn counts_out_of_range_become_the_nearest_valid_count() {
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
    fn invalid_times_are_never() {
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
