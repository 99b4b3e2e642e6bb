//! One of the two microCMS APIs: its host, its key, its budget, and one way to ask.

use super::budget::{Budget, Lane, Permit};
use super::error::{Refusal, Remedy, RemoteError};
use super::meter::Meter;
use super::{gzip, retry};
use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, DATE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{trace, warn};
use url::Url;

/// A wait longer than this outlives every run, and its sum with the clock must stay representable.
const LONGEST_CLOSURE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An API key as a header value that never prints.
#[derive(Clone, Debug)]
pub struct Key(HeaderValue);

impl Key {
    /// Wraps a key; `None` if it cannot stand in a header.
    pub fn new(key: &SecretString) -> Option<Self> {
        let mut value = HeaderValue::from_str(key.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

/// Which of the two APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Management,
    Content,
}

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Management => "Management API",
            Self::Content => "Content API",
        }
    }

    /// The wait after a 429 that names none: the Management API counts in windows of 10 s and sends no
    /// headers (microcms-facts 3.1, 8.8); the Content API counts in seconds.
    fn pause_when_busy(self, attempt: u32) -> Duration {
        match self {
            Self::Management => Duration::from_secs(10),
            Self::Content => retry::backoff(attempt + 1, fastrand::f64()),
        }
    }
}

/// One API of the service.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) which: Which,
    base: Url,
    host: String,
    key: Key,
    client: reqwest::Client,
    pub(crate) budget: Arc<Budget>,
    meter: Meter,
    /// Set when the API asked for a wait that no run sits out: nothing is asked before it is over.
    // A std mutex: copied in and out, never held across an await.
    closed_until: Arc<Mutex<Option<Instant>>>,
}

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Path and query, percent-encoded.
    pub(crate) target: String,
    /// For people; never holds a token, a key or a query.
    pub(crate) what: String,
    /// The whole time one try may take.
    pub(crate) timeout: Duration,
}

impl Api {
    pub(crate) fn new(
        which: Which,
        base: Url,
        key: Key,
        client: reqwest::Client,
        budget: Budget,
        meter: Meter,
    ) -> Self {
        let host = host_key(&base);
        Self {
            which,
            base,
            host,
            key,
            client,
            budget: Arc::new(budget),
            meter,
            closed_until: Arc::default(),
        }
    }

    /// Asks up to `tries` times, until there is an answer that `read` can use, or no point in asking
    /// on. Only for questions that may be repeated: a page token is not one.
    pub(crate) async fn get_read<T>(
        &self,
        ask: &Ask,
        tries: u32,
        read: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, RemoteError> {
        let mut attempt = 1;
        loop {
            let answer = self.once(ask, Lane::Other).await.and_then(|body| {
                read(&body).map_err(|why| RemoteError::Unreadable {
                    what: ask.what.clone(),
                    why,
                })
            });
            let err = match answer {
                Ok(value) => return Ok(value),
                Err(err) => err,
            };
            let wait = match err.remedy() {
                _ if attempt >= tries || err.is_beyond_patience() => return Err(err),
                _ if attempt >= retry::UNREADABLE
                    && matches!(err, RemoteError::Unreadable { .. }) =>
                {
                    return Err(err);
                }
                Remedy::AskOperator | Remedy::SkipItem => return Err(err),
                // A wait that is over already, as clocks differ, is no reason to ask in a burst.
                Remedy::Retry { after: Some(after) } => {
                    retry::asked(after).max(retry::backoff(attempt, fastrand::f64()))
                }
                Remedy::Retry { after: None } if matches!(err, RemoteError::Busy { .. }) => {
                    Duration::ZERO
                }
                Remedy::Retry { after: None } | Remedy::RetryIfIdempotent => {
                    retry::backoff(attempt, fastrand::f64())
                }
            };
            attempt += 1;
            self.say_retry(&err, attempt, tries, wait);
            tokio::time::sleep(wait).await;
        }
    }

    fn say_retry(&self, err: &RemoteError, attempt: u32, tries: u32, wait: Duration) {
        let wait_ms = wait.as_millis();
        let when = if wait.is_zero() {
            "when the budget allows".to_owned()
        } else {
            format!("in {wait_ms} ms")
        };
        warn!(
            api = self.which.name(),
            attempt,
            wait_ms,
            "{}; asking again {when} (attempt {attempt} of {tries})",
            err.chain(),
        );
    }

    /// Asks once, as soon as the budget allows.
    pub(crate) async fn once(&self, ask: &Ask, lane: Lane) -> Result<Bytes, RemoteError> {
        self.refuse_while_closed(ask)?;
        let permit = self.budget.acquire(lane).await;
        self.once_permitted(ask, permit).await
    }

    fn refuse_while_closed(&self, ask: &Ask) -> Result<(), RemoteError> {
        let closed_until = *self
            .closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match closed_until.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => Err(RemoteError::Busy {
                api: self.which.name(),
                what: ask.what.clone(),
                retry_after: Some(left.max(retry::PATIENCE + Duration::from_secs(1))),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Asks once, now. A 429 pauses the whole budget before it returns; one that asks for a wait that
    /// no run sits out closes the API for this long.
    pub(crate) async fn once_permitted(
        &self,
        ask: &Ask,
        permit: Permit<'_>,
    ) -> Result<Bytes, RemoteError> {
        // Whoever waited for the permit may have slept through another's refusal.
        self.refuse_while_closed(ask)?;
        self.meter.request(&self.host);
        let begun = Instant::now();
        let asked = tokio::time::timeout(ask.timeout, self.exchange(ask, permit)).await;
        let outcome = asked.unwrap_or_else(|_elapsed| {
            Err(RemoteError::TimedOut {
                what: ask.what.clone(),
                after: ask.timeout,
            })
        });
        trace!(
            api = self.which.name(),
            elapsed_ms = begun.elapsed().as_millis(),
            is_ok = outcome.is_ok(),
            "asked for {}",
            ask.what
        );
        if let Err(RemoteError::Busy { retry_after, .. }) = &outcome {
            if let Some(after) = retry_after.filter(|after| *after > retry::PATIENCE) {
                self.close(after);
                return outcome;
            }
            let others = retry_after.map_or_else(|| self.which.pause_when_busy(1), retry::asked);
            // The chain's token dies after 15 s: with no word from the service it tries once more
            // while that is still worth it.
            let chain = retry_after.map_or(others / 2, retry::asked);
            self.budget.pause(chain, others);
        }
        outcome
    }

    /// Lets nobody ask before `after` is over.
    fn close(&self, after: Duration) {
        let until = Instant::now() + after.min(LONGEST_CLOSURE);
        let mut closed_until = self
            .closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *closed_until = closed_until.max(Some(until));
    }

    async fn exchange(&self, ask: &Ask, permit: Permit<'_>) -> Result<Bytes, RemoteError> {
        let url = self
            .base
            .join(&ask.target)
            .map_err(|err| RemoteError::Unreadable {
                what: ask.what.clone(),
                why: format!("its address cannot be formed: {err}"),
            })?;
        // `.` and `..` are steps within a path, percent-encoded or not: the question would be another.
        let path = ask.target.split('?').next().unwrap_or_default();
        if url.path() != format!("{}{path}", self.base.path()) {
            return Err(RemoteError::NoAddress {
                what: ask.what.clone(),
            });
        }
        let sent = self
            .client
            .get(url)
            .header("x-microcms-api-key", self.key.0.clone())
            .header(ACCEPT_ENCODING, "gzip")
            .send()
            .await;
        match &sent {
            Err(err) if err.is_connect() => permit.unused(),
            Ok(_) | Err(_) => permit.answered(),
        }
        let mut answer = sent.map_err(|err| self.transport(err, ask))?;
        let status = answer.status().as_u16();
        let headers = std::mem::take(answer.headers_mut());
        let body = self.read(answer, ask).await;
        match status {
            200 => decode(&headers, body?, ask),
            429 => Err(RemoteError::Busy {
                api: self.which.name(),
                what: ask.what.clone(),
                retry_after: wait_asked(&headers),
            }),
            500..=599 => Err(RemoteError::Broken {
                api: self.which.name(),
                status,
                what: ask.what.clone(),
            }),
            300..=399 => Err(RemoteError::Redirected {
                api: self.which.name(),
                status,
                what: ask.what.clone(),
            }),
            100..=299 => Err(RemoteError::Unreadable {
                what: ask.what.clone(),
                why: format!("its status is {status}"),
            }),
            _ => {
                let decoded = body
                    .and_then(|body| decode(&headers, body, ask))
                    .unwrap_or_default();
                Err(self.refused(status, &decoded, ask))
            }
        }
    }

    async fn read(&self, mut answer: reqwest::Response, ask: &Ask) -> Result<Bytes, RemoteError> {
        let mut body = BytesMut::new();
        while let Some(piece) = answer
            .chunk()
            .await
            .map_err(|err| self.transport(err, ask))?
        {
            self.meter.bytes(&self.host, piece.len());
            body.extend_from_slice(&piece);
            if body.len() > gzip::MAX_BODY {
                return Err(RemoteError::Unreadable {
                    what: ask.what.clone(),
                    why: "it is over 32 MiB".to_owned(),
                });
            }
        }
        Ok(body.freeze())
    }

    fn transport(&self, err: reqwest::Error, ask: &Ask) -> RemoteError {
        // The URL may hold a page token or a draft key: it stays out of every message.
        let source = err.without_url();
        let what = ask.what.clone();
        if source.is_connect() {
            RemoteError::from_connect(&self.host, &what, source)
        } else {
            RemoteError::Lost { what, source }
        }
    }

    fn refused(&self, status: u16, body: &[u8], ask: &Ask) -> RemoteError {
        let message = super::wire::message(body);
        let refusal = classify(status, message.as_deref());
        RemoteError::Refused {
            api: self.which.name(),
            status,
            message,
            what: ask.what.clone(),
            refusal,
        }
    }
}

/// Reads what a definite no means. The service's words may change without notice (microcms-facts 6),
/// so callers decide by the context of the request first; the words only make it finer.
fn classify(status: u16, message: Option<&str>) -> Refusal {
    let text = message.unwrap_or("").to_ascii_lowercase();
    match status {
        401 | 403 => Refusal::Forbidden,
        404 => Refusal::NotFound,
        413 | 414 => Refusal::TooLarge,
        400 if text.contains("is stopped") => Refusal::Stopped,
        400 if text.contains("ip address") => Refusal::Ip,
        400 if text.contains("is forbidden") => Refusal::EndpointForbidden,
        400 if text.contains("too long") => Refusal::TooLarge,
        402 => Refusal::Stopped,
        _ => Refusal::Other,
    }
}

fn decode(headers: &HeaderMap, body: Bytes, ask: &Ask) -> Result<Bytes, RemoteError> {
    let unreadable = |why| RemoteError::Unreadable {
        what: ask.what.clone(),
        why,
    };
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => gzip::decode(&body).map(Bytes::from).map_err(unreadable),
        Some(other) => Err(unreadable(format!(
            "it is encoded as `{}`, which was not asked for",
            String::from_utf8_lossy(other).escape_debug()
        ))),
    }
}

/// Returns the wait that an answer asks for: `Retry-After` in seconds or as a date, or `X-RateLimit-Reset`
/// in UNIX seconds, both measured against the answer's own `Date`, so that a wrong local clock does not matter.
pub(crate) fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let http_date = |text: &str| {
        chrono::DateTime::parse_from_rfc2822(text)
            .ok()
            .map(|date| date.timestamp())
    };
    let server_now = text(DATE.as_str()).and_then(http_date);
    let until = |then: i64| {
        let now = server_now?;
        Some(Duration::from_secs(
            u64::try_from(then.saturating_sub(now)).unwrap_or(0),
        ))
    };
    if let Some(value) = text(RETRY_AFTER.as_str()) {
        return match value.parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_not_a_number) => http_date(value).and_then(until),
        };
    }
    // The reset is a whole second: the window is certainly new one second later.
    let reset = text("x-ratelimit-reset")?.parse::<i64>().ok()?;
    until(reset).map(|wait| wait + Duration::from_millis(250))
}

/// Returns the lower-case host, with the port where it is not the scheme's own.
pub(crate) fn host_key(url: &Url) -> String {
    let host = url.host_str().unwrap_or("").to_ascii_lowercase();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
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
            assert_eq!(classify(status, message), expected, "{status} {message:?}");
        }
    }

    #[test]
    fn a_key_never_prints() {
        let key = Key::new(&SecretString::from("s3cret-key")).unwrap();
        assert!(!format!("{key:?}").contains("s3cret"));
        assert!(Key::new(&SecretString::from("two\nlines")).is_none());
    }
}
