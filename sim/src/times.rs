//! Times as the service writes them. Inside, a time is milliseconds since 1970, UTC.

use chrono::{DateTime, SecondsFormat, Utc};

/// 2026-01-01T00:00:00.123Z: where the clock of edits starts.
pub(crate) const FIRST_EDIT_MS: i64 = 1_767_225_600_123;

/// 2024-01-05T00:00:00Z: when the first generated thing was created.
pub(crate) const FIRST_CREATED_MS: i64 = 1_704_412_800_000;

/// How far the clock moves with each edit: a minute and a bit, so that the
/// fractions of a second vary too.
pub(crate) const EDIT_STEP_MS: i64 = 61_007;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// RFC 3339 with three fraction digits: the Content API and the media list.
pub(crate) fn iso(ms: i64) -> String {
    at(ms).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// RFC 3339 with as few fraction digits as needed: the examples of the
/// Management API's contents show `…:22Z` and `.33Z` beside `.722Z`.
pub(crate) fn iso_short(ms: i64) -> String {
    let full = iso(ms);
    let digits = full
        .trim_end_matches('Z')
        .trim_end_matches('0')
        .trim_end_matches('.');
    // Only the fraction may be shortened: `…:20Z` keeps its seconds.
    let digits = if ms.rem_euclid(1000) == 0 {
        full.trim_end_matches(".000Z")
    } else {
        digits
    };
    format!("{digits}Z")
}

/// The date of an HTTP header.
pub(crate) fn http_date(ms: i64) -> String {
    at(ms).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Seconds since 1970 of an HTTP date; `None` if it is not one.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc2822(text)
        .ok()
        .map(|t| t.timestamp())
}

/// Milliseconds since 1970 of an RFC 3339 time; `None` if it is not one.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|t| t.timestamp_millis())
}

/// The real time now, for headers that tell it.
pub(crate) fn now_iso() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The real time now in whole seconds since 1970.
pub(crate) fn now_unix() -> i64 {
    Utc::now().timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_shortened_but_seconds_are_not() {
        assert_eq!(iso_short(20_000), "1970-01-01T00:00:20Z");
        assert_eq!(iso_short(20_330), "1970-01-01T00:00:20.33Z");
        assert_eq!(iso_short(20_722), "1970-01-01T00:00:20.722Z");
        assert_eq!(iso(20_000), "1970-01-01T00:00:20.000Z");
    }

    #[test]
    fn http_dates_come_back() {
        assert_eq!(
            parse_http_date(&http_date(1_704_412_800_500)),
            Some(1_704_412_800)
        );
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
