//! Asset hosts: bytes, asked for without a key, from allowed hosts only.

use super::answer::wait_asked;
use super::api::host_key;
use super::error::{Refusal, RemoteError};
use super::gate::LineGate;
use super::meter::Meter;
use crate::model::path::AssetUrl;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

const HOPS: usize = 5;
const HOST: &str = "asset host";
/// In so many read time-outs at least this many bytes must arrive (with 30 s, about 100 bytes a
/// second). A host that sends a byte now and then would keep a run from ever ending.
const TRICKLE_TIMEOUTS: u32 = 5;
const TRICKLE_BYTES: usize = 16 * 1024;

/// Fetches assets. Its HTTP client never had the API key, follows no redirect by itself, and asks
/// only hosts on the list; redirects are held against the same list.
#[derive(Clone, Debug)]
pub struct AssetClient {
    client: reqwest::Client,
    hosts: BTreeSet<String>,
    meter: Meter,
    gate: LineGate,
    read_timeout: Duration,
}

/// What the host said about the saved bytes, to be held against what it has now.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The saved `ETag`, verbatim.
    pub etag: Option<String>,
    /// The saved `Last-Modified`, verbatim.
    pub last_modified: Option<String>,
}

impl Conditions {
    fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// What a host answered.
#[derive(Debug)]
pub enum AssetAnswer {
    /// The saved bytes still hold.
    NotModified,
    /// Here they come.
    Body(Box<AssetBody>),
}

/// Bytes on their way.
#[derive(Debug)]
pub struct AssetBody {
    /// As the host said; `None` where it did not, or where the body is encoded on the way.
    pub length: Option<u64>,
    /// As the host said.
    pub content_type: Option<String>,
    /// As the host said, verbatim.
    pub etag: Option<String>,
    /// As the host said, verbatim.
    pub last_modified: Option<String>,
    answer: reqwest::Response,
    unpack: Option<MultiGzDecoder<Vec<u8>>>,
    host: String,
    what: String,
    meter: Meter,
    gate: LineGate,
    read_timeout: Duration,
    pace: Pace,
}

/// How fast a body comes, counted in the time that was spent waiting for it: not while downloads
/// hold, nor while the disk is slow.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: usize,
}

impl Pace {
    /// Adds a piece. `false`: what comes is a trickle.
    fn goes_on(&mut self, waited: Duration, bytes: usize, period: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < period {
            return true;
        }
        let is_enough = self.bytes >= TRICKLE_BYTES;
        *self = Self::default();
        is_enough
    }
}

impl AssetClient {
    pub(super) fn new(
        client: reqwest::Client,
        hosts: impl IntoIterator<Item = String>,
        meter: Meter,
        gate: LineGate,
        read_timeout: Duration,
    ) -> Self {
        Self {
            client,
            hosts: hosts.into_iter().collect(),
            meter,
            gate,
            read_timeout,
        }
    }

    /// Asks for the bytes at `url`, following redirects among the allowed hosts.
    ///
    /// # Errors
    /// One try: the caller decides on the next one by [`RemoteError::remedy`].
    pub async fn get(
        &self,
        url: &AssetUrl,
        conditions: &Conditions,
    ) -> Result<AssetAnswer, RemoteError> {
        let what = format!("`{url}`");
        let mut at = url.url().clone();
        for _hop in 0..HOPS {
            let host = self.allowed(&at)?;
            self.gate.pass().await;
            self.meter.request(&host);
            let answer = self.send(&at, &host, &what, conditions).await?;
            let status = answer.status().as_u16();
            match status {
                200 => return self.body(answer, host, what).map(AssetAnswer::Body),
                304 if !conditions.is_empty() => return Ok(AssetAnswer::NotModified),
                301 | 302 | 303 | 307 | 308 => at = next_hop(&at, answer.headers(), &what)?,
                429 => {
                    return Err(RemoteError::Busy {
                        api: HOST,
                        what,
                        retry_after: wait_asked(answer.headers()),
                    });
                }
                500..=599 => {
                    return Err(RemoteError::Broken {
                        api: HOST,
                        status,
                        what,
                    });
                }
                100..=399 => {
                    return Err(RemoteError::Unreadable {
                        what,
                        why: format!("its status is {status}"),
                    });
                }
                _ => {
                    let refusal = match status {
                        404 | 410 => Refusal::NotFound,
                        401 | 403 => Refusal::Forbidden,
                        _ => Refusal::Other,
                    };
                    return Err(RemoteError::Refused {
                        api: HOST,
                        status,
                        message: None,
                        what,
                        refusal,
                    });
                }
            }
        }
        Err(RemoteError::RedirectLoop {
            what,
            why: format!("more than {HOPS} times"),
        })
    }

    fn allowed(&self, url: &Url) -> Result<String, RemoteError> {
        let host = host_key(url);
        if self.hosts.contains(&host) {
            Ok(host)
        } else {
            Err(RemoteError::HostNotAllowed { host })
        }
    }

    async fn send(
        &self,
        url: &Url,
        host: &str,
        what: &str,
        conditions: &Conditions,
    ) -> Result<reqwest::Response, RemoteError> {
        let mut request = self
            .client
            .get(url.clone())
            .header(ACCEPT_ENCODING, "identity");
        if let Some(etag) = &conditions.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &conditions.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        match tokio::time::timeout(self.read_timeout, request.send()).await {
            Ok(sent) => sent.map_err(|err| {
                let source = err.without_url();
                if source.is_connect() {
                    RemoteError::from_connect(host, what, source)
                } else {
                    RemoteError::Lost {
                        what: what.to_owned(),
                        source,
                    }
                }
            }),
            Err(_elapsed) => Err(RemoteError::TimedOut {
                what: what.to_owned(),
                after: self.read_timeout,
            }),
        }
    }

    fn body(
        &self,
        answer: reqwest::Response,
        host: String,
        what: String,
    ) -> Result<Box<AssetBody>, RemoteError> {
        let headers = answer.headers();
        // Nobody asked for an encoding. A bucket may hold gzip files and say so; the file's bytes
        // are what comes out.
        let coding = text(headers, &CONTENT_ENCODING).map(|coding| coding.to_ascii_lowercase());
        let unpack = match coding.as_deref() {
            None | Some("" | "identity") => None,
            // A gzip file may have several members; all of them are the file.
            Some("gzip" | "x-gzip") => Some(MultiGzDecoder::new(Vec::new())),
            Some(other) => {
                let why = format!(
                    "it is encoded as `{}`, which was not asked for",
                    other.escape_debug()
                );
                return Err(RemoteError::Unreadable { what, why });
            }
        };
        Ok(Box::new(AssetBody {
            length: if unpack.is_some() {
                None
            } else {
                answer.content_length()
            },
            content_type: text(headers, &CONTENT_TYPE),
            etag: text(headers, &ETAG),
            last_modified: text(headers, &LAST_MODIFIED),
            unpack,
            host,
            what,
            meter: self.meter.clone(),
            gate: self.gate.clone(),
            read_timeout: self.read_timeout,
            pace: Pace::default(),
            answer,
        }))
    }
}

impl AssetBody {
    /// Returns the next bytes, `None` at the end.
    ///
    /// # Errors
    /// A body that ends before its announced length, breaks its framing, stalls for longer than the
    /// read time-out, or trickles for several of them.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RemoteError> {
        loop {
            self.gate.pass().await;
            let begun = Instant::now();
            let piece = match tokio::time::timeout(self.read_timeout, self.answer.chunk()).await {
                Ok(Ok(piece)) => piece,
                Ok(Err(err)) => {
                    return Err(RemoteError::Lost {
                        what: self.what.clone(),
                        source: err.without_url(),
                    });
                }
                Err(_elapsed) => {
                    return Err(RemoteError::TimedOut {
                        what: self.what.clone(),
                        after: self.read_timeout,
                    });
                }
            };
            let len = piece.as_ref().map_or(0, Bytes::len);
            self.meter.bytes(&self.host, len);
            let period = self.read_timeout * TRICKLE_TIMEOUTS;
            if !self.pace.goes_on(begun.elapsed(), len, period) && piece.is_some() {
                return Err(RemoteError::Unreadable {
                    what: self.what.clone(),
                    why: format!("fewer than {TRICKLE_BYTES} bytes came within {period:?}"),
                });
            }
            let Some(decoder) = &mut self.unpack else {
                return Ok(piece);
            };
            let step = match &piece {
                Some(bytes) => decoder.write_all(bytes),
                None => decoder.try_finish(),
            };
            step.map_err(|err| RemoteError::Unreadable {
                what: self.what.clone(),
                why: format!("its gzip body is damaged: {err}"),
            })?;
            let plain = std::mem::take(decoder.get_mut());
            if piece.is_none() {
                self.unpack = None;
            }
            if !plain.is_empty() {
                return Ok(Some(Bytes::from(plain)));
            }
            if piece.is_none() {
                return Ok(None);
            }
        }
    }
}

fn next_hop(from: &Url, headers: &HeaderMap, what: &str) -> Result<Url, RemoteError> {
    let astray = |why: &str| RemoteError::RedirectLoop {
        what: what.to_owned(),
        why: why.to_owned(),
    };
    let location = text(headers, &LOCATION).ok_or_else(|| astray("to nowhere"))?;
    let next = from
        .join(&location)
        .map_err(|_not_a_url| astray("to something that is no URL"))?;
    // The same border as for a listed URL: no plain http beyond this machine, no credentials.
    AssetUrl::parse(next.as_str()).map_err(|err| astray(&format!("out of bounds: {err}")))?;
    Ok(next)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)?
        .to_str()
        .ok()
        .map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_no_trickle_and_a_trickle_is_found_out() {
        let period = Duration::from_secs(150);
        let second = Duration::from_secs(1);
        let mut pace = Pace::default();
        // Slow but steady: 200 bytes a second, for an hour.
        assert!((0..3_600).all(|_| pace.goes_on(second, 200, period)));
        let mut pace = Pace::default();
        let held = (0..)
            .take_while(|_| pace.goes_on(second, 50, period))
            .count();
        assert_eq!(held, 149);
        // A short end after a long start is no reason.
        let mut pace = Pace::default();
        assert!(pace.goes_on(Duration::from_secs(149), 10_000_000, period));
        assert!(pace.goes_on(Duration::from_secs(20), 1, period));
    }
}
