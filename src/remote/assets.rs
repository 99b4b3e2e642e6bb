//! Asset hosts: bytes, asked for without a key, from allowed hosts only.

use super::api::host_key;
use super::asset_answer::{
    coding, has_told_end, is_gzip, next_hop, part, refused, text, transfer_coding, validator,
};
use super::asset_body::{AssetBody, Line};
use super::client::is_plain;
use super::error::RemoteError;
use super::gate::LineGate;
use super::meter::Meter;
use super::throttle::Throttle;
use crate::model::ApiName;
use crate::model::path::AssetUrl;
use flate2::write::MultiGzDecoder;
use reqwest::Method;
use reqwest::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use std::collections::BTreeSet;
use std::time::Duration;
use url::Url;

const HOPS: usize = 5;

/// Fetches assets. Its HTTP client never had the API key, follows no redirect by itself, and asks
/// only hosts on the list; redirects are held against the same list.
#[derive(Clone, Debug)]
pub struct AssetClient {
    client: reqwest::Client,
    /// For hosts on this machine, where there are such.
    here: Option<reqwest::Client>,
    hosts: BTreeSet<String>,
    meter: Meter,
    gate: LineGate,
    throttle: Throttle,
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

/// Which bytes are asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// All of them, unless these conditions still hold. Without conditions: all of them.
    Unless(Conditions),
    /// All of them, and not as some cache on the way has them.
    Anew,
    /// Those from an offset on, if the file is still the version that this validator names (a strong
    /// `ETag` or a `Last-Modified`, verbatim); all of them otherwise.
    From {
        /// The first byte wanted, counted from 0.
        offset: u64,
        /// For `If-Range`.
        validator: String,
    },
}

/// What a host answered.
#[derive(Debug)]
pub enum AssetAnswer {
    /// The saved bytes still hold.
    NotModified,
    /// Here they come, from the first one on.
    Whole(Box<AssetBody>),
    /// Here they come, from the offset on that was asked for.
    Rest {
        /// The length of the whole file; `None` where the host does not say.
        total: Option<u64>,
        /// The bytes.
        body: Box<AssetBody>,
    },
    /// Another part than the one that was asked for, or none: nothing was read of it.
    WrongPart {
        /// In which way it is wrong.
        why: String,
    },
}

/// What a host tells about a file without sending it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetHead {
    /// Its length, where the host tells it and does not encode the body on the way.
    pub length: Option<u64>,
    /// As the host said, verbatim.
    pub etag: Option<String>,
    /// As the host said, verbatim.
    pub last_modified: Option<String>,
}

impl AssetClient {
    pub(super) fn new(
        client: reqwest::Client,
        here: Option<reqwest::Client>,
        hosts: impl IntoIterator<Item = String>,
        meter: Meter,
        gate: LineGate,
        throttle: Throttle,
        read_timeout: Duration,
    ) -> Self {
        Self {
            client,
            here,
            hosts: hosts.into_iter().collect(),
            meter,
            gate,
            throttle,
            read_timeout,
        }
    }

    /// Returns whether a URL's host is on the list.
    pub fn is_allowed(&self, url: &AssetUrl) -> bool {
        self.hosts.contains(&url.host_key())
    }

    /// Asks for the bytes at `url`, following redirects among the allowed hosts.
    ///
    /// # Errors
    /// One try: the caller decides on the next one by [`RemoteError::remedy`].
    pub async fn get(&self, url: &AssetUrl, ask: &Ask) -> Result<AssetAnswer, RemoteError> {
        let what = format!("`{url}`");
        let (answer, host) = self.ask(url, &what, &Method::GET, Some(ask)).await?;
        let status = answer.status().as_u16();
        match (status, ask) {
            (200, _) => self
                .body(answer, url, host, what)
                .map(|body| AssetAnswer::Whole(Box::new(body))),
            (304, Ask::Unless(conditions)) if !conditions.is_empty() => {
                Ok(AssetAnswer::NotModified)
            }
            (206, Ask::From { offset, .. }) => {
                let part = part(answer.headers(), *offset);
                match part {
                    Ok(total) => {
                        let body = self.body(answer, url, host, what)?;
                        if !body.is_plain {
                            let why = "it is a part of something that is encoded".to_owned();
                            return Ok(AssetAnswer::WrongPart { why });
                        }
                        let body = Box::new(body);
                        Ok(AssetAnswer::Rest { total, body })
                    }
                    Err(why) => Ok(AssetAnswer::WrongPart { why }),
                }
            }
            (416, Ask::From { offset, .. }) => Ok(AssetAnswer::WrongPart {
                why: format!("the host has no byte {offset}"),
            }),
            _ => Err(refused(status, answer.headers(), what)),
        }
    }

    /// Asks what the host tells about the file at `url` without sending it.
    ///
    /// # Errors
    /// As [`AssetClient::get`]. Hosts may refuse the method.
    pub async fn head(&self, url: &AssetUrl) -> Result<AssetHead, RemoteError> {
        let what = format!("the length of `{url}`");
        let (answer, _host) = self.ask(url, &what, &Method::HEAD, None).await?;
        let status = answer.status().as_u16();
        let headers = answer.headers();
        if status != 200 {
            return Err(refused(status, headers, what));
        }
        let is_plain = coding(headers, url).is_none();
        Ok(AssetHead {
            // Not `content_length()`: that is about the body, which an answer to HEAD has not.
            length: text(headers, &CONTENT_LENGTH)
                .filter(|_| is_plain)
                .and_then(|length| length.parse().ok()),
            etag: validator(headers, &ETAG),
            last_modified: validator(headers, &LAST_MODIFIED),
        })
    }

    /// Asks, and again where a redirect leads. Returns the answer and the host that gave it.
    async fn ask(
        &self,
        url: &AssetUrl,
        what: &str,
        method: &Method,
        ask: Option<&Ask>,
    ) -> Result<(reqwest::Response, String), RemoteError> {
        let mut at = url.url().clone();
        for _hop in 0..HOPS {
            let host = self.allowed(&at)?;
            self.gate.pass().await;
            self.meter.request(&host);
            let mut asking = self.meter.asking(ApiName::Asset, &host);
            let answer = self.send(&at, &host, what, method, ask).await?;
            asking.answered(answer.status().as_u16());
            drop(asking);
            match answer.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => at = next_hop(&at, answer.headers(), what)?,
                _ => return Ok((answer, host)),
            }
        }
        Err(RemoteError::RedirectLoop {
            what: what.to_owned(),
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
        method: &Method,
        ask: Option<&Ask>,
    ) -> Result<reqwest::Response, RemoteError> {
        let client = match &self.here {
            Some(here) if is_plain(url) => here,
            Some(_) | None => &self.client,
        };
        let mut request = client
            .request(method.clone(), url.clone())
            .header(ACCEPT_ENCODING, "identity");
        match ask {
            Some(Ask::Unless(conditions)) => {
                if let Some(etag) = &conditions.etag {
                    request = request.header(IF_NONE_MATCH, etag);
                }
                if let Some(date) = &conditions.last_modified {
                    request = request.header(IF_MODIFIED_SINCE, date);
                }
            }
            Some(Ask::Anew) => request = request.header(CACHE_CONTROL, "no-cache"),
            Some(Ask::From { offset, validator }) => {
                request = request
                    .header(RANGE, format!("bytes={offset}-"))
                    .header(IF_RANGE, validator);
            }
            None => {}
        }
        match tokio::time::timeout(self.read_timeout, request.send()).await {
            Ok(sent) => sent.map_err(|err| {
                let source = err.without_url();
                RemoteError::from_send(host, what, source)
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
        url: &AssetUrl,
        host: String,
        what: String,
    ) -> Result<AssetBody, RemoteError> {
        let headers = answer.headers();
        let unasked = |coding: &str, what: String| RemoteError::Unreadable {
            what,
            why: format!(
                "it is encoded as `{}`, which was not asked for",
                coding.escape_debug()
            ),
        };
        if let Some(coding) = transfer_coding(headers) {
            return Err(unasked(&coding, what));
        }
        // Nobody asked for an encoding. A bucket may hold gzip files and say so; the file's bytes
        // are what comes out.
        let unpack = match coding(headers, url).as_deref() {
            None => None,
            // A gzip file may have several members; all of them are the file.
            Some(coding) if is_gzip(coding) => Some(MultiGzDecoder::new(Vec::new())),
            Some(other) => return Err(unasked(other, what)),
        };
        Ok(AssetBody {
            length: if unpack.is_some() {
                None
            } else {
                answer.content_length()
            },
            content_type: text(headers, &CONTENT_TYPE),
            etag: validator(headers, &ETAG),
            last_modified: validator(headers, &LAST_MODIFIED),
            offers_ranges: text(headers, &ACCEPT_RANGES)
                .is_some_and(|units| units.eq_ignore_ascii_case("bytes")),
            is_plain: unpack.is_none(),
            has_told_end: has_told_end(&answer),
            line: Line {
                answer,
                unpack,
                packed: bytes::Bytes::new(),
                host,
                what,
                meter: self.meter.clone(),
                gate: self.gate.clone(),
                throttle: self.throttle.clone(),
                read_timeout: self.read_timeout,
                pace: super::asset_body::Pace::default(),
            },
        })
    }
}
