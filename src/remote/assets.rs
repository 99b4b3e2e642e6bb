//! Asset hosts: bytes, asked for without a key, from allowed hosts only.

use super::answer::wait_asked;
use super::api::host_key;
use super::asset_body::{AssetBody, Line};
use super::error::{Refusal, RemoteError};
use super::gate::LineGate;
use super::meter::Meter;
use super::throttle::Throttle;
use crate::model::ApiName;
use crate::model::path::{AssetUrl, file_name};
use flate2::write::MultiGzDecoder;
use percent_encoding::{CONTROLS, percent_encode};
use reqwest::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    LAST_MODIFIED, LOCATION, RANGE, TRANSFER_ENCODING,
};
use reqwest::{Method, Version};
use std::collections::BTreeSet;
use std::time::Duration;
use url::Url;

const HOPS: usize = 5;
const HOST: &str = "asset host";

/// Fetches assets. Its HTTP client never had the API key, follows no redirect by itself, and asks
/// only hosts on the list; redirects are held against the same list.
#[derive(Clone, Debug)]
pub struct AssetClient {
    client: reqwest::Client,
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
        hosts: impl IntoIterator<Item = String>,
        meter: Meter,
        gate: LineGate,
        throttle: Throttle,
        read_timeout: Duration,
    ) -> Self {
        Self {
            client,
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
            etag: text(headers, &ETAG),
            last_modified: text(headers, &LAST_MODIFIED),
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
        let mut request = self
            .client
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
        url: &AssetUrl,
        host: String,
        what: String,
    ) -> Result<AssetBody, RemoteError> {
        let headers = answer.headers();
        // Nobody asked for an encoding. A bucket may hold gzip files and say so; the file's bytes
        // are what comes out.
        let unpack = match coding(headers, url).as_deref() {
            None => None,
            // A gzip file may have several members; all of them are the file.
            Some(coding) if is_gzip(coding) => Some(MultiGzDecoder::new(Vec::new())),
            Some(other) => {
                let why = format!(
                    "it is encoded as `{}`, which was not asked for",
                    other.escape_debug()
                );
                return Err(RemoteError::Unreadable { what, why });
            }
        };
        Ok(AssetBody {
            length: if unpack.is_some() {
                None
            } else {
                answer.content_length()
            },
            content_type: text(headers, &CONTENT_TYPE),
            etag: text(headers, &ETAG),
            last_modified: text(headers, &LAST_MODIFIED),
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

/// Returns whether the answer says where it ends. One of HTTP/1 with neither a length nor chunks ends where
/// its connection does, for whatever reason that was.
fn has_told_end(answer: &reqwest::Response) -> bool {
    let headers = answer.headers();
    answer.version() > Version::HTTP_11
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING)
}

/// The encoding of a body on its way, in lower case; `None` if it is plain.
fn coding(headers: &HeaderMap, url: &AssetUrl) -> Option<String> {
    text(headers, &CONTENT_ENCODING)
        .map(|coding| coding.to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity")
        .filter(|coding| !(is_gzip(coding) && is_packed_by_name(url)))
}

fn is_gzip(coding: &str) -> bool {
    matches!(coding, "gzip" | "x-gzip")
}

/// Returns whether the file itself is packed with gzip, by its name. A host that speaks of an encoding as well
/// means that packing, as servers do that tell it by the ending: unpacked it would be another file.
fn is_packed_by_name(url: &AssetUrl) -> bool {
    let name = file_name(url.as_str()).to_ascii_lowercase();
    [".gz", ".tgz", ".svgz"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// Holds a 206 against what was asked for: everything from `offset` to the end, in one piece. Returns
/// the length of the whole, if it is told.
fn part(headers: &HeaderMap, offset: u64) -> Result<Option<u64>, String> {
    let told = text(headers, &CONTENT_RANGE)
        .ok_or_else(|| "it does not say which part it is".to_owned())?;
    let wrong = || {
        format!(
            "asked for the bytes from {offset} on, got `{}`",
            told.escape_debug()
        )
    };
    let (range, total) = told
        .strip_prefix("bytes ")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(wrong)?;
    let (from, to) = range.split_once('-').ok_or_else(wrong)?;
    let (from, to): (u64, u64) = match (from.trim().parse(), to.trim().parse()) {
        (Ok(from), Ok(to)) => (from, to),
        (Ok(_) | Err(_), _) => return Err(wrong()),
    };
    let total: Option<u64> = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok().ok_or_else(wrong)?),
    };
    // A part that ends early would be taken for a file that ends early.
    let is_rest =
        from == offset && to >= from && total.is_none_or(|total| total.checked_sub(1) == Some(to));
    if is_rest { Ok(total) } else { Err(wrong()) }
}

/// Names a status that is no file.
fn refused(status: u16, headers: &HeaderMap, what: String) -> RemoteError {
    match status {
        429 => RemoteError::Busy {
            api: HOST,
            what,
            retry_after: wait_asked(headers),
        },
        500..=599 => RemoteError::Broken {
            api: HOST,
            status,
            what,
        },
        100..=399 => RemoteError::Unreadable {
            what,
            why: format!("its status is {status}"),
        },
        _ => {
            let refusal = match status {
                404 | 410 => Refusal::NotFound,
                401 | 403 => Refusal::Forbidden,
                _ => Refusal::Other,
            };
            RemoteError::Refused {
                api: HOST,
                status,
                message: None,
                what,
                refusal,
            }
        }
    }
}

fn next_hop(from: &Url, headers: &HeaderMap, what: &str) -> Result<Url, RemoteError> {
    let astray = |why: &str| RemoteError::RedirectLoop {
        what: what.to_owned(),
        why: why.to_owned(),
    };
    let location = headers
        .get(LOCATION)
        .ok_or_else(|| astray("to nowhere"))?
        .as_bytes();
    // Some hosts send a name's letters as they are; each byte stands for itself.
    let location = percent_encode(location, CONTROLS).to_string();
    let next = from
        .join(location.trim())
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
    use reqwest::header::HeaderValue;

    #[test]
    fn a_part_is_taken_only_if_it_is_the_rest_that_was_asked_for() {
        let part = |told: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, HeaderValue::from_static(told));
            part(&headers, 10)
        };
        assert_eq!(part("bytes 10-99/100"), Ok(Some(100)));
        assert_eq!(part("bytes 10-99/*"), Ok(None));
        for wrong in [
            "bytes 0-99/100",
            "bytes 10-98/100",
            "bytes 11-99/100",
            "bytes 10-5/6",
            "bytes */100",
            "bytes 10-99",
            "pages 10-99/100",
            "bytes 10-99/many",
            "bytes 10-18446744073709551615/*x",
            "",
        ] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
        assert!(super::part(&HeaderMap::new(), 10).is_err());
    }

    #[test]
    fn a_redirect_may_name_its_goal_in_any_letters() {
        let from = Url::parse("https://h.example/assets/a.png").unwrap();
        let goal = |location: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_bytes(location).unwrap());
            next_hop(&from, &headers, "`a`").map(String::from)
        };
        for (location, expected) in [
            (
                "/b/写真 1.png?n=猫",
                "https://h.example/b/%E5%86%99%E7%9C%9F%201.png?n=%E7%8C%AB",
            ),
            ("b%20c.png", "https://h.example/assets/b%20c.png"),
            (
                "https://xn--wgv71a.example/é",
                "https://xn--wgv71a.example/%C3%A9",
            ),
            ("https://日本.example/", "https://xn--wgv71a.example/"),
        ] {
            assert_eq!(goal(location.as_bytes()).unwrap(), expected);
        }
        assert_eq!(
            goal(b"/caf\xe9.png").unwrap(),
            "https://h.example/caf%E9.png",
            "in Latin-1: its own bytes"
        );
        assert!(next_hop(&from, &HeaderMap::new(), "`a`").is_err());
        assert!(goal(b"").is_ok_and(|same| same == from.as_str()));
    }
}
