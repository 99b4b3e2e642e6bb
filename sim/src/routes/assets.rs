//! The asset hosts. What the real ones support is not documented (facts sheet
//! 4.5), so each feature can be switched off.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Ask, Length, Route};
use crate::bytes::ByteSource;
use crate::state::World;
use crate::state::media::{Dimensions, Medium};
use crate::times::{http_date, parse_http_date};

/// What the asset hosts support. The default is everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetOptions {
    /// Send `ETag`.
    pub etag: bool,
    /// Send `Last-Modified`.
    pub last_modified: bool,
    /// Honour `Range` and `If-Range`, and say so in `Accept-Ranges`.
    pub range: bool,
    /// Answer HEAD; otherwise 405.
    pub head: bool,
    /// Answer 304 to `If-None-Match` and `If-Modified-Since`.
    pub conditional: bool,
    /// Tell `Content-Length`; otherwise the body is chunked.
    pub content_length: bool,
}

impl Default for AssetOptions {
    fn default() -> Self {
        Self {
            etag: true,
            last_modified: true,
            range: true,
            head: true,
            conditional: true,
            content_length: true,
        }
    }
}

impl World {
    /// Answers one request at an asset host (or at a foreign host that a redirect led to).
    pub(crate) fn asset(&mut self, ask: &Ask) -> Answer {
        let is_head = ask.method == "HEAD";
        if (ask.method != "GET" && !is_head) || (is_head && !self.assets.head) {
            return plain(405, "Method Not Allowed");
        }
        let found = self.media.at_path(&ask.path).filter(|medium| {
            // A picture in a file field is delivered from the file host, so only the image host is strict.
            let at_its_host = ask.route != Route::Image || medium.is_image();
            at_its_host && !medium.hidden
        });
        let Some(medium) = found else {
            return plain(404, "Not Found");
        };
        if ask.query.get("fm") == Some("json") && medium.is_image() {
            return probe(&medium);
        }
        let source = self.served(&medium);
        let answer = self.file(ask, &medium, &source);
        if is_head {
            Answer {
                body: bytes::Bytes::new(),
                ..answer
            }
        } else {
            answer
        }
    }

    /// The current bytes, or for some requests after a re-upload the old ones.
    fn served(&mut self, medium: &Medium) -> ByteSource {
        let Some((old, left)) = &medium.stale else {
            return medium.bytes.clone();
        };
        let stale = left
            .checked_sub(1)
            .filter(|left| *left > 0)
            .map(|left| (old.clone(), left));
        let old = old.clone();
        self.media_mut().put(Medium {
            stale,
            ..medium.clone()
        });
        old
    }

    fn file(&self, ask: &Ask, medium: &Medium, source: &ByteSource) -> Answer {
        let (options, etag, modified) = (self.assets, source.etag(), http_date(medium.bytes_ms));
        let total = source.len();
        let head = |status: u16| {
            let mut answer = Answer {
                is_json: false,
                ..plain(status, "")
            };
            answer.headers = vec![("cache-control", "public, max-age=31536000".into())];
            if options.etag {
                answer.headers.push(("etag", etag.clone()));
            }
            if options.last_modified {
                answer.headers.push(("last-modified", modified.clone()));
            }
            if options.range {
                answer.headers.push(("accept-ranges", "bytes".into()));
            }
            answer
        };
        if options.conditional && self.is_unchanged(ask, &etag, medium.bytes_ms) {
            return head(304);
        }
        let told = |answer: Answer, len: u64| Answer {
            length: if options.content_length {
                Length::Told(len)
            } else {
                Length::Untold
            },
            ..answer.header("content-type", source.form().content_type())
        };
        let is_whole = !options.range || !if_range_holds(ask, &etag, medium.bytes_ms, self.assets);
        match ask
            .range
            .as_deref()
            .filter(|_| !is_whole)
            .map(|range| parse_range(range, total))
        {
            Some(Range::Part(from, to)) => {
                let answer =
                    head(206).header("content-range", format!("bytes {from}-{to}/{total}"));
                let slice = usize::try_from(from).unwrap_or(usize::MAX)
                    ..usize::try_from(to + 1).unwrap_or(usize::MAX);
                let body = if ask.method == "HEAD" {
                    bytes::Bytes::new()
                } else {
                    source.bytes().slice(slice)
                };
                told(Answer { body, ..answer }, to + 1 - from)
            }
            Some(Range::Beyond) => head(416).header("content-range", format!("bytes */{total}")),
            Some(Range::Ignored) | None => {
                let body = if ask.method == "HEAD" {
                    bytes::Bytes::new()
                } else {
                    source.bytes()
                };
                told(Answer { body, ..head(200) }, total)
            }
        }
    }

    fn is_unchanged(&self, ask: &Ask, etag: &str, modified_ms: i64) -> bool {
        // If-None-Match wins over If-Modified-Since (RFC 9110, 13.2.2).
        match &ask.if_none_match {
            Some(tags) => {
                self.assets.etag
                    && (tags.trim() == "*" || tags.split(',').any(|tag| weak(tag) == weak(etag)))
            }
            None => {
                let since = ask.if_modified_since.as_deref().and_then(parse_http_date);
                self.assets.last_modified
                    && since.is_some_and(|since| modified_ms.div_euclid(1000) <= since)
            }
        }
    }
}

fn weak(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// Whether a range may be served: without `If-Range`, or when it names this version.
fn if_range_holds(ask: &Ask, etag: &str, modified_ms: i64, options: AssetOptions) -> bool {
    match ask.if_range.as_deref() {
        None => true,
        Some(tag) if tag.starts_with('"') => options.etag && tag == etag,
        Some(date) => {
            options.last_modified && parse_http_date(date) == Some(modified_ms.div_euclid(1000))
        }
    }
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// From the first to the second byte, both included.
    Part(u64, u64),
    /// Nothing of the file: 416.
    Beyond,
    /// Not understood (other units, several ranges): the whole file.
    Ignored,
}

fn parse_range(text: &str, total: u64) -> Range {
    let Some((from, to)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Ignored;
    };
    match (from.trim().parse::<u64>(), to.trim()) {
        (Ok(from), "") if from < total => Range::Part(from, total - 1),
        (Ok(_), "") => Range::Beyond,
        (Ok(from), to) => match to.parse::<u64>() {
            Ok(to) if to < from => Range::Ignored,
            Ok(to) if from < total => Range::Part(from, to.min(total - 1)),
            Ok(_) => Range::Beyond,
            Err(_) => Range::Ignored,
        },
        (Err(_), to) if from.trim().is_empty() => match to.parse::<u64>() {
            Ok(0) => Range::Beyond,
            Ok(_) if total == 0 => Range::Beyond,
            Ok(last) => Range::Part(total.saturating_sub(last), total - 1),
            Err(_) => Range::Ignored,
        },
        (Err(_), _) => Range::Ignored,
    }
}

/// The image API's `?fm=json`.
fn probe(medium: &Medium) -> Answer {
    let mut body = json!({
        "Content-Type": medium.bytes.form().content_type(),
        "Content-Length": medium.bytes.len().to_string(),
    });
    if let (Dimensions::Known(width, height), Some(body)) = (medium.size, body.as_object_mut()) {
        body.insert("PixelWidth".into(), width.into());
        body.insert("PixelHeight".into(), height.into());
    }
    Answer::json(200, &body)
}

fn plain(status: u16, text: &'static str) -> Answer {
    Answer {
        status,
        headers: vec![("content-type", "text/plain".into())],
        extra: Vec::new(),
        body: bytes::Bytes::from_static(text.as_bytes()),
        length: Length::Exact,
        is_json: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_says() {
        for (text, expected) in [
            ("bytes=0-0", Range::Part(0, 0)),
            ("bytes=5-", Range::Part(5, 9)),
            ("bytes=-3", Range::Part(7, 9)),
            ("bytes=-30", Range::Part(0, 9)),
            ("bytes=2-99", Range::Part(2, 9)),
            ("bytes=10-", Range::Beyond),
            ("bytes=10-12", Range::Beyond),
            ("bytes=-0", Range::Beyond),
            ("bytes=5-2", Range::Ignored),
            ("bytes=0-1,3-4", Range::Ignored),
            ("lines=1-2", Range::Ignored),
            ("bytes=x", Range::Ignored),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Range::Beyond);
    }
}
