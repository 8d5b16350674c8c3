//! Values that GARM leaves out, sends as `null`, or sends larger than the domain has them.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

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
    deserializer.deserialize_any(Time)
}

/// Reads the text where it stands: a large fleet's lists have a hundred thousand of them.
struct Time;

impl Visitor<'_> for Time {
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
/// below zero as zero.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    deserializer.deserialize_any(Count)
}

struct Count;

impl Visitor<'_> for Count {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        Ok(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
    }

    /// JSON numbers beyond 64 bits arrive here, and fractions, which no count has.
    fn visit_f64<E: Error>(self, number: f64) -> Result<u32, E> {
        match number {
            _ if number >= f64::from(u32::MAX) => Ok(u32::MAX),
            _ if number <= 0.0 => Ok(0),
            _ => Err(E::invalid_type(serde::de::Unexpected::Float(number), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<u32, E> {
        Ok(0)
    }
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
