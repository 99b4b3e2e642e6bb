//! One of the two microCMS APIs: its host, its key, its budget, and one way to ask.

use super::answer::{classify, decode, retry_after, server_now, wait_asked};
use super::budget::{Budget, Lane, Permit};
use super::error::{Refusal, Remedy, RemoteError};
use super::meter::Meter;
use super::silence::Silence;
use super::{gzip, retry};
use crate::model::{ApiName, Timestamp};
use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT_ENCODING, HeaderValue};
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

    /// Returns somebody's words without the key, which a gateway may quote: they are stored, printed and sent on.
    fn hidden_in(&self, words: &str) -> String {
        match self.0.to_str() {
            Ok(key) if !key.is_empty() => words.replace(key, "…"),
            Ok(_) | Err(_) => words.to_owned(),
        }
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

    fn api(self) -> ApiName {
        match self {
            Self::Management => ApiName::Management,
            Self::Content => ApiName::Content,
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
    silence: Arc<Silence>,
    /// Set when the API asked for a wait that no run sits out: nothing is asked before it is over.
    // A std mutex: copied in and out, never held across an await.
    closed_until: Arc<Mutex<Option<Instant>>>,
    /// What the service's clock showed in its last answer that told, and when that came.
    // A std mutex: copied in and out, never held across an await.
    clock: Arc<Mutex<Option<(Timestamp, Instant)>>>,
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

impl Ask {
    /// Returns somebody's words without the draft key or page token that was asked with.
    fn hidden_in(&self, words: &str) -> String {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, value)| matches!(&**name, "draftKey" | "token") && !value.is_empty())
            .fold(words.to_owned(), |words, (_, secret)| {
                words.replace(&*secret, "…")
            })
    }
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
            silence: Arc::default(),
            closed_until: Arc::default(),
            clock: Arc::default(),
        }
    }

    /// Returns what the service's clock shows now, as far as an answer told: to about a second.
    pub(super) fn server_now(&self) -> Option<Timestamp> {
        let (then, heard) = *self
            .clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()?;
        Some(then.plus(heard.elapsed()))
    }

    /// Returns whether nothing at all is heard of the API, while answers may take as long as `timeout`.
    pub(super) fn is_silent(&self, timeout: Duration) -> bool {
        self.silence.is_total(timeout)
    }

    /// Returns the host as [`Meter`] counts it.
    pub(crate) fn host(&self) -> String {
        self.host.clone()
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
                _ if matches!(err, RemoteError::TimedOut { .. })
                    && (attempt >= retry::LATE || self.is_silent(ask.timeout)) =>
                {
                    return Err(err);
                }
                Remedy::AskOperator | Remedy::SkipItem => return Err(err),
                // A wait that is over already, as clocks differ, is no reason to ask in a burst.
                Remedy::Retry { after: Some(after) }
                | Remedy::RetryIfIdempotent { after: Some(after) } => {
                    retry::asked(after).max(retry::backoff(attempt, fastrand::f64()))
                }
                Remedy::Retry { after: None } if matches!(err, RemoteError::Busy { .. }) => {
                    Duration::ZERO
                }
                Remedy::Retry { after: None } | Remedy::RetryIfIdempotent { after: None } => {
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
        let permit = self.permit(lane).await;
        self.once_permitted(ask, permit).await
    }

    /// Waits until the budget allows a request.
    pub(crate) async fn permit(&self, lane: Lane) -> Permit<'_> {
        let begun = Instant::now();
        let permit = self.budget.acquire(lane).await;
        let traffic = self.meter.traffic();
        traffic.waited(self.which.api(), begun.elapsed());
        permit
    }

    /// Counts how old a page token is that is about to be used.
    pub(crate) fn note_token_age(&self, age: Duration) {
        self.meter.traffic().token_age(age);
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

    /// Asks once, now. A 429, and any answer that asks for a wait, pauses the whole budget before it returns; one that
    /// asks for a wait that no run sits out closes the API for this long.
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
            self.silence.unheard(begun);
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
        if let Err(err) = &outcome {
            self.heed(err);
        }
        outcome
    }

    /// Keeps everybody from asking for as long as the service wants it.
    fn heed(&self, err: &RemoteError) {
        match err.asked_wait() {
            Some(after) if after > retry::PATIENCE => self.close(after),
            Some(after) => self.budget.pause(after, after),
            None if matches!(err, RemoteError::Busy { .. }) => {
                // The chain's token dies after 15 s: with no word from the service it tries once more
                // while that is still worth it.
                let others = self.which.pause_when_busy(1);
                self.budget.pause(others / 2, others);
            }
            None => {}
        }
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
        let mut asking = self.meter.asking(self.which.api(), &self.host);
        let sent = self
            .client
            .get(url)
            .header("x-microcms-api-key", self.key.0.clone())
            .header(ACCEPT_ENCODING, "gzip")
            .send()
            .await;
        match &sent {
            Err(err) if err.is_connect() || err.is_builder() => permit.unused(),
            Ok(_) | Err(_) => permit.answered(),
        }
        let mut answer = sent.map_err(|err| self.transport(err, ask))?;
        self.silence.heard();
        let status = answer.status().as_u16();
        asking.answered(status);
        let headers = std::mem::take(answer.headers_mut());
        if let Some(now) = server_now(&headers) {
            let heard = Some((now, Instant::now()));
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = heard;
        }
        let body = self.read(answer, ask).await;
        match status {
            200 => decode(&headers, body?, &ask.what),
            429 => Err(RemoteError::Busy {
                api: self.which.name(),
                what: ask.what.clone(),
                retry_after: wait_asked(&headers),
            }),
            // 408 and 425 say themselves that the request may be sent again.
            408 | 425 | 500..=599 => Err(RemoteError::Broken {
                api: self.which.name(),
                status,
                what: ask.what.clone(),
                retry_after: retry_after(&headers),
            }),
            304 => Err(RemoteError::Unreadable {
                what: ask.what.clone(),
                why: "its status is 304, and the question was not conditional".to_owned(),
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
                // A refusal that did not arrive whole says nothing for certain.
                let decoded = decode(&headers, body?, &ask.what)?;
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
        RemoteError::from_send(&self.host, &what, source)
    }

    fn refused(&self, status: u16, body: &[u8], ask: &Ask) -> RemoteError {
        let words = ask.hidden_in(&self.key.hidden_in(&String::from_utf8_lossy(body)));
        let message = super::wire::message(words.as_bytes());
        let is_own = body.trim_ascii().is_empty() || super::wire::is_object(body);
        let mut refusal = classify(status, message.as_deref(), is_own);
        // A wrong key is 401 there; 403 is documented for neither, and other APIs may be readable
        // (microcms-facts 8.22).
        if self.which == Which::Content && status == 403 && refusal == Refusal::Forbidden {
            refusal = Refusal::EndpointForbidden;
        }
        RemoteError::Refused {
            api: self.which.name(),
            status,
            message,
            what: ask.what.clone(),
            refusal,
        }
    }
}

/// Returns the lower-case host, with the port where it is not the scheme's own.
pub fn host_key(url: &Url) -> String {
    let host = url.host_str().unwrap_or("").to_ascii_lowercase();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_prints() {
        let key = Key::new(&SecretString::from("s3cret-key")).unwrap();
        assert!(!format!("{key:?}").contains("s3cret"));
        assert!(Key::new(&SecretString::from("two\nlines")).is_none());
        assert_eq!(key.hidden_in("bad key s3cret-key given"), "bad key … given");
        let ask = Ask {
            target: "api/v1/blog/x?depth=0&draftKey=dr%2Bft".to_owned(),
            what: "a draft".to_owned(),
            timeout: Duration::ZERO,
        };
        let words = ask.hidden_in("draftKey 'dr+ft' is invalid.");
        assert_eq!(words, "draftKey '…' is invalid.");
    }
}
