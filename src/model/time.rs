//! Instants as this program writes them.

use chrono::{DateTime, SecondsFormat, Utc};
use std::fmt;
use std::time::Duration;

/// By how much a clock may go back between two runs and the times of a database go on all the same. What is further ahead was
/// recorded by a clock that stood wrong, and is not followed.
pub const CLOCK_STEP: Duration = Duration::from_hours(12);

/// How far the clock may be behind a run before that is said, and before a run by that clock is too far ahead to have an age.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(5);

/// An instant in UTC with millisecond resolution.
///
/// Its text form is RFC 3339 with exactly three fraction digits and `Z`, so that the texts sort as
/// the instants do. The service's own timestamps are kept as the service wrote them (their fraction
/// digits vary) and are not this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The UNIX epoch.
    pub const EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// Returns the instant `millis` milliseconds after the UNIX epoch, clamped to the years that
    /// RFC 3339 can write (0000 to 9999).
    pub fn from_unix_millis(millis: i64) -> Self {
        let clamped = millis.clamp(-62_167_219_200_000, 253_402_300_799_999);
        Self(DateTime::from_timestamp_millis(clamped).unwrap_or(DateTime::UNIX_EPOCH))
    }

    /// Returns milliseconds since the UNIX epoch.
    pub fn unix_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// Reads an RFC 3339 text with zero to nine fraction digits; finer parts than a millisecond are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Self::from_unix_millis(parsed.timestamp_millis()))
    }

    /// Returns this instant moved forward; saturates at the end of year 9999.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.unix_millis().saturating_add(millis))
    }

    /// Returns this instant moved back.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self::from_unix_millis(self.unix_millis().saturating_sub(millis))
    }

    /// Returns the time since `earlier`; `None` if that lies ahead.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        let millis = self.unix_millis().checked_sub(earlier.unix_millis())?;
        u64::try_from(millis).ok().map(Duration::from_millis)
    }

    /// Returns the instant a new version may begin at: `self`, or one millisecond after `previous`
    /// where a clock that stood still or went back would make the versions overlap.
    #[must_use]
    pub fn after(self, previous: Self) -> Self {
        self.max(Self::from_unix_millis(
            previous.unix_millis().saturating_add(1),
        ))
    }

    /// Returns the UTC month as `2026-11`, the key of the `transfer` table.
    pub fn month(self) -> String {
        self.0.format("%Y-%m").to_string()
    }
}

/// Returns a span of time as people say it, in its two largest units: `45 s`, `12 min`, `3 h 5 min`,
/// `2 d 4 h`. Shorter than a second is `0 s`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) if minutes < 10 => two(minutes, "min", seconds % 60, "s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => two(hours, "h", minutes % 60, "min"),
        (days, hours, _) => two(days, "d", hours % 24, "h"),
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns whether two times of the service's are the same: its fraction digits vary (microcms-facts 1.5, 8.24). Texts that are no
/// times are the same where they are equal.
pub fn is_same_time(one: &Option<String>, other: &Option<String>) -> bool {
    if one == other {
        return true;
    }
    let instant = |text: &Option<String>| DateTime::parse_from_rfc3339(text.as_deref()?).ok();
    instant(one).is_some_and(|one| instant(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_has_three_digits_and_sorts_as_the_instants_do() {
        let a = Timestamp::parse("2026-11-22T01:02:03Z").unwrap();
        let b = Timestamp::parse("2026-11-22T01:02:03.33Z").unwrap();
        let c = Timestamp::parse("2026-11-22T10:02:03.331999999+09:00").unwrap();
        assert_eq!(a.to_string(), "2026-11-22T01:02:03.000Z");
        assert_eq!(b.to_string(), "2026-11-22T01:02:03.330Z");
        assert_eq!(c.to_string(), "2026-11-22T01:02:03.331Z");
        assert!(a < b && b < c && a.to_string() < b.to_string() && b.to_string() < c.to_string());
    }

    #[test]
    fn a_time_is_the_same_in_other_digits() {
        let is_same = |one: Option<&str>, other: Option<&str>| {
            is_same_time(&one.map(str::to_owned), &other.map(str::to_owned))
        };
        let time = Some("2026-11-22T01:02:03.500Z");
        assert!(is_same(time, Some("2026-11-22T01:02:03.5Z")));
        assert!(is_same(time, Some("2026-11-22T10:02:03.5+09:00")));
        assert!(!is_same(time, Some("2026-11-22T01:02:03.5000001Z")));
        assert!(!is_same(time, None) && is_same(None, None));
        assert!(is_same(Some("soon"), Some("soon")) && !is_same(Some("soon"), Some("later")));
    }

    #[test]
    fn a_clock_that_went_back_cannot_make_versions_overlap() {
        let earlier = Timestamp::from_unix_millis(5_000);
        let later = Timestamp::from_unix_millis(9_000);
        assert_eq!(earlier.after(later).unix_millis(), 9_001);
        assert_eq!(later.after(earlier), later);
        assert_eq!(later.after(later).unix_millis(), 9_001);
    }

    #[test]
    fn spans_are_said_in_their_two_largest_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (72, "1 min 12 s"),
            (660, "11 min"),
            (3600, "1 h"),
            (11_100, "3 h 5 min"),
            (187_200, "2 d 4 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn absurd_millis_stay_writable() {
        assert_eq!(
            Timestamp::from_unix_millis(i64::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
        assert!(
            Timestamp::from_unix_millis(i64::MIN)
                .to_string()
                .starts_with("0000-01-01")
        );
    }
}
