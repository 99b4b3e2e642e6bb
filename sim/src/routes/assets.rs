//! The asset hosts. What the real ones support is not documented (facts sheet
//! 4.5), so each feature can be switched off.

use serde_json::json;

use super::asset_options::{AssetOptions, WrongRange};
use super::{Answer, Ask, Length, Route, Site};
use crate::body::pack;
use crate::bytes::ByteSource;
use crate::payload::Payload;
use crate::state::World;
use crate::state::medium::{Dimensions, Medium, Stale, Validators};
use crate::times::{http_date, parse_http_date};

impl World {
    /// Answers one request at an asset host (or at a foreign host that a redirect led to).
    pub(crate) fn asset(&mut self, ask: &Ask) -> Answer {
        let is_head = ask.method == "HEAD";
        if (ask.method != "GET" && !is_head) || (is_head && !self.assets.head) {
            return plain(405, "Method Not Allowed");
        }
        if matches!(ask.site, Site::CustomImages | Site::CustomFiles) && !self.has_custom_hosts {
            return plain(404, "Not Found");
        }
        let is_image_host = ask.route == Route::Image;
        let found = self
            .media
            .at_path(&ask.path, |medium| medium.is_served_at(is_image_host));
        let Some(medium) = found else {
            return plain(404, "Not Found");
        };
        if matches!(ask.site, Site::Images | Site::Files) && self.has_custom_hosts {
            return self.moved(ask);
        }
        if ask.query.get("fm") == Some("json") && medium.is_image() {
            return probe(&medium);
        }
        let (source, validators) = self.served(&medium);
        let answer = self.file(ask, &source, &validators);
        if is_head {
            Answer {
                body: Payload::empty(),
                ..answer
            }
        } else {
            answer
        }
    }

    /// The service's own host while there is a custom domain.
    fn moved(&self, ask: &Ask) -> Answer {
        let base = if ask.site == Site::Images {
            &self.bases.images
        } else {
            &self.bases.files
        };
        plain(302, "").header("location", format!("{base}{}", ask.path_and_query))
    }

    /// The current bytes, or for some requests after a re-upload the old ones.
    fn served(&mut self, medium: &Medium) -> (ByteSource, Validators) {
        let Some(stale) = medium.stale.clone() else {
            return (medium.bytes.clone(), medium.validators());
        };
        let left = stale.left.saturating_sub(1);
        self.media_mut().put(Medium {
            stale: (left > 0).then(|| Stale {
                left,
                ..stale.clone()
            }),
            ..medium.clone()
        });
        (stale.source, stale.validators)
    }

    fn file(&self, ask: &Ask, source: &ByteSource, validators: &Validators) -> Answer {
        let options = self.assets;
        let told = Validators {
            etag: if options.weak_etags {
                format!("W/{}", validators.etag)
            } else {
                validators.etag.clone()
            },
            modified_ms: validators.modified_ms,
        };
        if options.always_not_modified && ask.is_conditional() {
            return not_modified_whatever(ask);
        }
        if options.conditional && self.is_unchanged(ask, &told) {
            return head(304, options, &told);
        }
        let packed = options.unasked_gzip.then(|| ByteSource::Given {
            form: source.form(),
            bytes: pack(&source.bytes()),
        });
        let source = packed.as_ref().unwrap_or(source);
        let total = source.len();
        let wants_range = options.range && !options.ignores_ranges;
        let range = ask
            .range
            .as_deref()
            .filter(|_| wants_range && if_range_holds(ask, &told, options))
            .map_or(Range::Ignored, |range| parse_range(range, total));
        let answer = match range {
            Range::Beyond => {
                return head(416, options, &told)
                    .header("content-range", format!("bytes */{total}"));
            }
            Range::Part(from, to) => {
                let shifted = WrongRange::shifted(from, to, total);
                let (claimed, sent) = match options.wrong_range {
                    None => ((from, to), (from, to)),
                    Some(WrongRange::Told) => (shifted, shifted),
                    Some(WrongRange::Hidden) => ((from, to), shifted),
                };
                let range = format!("bytes {}-{}/{total}", claimed.0, claimed.1);
                with_body(ask, source, sent.0..sent.1 + 1, head(206, options, &told))
                    .header("content-range", range)
            }
            Range::Ignored => with_body(ask, source, 0..total, head(200, options, &told)),
        };
        let answer = answer.header("content-type", source.form().content_type());
        let answer = if options.unasked_gzip {
            answer.header("content-encoding", "gzip")
        } else {
            answer
        };
        Answer {
            length: match answer.length {
                Length::Told(len) if options.content_length => {
                    let is_off = options.head_length_off && ask.method == "HEAD";
                    Length::Told(len + u64::from(is_off))
                }
                Length::Told(_) | Length::Exact | Length::Untold => Length::Untold,
            },
            ..answer
        }
    }

    fn is_unchanged(&self, ask: &Ask, told: &Validators) -> bool {
        // If-None-Match wins over If-Modified-Since (RFC 9110, 13.2.2).
        match &ask.if_none_match {
            Some(tags) => {
                self.assets.etag
                    && (tags.trim() == "*"
                        || tags.split(',').any(|tag| weak(tag) == weak(&told.etag)))
            }
            None => {
                let since = ask.if_modified_since.as_deref().and_then(parse_http_date);
                self.assets.last_modified
                    && since.is_some_and(|since| told.modified_ms.div_euclid(1000) <= since)
            }
        }
    }
}

/// An answer without a body, with what all answers of a file tell.
fn head(status: u16, options: AssetOptions, told: &Validators) -> Answer {
    let mut answer = Answer {
        headers: vec![("cache-control", "public, max-age=31536000".into())],
        ..plain(status, "")
    };
    if options.etag {
        answer.headers.push(("etag", told.etag.clone()));
    }
    if options.last_modified {
        let modified = http_date(told.modified_ms);
        answer.headers.push(("last-modified", modified));
    }
    if options.range || options.ignores_ranges {
        answer.headers.push(("accept-ranges", "bytes".into()));
    }
    answer
}

/// The lie of a host that never looks: it confirms the version that was named.
fn not_modified_whatever(ask: &Ask) -> Answer {
    let mut answer = plain(304, "");
    answer.headers.clear();
    match (&ask.if_none_match, &ask.if_modified_since) {
        (Some(tag), _) => answer.header("etag", tag.clone()),
        (None, Some(date)) => answer.header("last-modified", date.clone()),
        (None, None) => answer,
    }
}

/// Puts a part of the bytes into an answer; for HEAD only its length.
fn with_body(ask: &Ask, source: &ByteSource, part: std::ops::Range<u64>, answer: Answer) -> Answer {
    Answer {
        body: if ask.method == "HEAD" {
            Payload::empty()
        } else {
            Payload::part(source.clone(), part.start, part.end)
        },
        length: Length::Told(part.end - part.start),
        ..answer
    }
}

fn weak(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// Whether a range may be served: without `If-Range`, or when it names this version.
fn if_range_holds(ask: &Ask, told: &Validators, options: AssetOptions) -> bool {
    match ask.if_range.as_deref() {
        None => true,
        // A weak tag matches nothing here, not even itself (RFC 9110, 13.1.5).
        Some(tag) if tag.starts_with('"') => options.etag && tag == told.etag,
        Some(date) => {
            let modified = told.modified_ms.div_euclid(1000);
            options.last_modified && parse_http_date(date) == Some(modified)
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
        body: bytes::Bytes::from_static(text.as_bytes()).into(),
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
