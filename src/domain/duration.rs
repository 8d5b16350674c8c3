//! Durations as the files write them: whole numbers with the units `d`, `h`, `m`, `s`, largest
//! first.

use std::time::Duration;

/// Longest `minimum_job_age_backoff`, in seconds. One more overflows in GARM, which then starts
/// runners at once; far beyond, its controller is dead (GARM.md §d).
pub const GARM_BACKOFF_MAX_S: u64 = 9_223_372_036;

/// The longest duration that a file may set: 30 days, in seconds.
pub const DURATION_MAX_S: u64 = 30 * 86_400;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Why a string is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("a duration cannot be empty")]
    Empty,
    /// `30`.
    #[error("a duration needs a unit: `s`, `m`, `h` or `d`")]
    NoUnit,
    /// `1.5h`.
    #[error("a duration takes whole numbers only")]
    Fraction,
    /// `1 h`.
    #[error("a duration contains no spaces")]
    Space,
    /// `-5s`.
    #[error("a duration cannot be negative")]
    Negative,
    /// `30s1m`, `1m1m`.
    #[error("the units must be in the order `d`, `h`, `m`, `s`, each at most once")]
    Order,
    /// `5w`.
    #[error("unknown unit `{0}`: use `s`, `m`, `h` or `d`")]
    Unit(char),
    /// Longer than this many seconds.
    #[error("the duration can be at most {}", format(Duration::from_secs(*.0)))]
    TooLong(u64),
}

/// Parses `30s`, `10m`, `1h30m`, `1d`; at most 30 days.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    parse_within(text, DURATION_MAX_S)
}

/// Parses a duration of at most `max_s` seconds.
pub fn parse_within(text: &str, max_s: u64) -> Result<Duration, DurationError> {
    let too_long = DurationError::TooLong(max_s);
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text.chars().any(char::is_whitespace) {
        return Err(DurationError::Space);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    let mut seconds: u64 = 0;
    let mut units = UNITS.iter();
    let mut number = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' => number.push(c),
            '.' | ',' => return Err(DurationError::Fraction),
            _ if !UNITS.iter().any(|(unit, _)| *unit == c) => {
                return Err(DurationError::Unit(c));
            }
            _ if number.is_empty() => return Err(DurationError::Order),
            _ => {
                let (_, factor) = units.find(|(unit, _)| *unit == c).ok_or(DurationError::Order)?;
                let count: u64 = number.parse().map_err(|_| too_long.clone())?;
                seconds = count
                    .checked_mul(*factor)
                    .and_then(|part| seconds.checked_add(part))
                    .ok_or_else(|| too_long.clone())?;
                number.clear();
            }
        }
    }
    if !number.is_empty() {
        return Err(DurationError::NoUnit);
    }
    if seconds > max_s {
        return Err(too_long);
    }
    Ok(Duration::from_secs(seconds))
}

/// Formats whole seconds in the notation of [`parse`]: 90 as `1m30s`, 0 as `0s`.
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in UNITS {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documented_durations_parse() {
        for (text, seconds) in [
            ("30s", 30),
            ("10m", 600),
            ("1h30m", 5_400),
            ("1d", 86_400),
            ("0s", 0),
            ("90s", 90),
            ("30d", DURATION_MAX_S),
            ("1d1h1m1s", 90_061),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn invalid_durations_are_refused_with_a_reason() {
        for (text, error) in [
            ("", DurationError::Empty),
            ("30", DurationError::NoUnit),
            ("1h30", DurationError::NoUnit),
            ("1.5h", DurationError::Fraction),
            ("1 h", DurationError::Space),
            ("-5s", DurationError::Negative),
            ("30s1m", DurationError::Order),
            ("1m1m", DurationError::Order),
            ("s", DurationError::Order),
            ("5w", DurationError::Unit('w')),
            ("5S", DurationError::Unit('S')),
            ("31d", DurationError::TooLong(DURATION_MAX_S)),
            ("30d1s", DurationError::TooLong(DURATION_MAX_S)),
            ("99999999999999999999d", DurationError::TooLong(DURATION_MAX_S)),
            ("18446744073709551615d", DurationError::TooLong(DURATION_MAX_S)),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_error_names_the_bound_that_applies() {
        assert_eq!(
            parse_within("9223372036s", GARM_BACKOFF_MAX_S).unwrap().as_secs(),
            9_223_372_036
        );
        let error = parse_within("9223372037s", GARM_BACKOFF_MAX_S).unwrap_err();
        assert_eq!(error.to_string(), "the duration can be at most 106751d23h47m16s");
    }

    proptest! {
        #[test]
        fn a_formatted_duration_parses_to_the_same_value(seconds in 0..=DURATION_MAX_S) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,24}") {
            let _ = parse(&text);
        }
    }
}
