//! What an answer's status, headers and encoding mean. Pure.

use super::error::{Refusal, RemoteError};
use super::gzip;
use crate::model::Timestamp;
use bytes::Bytes;
use reqwest::header::{AGE, CONTENT_ENCODING, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use std::time::Duration;

/// The longest window of a rate limit that is believed. The service's own are of seconds (microcms-facts 3).
const LONGEST_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Reads what a definite no means. The service's words may change without notice (microcms-facts 6),
/// so callers decide by the context of the request first; the words only make it finer.
pub(super) fn classify(status: u16, message: Option<&str>, is_own: bool) -> Refusal {
    let text = message.unwrap_or("").to_ascii_lowercase();
    match status {
        401 | 403 if is_own => Refusal::Forbidden,
        401 | 403 => Refusal::Gate,
        // A gateway's page is not the service's word.
        404 if is_own => Refusal::NotFound,
        413 | 414 => Refusal::TooLarge,
        400 if text.contains("is stopped") => Refusal::Stopped,
        400 if text.contains("ip address") => Refusal::Ip,
        400 if text.contains("is forbidden") => Refusal::EndpointForbidden,
        400 if text.contains("too long") => Refusal::TooLarge,
        402 => Refusal::Stopped,
        _ => Refusal::Other,
    }
}

/// Unpacks a body, and takes off a byte order mark, which is no part of JSON and may stand before it all the same
/// (RFC 8259, 8.1).
pub(super) fn decode(headers: &HeaderMap, body: Bytes, what: &str) -> Result<Bytes, RemoteError> {
    let body = unpack(headers, body, what)?;
    let has_mark = body.starts_with(b"\xEF\xBB\xBF");
    Ok(if has_mark { body.slice(3..) } else { body })
}

fn unpack(headers: &HeaderMap, body: Bytes, what: &str) -> Result<Bytes, RemoteError> {
    let unreadable = |why| RemoteError::Unreadable {
        what: what.to_owned(),
        why,
    };
    let coding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let coding = coding.unwrap_or_default().trim_ascii();
    // Names of codings have no case (RFC 9110, 8.4.1).
    let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
    if coding.is_empty() || is("identity") {
        Ok(body)
    } else if is("gzip") || is("x-gzip") {
        gzip::decode(&body).map(Bytes::from).map_err(unreadable)
    } else {
        Err(unreadable(format!(
            "it is encoded as `{}`, which was not asked for",
            String::from_utf8_lossy(coding).escape_debug()
        )))
    }
}

/// Returns the wait that a 429 asks for: `Retry-After`, or `X-RateLimit-Reset` in UNIX seconds, which is
/// measured against the answer's own `Date`, so that a wrong local clock does not matter.
pub(super) fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    if headers.contains_key(RETRY_AFTER) {
        return retry_after(headers);
    }
    // The reset is a whole second: the window is certainly new one second later. A time that no window
    // is long enough for, such as one in milliseconds, is none.
    let reset = text(headers, "x-ratelimit-reset")?.parse::<i64>().ok()?;
    until(headers, reset)
        .filter(|wait| *wait <= LONGEST_WINDOW)
        .map(|wait| wait + Duration::from_millis(250))
}

/// Returns the wait of `Retry-After`: in seconds, or as a date, which is measured against the answer's own `Date`.
/// microCMS documents it for nothing; what stands in front of it says it beside a 503.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER.as_str())?;
    match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_not_a_number) => until(headers, http_date(value)?),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn http_date(text: &str) -> Option<i64> {
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.timestamp())
}

/// Returns how far a time in UNIX seconds is from an answer's own.
fn until(headers: &HeaderMap, then: i64) -> Option<Duration> {
    let now = http_date(text(headers, DATE.as_str())?)?;
    let left = then.saturating_sub(now);
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

/// Returns what the service's clock showed when it made this answer: to the second from `Date`, finer
/// from the Content API's own header. `None` for an answer out of a cache, which may be old.
pub(super) fn server_now(headers: &HeaderMap) -> Option<Timestamp> {
    let is_cached = text(headers, AGE.as_str()).is_some_and(|age| age != "0")
        || text(headers, "x-cache")
            .is_some_and(|cache| cache.to_ascii_lowercase().starts_with("hit"));
    if is_cached {
        return None;
    }
    text(headers, "x-current-date-time")
        .and_then(Timestamp::parse)
        .or_else(|| {
            let date = chrono::DateTime::parse_from_rfc2822(text(headers, DATE.as_str())?).ok()?;
            Some(Timestamp::from_unix_millis(date.timestamp_millis()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_service_may_say_how_long_to_wait_in_three_ways() {
        let date = ("date", "Sun, 22 Nov 2026 04:00:00 GMT");
        assert_eq!(wait_asked(&headers(&[])), None);
        assert_eq!(
            wait_asked(&headers(&[("retry-after", "7")])),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            wait_asked(&headers(&[
                date,
                ("retry-after", "Sun, 22 Nov 2026 04:00:09 GMT")
            ])),
            Some(Duration::from_secs(9))
        );
        assert_eq!(
            wait_asked(&headers(&[date, ("x-ratelimit-reset", "1795320001")])),
            Some(Duration::from_millis(1250))
        );
        assert_eq!(
            wait_asked(&headers(&[("x-ratelimit-reset", "1795320001")])),
            None,
            "no clock to hold it against"
        );
        assert_eq!(
            wait_asked(&headers(&[date, ("x-ratelimit-reset", "1795320001000")])),
            None,
            "in milliseconds"
        );
        assert_eq!(
            wait_asked(&headers(&[
                date,
                ("retry-after", "Sun, 22 Nov 2026 03:00:00 GMT")
            ])),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            (401, None, Refusal::Forbidden),
            (403, Some("Forbidden"), Refusal::Forbidden),
            (400, Some("GET is forbidden."), Refusal::EndpointForbidden),
            (400, Some("IP address rejected."), Refusal::Ip),
            (
                400,
                Some("API is stopped for demo service. Please upgrade your plan."),
                Refusal::Stopped,
            ),
            (
                400,
                Some("Response body size is too long. Check your url parameters."),
                Refusal::TooLarge,
            ),
            (414, None, Refusal::TooLarge),
            (404, Some("Content not found"), Refusal::NotFound),
            (400, Some("BadRequest"), Refusal::Other),
            (400, None, Refusal::Other),
        ];
        for (status, message, expected) in cases {
            assert_eq!(
                classify(status, message, true),
                expected,
                "{status} {message:?}"
            );
        }
    }

    #[test]
    fn what_a_gateway_says_is_not_the_services_word() {
        assert_eq!(classify(404, None, false), Refusal::Other);
        assert_eq!(classify(403, None, false), Refusal::Gate);
        assert_eq!(classify(401, None, false), Refusal::Gate);
    }

    #[test]
    fn codings_have_no_case() {
        use std::io::Write as _;
        let level = flate2::Compression::fast();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), level);
        packed.write_all(b"{}").unwrap();
        let packed = Bytes::from(packed.finish().unwrap());
        for (coding, body) in [
            ("gzip", &packed),
            ("GZIP", &packed),
            (" X-Gzip", &packed),
            ("Identity", &Bytes::from_static(b"{}")),
            ("", &Bytes::from_static(b"{}")),
        ] {
            let headers = headers(&[("content-encoding", coding)]);
            let decoded = decode(&headers, body.clone(), "it");
            assert_eq!(decoded.unwrap(), "{}", "{coding}");
        }
        assert!(decode(&headers(&[("content-encoding", "br")]), packed, "it").is_err());
        let marked = Bytes::from_static(b"\xEF\xBB\xBF{}");
        assert_eq!(decode(&headers(&[]), marked, "it").unwrap(), "{}");
    }

    #[test]
    fn the_service_s_clock_is_read_from_fresh_answers_alone() {
        let date = ("date", "Sat, 21 Nov 2026 14:22:58 GMT");
        let now = |pairs: &[_]| server_now(&headers(pairs)).map(|now| now.to_string());
        assert_eq!(now(&[date]).as_deref(), Some("2026-11-21T14:22:58.000Z"));
        assert_eq!(
            now(&[date, ("x-current-date-time", "2026-11-21T14:22:58.25Z")]).as_deref(),
            Some("2026-11-21T14:22:58.250Z")
        );
        assert_eq!(now(&[date, ("age", "17")]), None);
        assert_eq!(now(&[date, ("x-cache", "Hit from cloudfront")]), None);
        assert_eq!(
            now(&[date, ("age", "0"), ("x-cache", "Miss from cloudfront")]).as_deref(),
            Some("2026-11-21T14:22:58.000Z")
        );
        assert_eq!(now(&[("date", "yesterday")]), None);
        assert_eq!(now(&[]), None);
    }
}
