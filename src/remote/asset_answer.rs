//! What an asset host's status and headers mean. Pure.

use super::answer::{retry_after, wait_asked};
use super::error::{Refusal, RemoteError};
use crate::model::path::{AssetUrl, file_name};
use percent_encoding::{CONTROLS, percent_encode};
use reqwest::Version;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, LOCATION,
    TRANSFER_ENCODING,
};
use url::Url;

const HOST: &str = "asset host";
const CHUNKED: &str = "chunked";
const IDENTITY: &str = "identity";
/// A validator longer than this is not kept: a request that repeats it could be too long for its own host.
const LONGEST_VALIDATOR: usize = 1024;

/// Returns whether the answer says where it ends. One of HTTP/1 with neither a length nor chunks ends where
/// its connection does, for whatever reason that was. A transfer coding overrules a length beside it.
pub(super) fn has_told_end(answer: &reqwest::Response) -> bool {
    let headers = answer.headers();
    answer.version() > Version::HTTP_11
        || match codings(headers, &TRANSFER_ENCODING).last() {
            Some(last) => last == CHUNKED,
            None => headers.contains_key(CONTENT_LENGTH),
        }
}

/// The encoding of a body on its way, in lower case; `None` if it is plain.
pub(super) fn coding(headers: &HeaderMap, url: &AssetUrl) -> Option<String> {
    let mut codings = codings(headers, &CONTENT_ENCODING);
    codings.retain(|coding| !coding.is_empty() && coding != IDENTITY);
    Some(codings.join(", "))
        .filter(|coding| !coding.is_empty())
        .filter(|coding| !(is_gzip(coding) && is_packed_by_name(url)))
}

/// What was done to a body for its way beside cutting it into chunks, which is undone by itself if it was done last;
/// `None`: nothing.
pub(super) fn transfer_coding(headers: &HeaderMap) -> Option<String> {
    let codings = codings(headers, &TRANSFER_ENCODING);
    let others = match codings.split_last() {
        Some((last, others)) if last == CHUNKED => others,
        Some(_) | None => &codings,
    };
    let is_plain = others.iter().all(|coding| coding == IDENTITY);
    (!is_plain).then(|| codings.join(", "))
}

/// What all lines of a header name, in lower case and in order.
fn codings(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase())
        .collect();
    lines
        .iter()
        .flat_map(|line| line.split(',').map(|coding| coding.trim().to_owned()))
        .collect()
}

/// Returns whether a coding, in lower case, is gzip.
pub(super) fn is_gzip(coding: &str) -> bool {
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
pub(super) fn part(headers: &HeaderMap, offset: u64) -> Result<Option<u64>, String> {
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
pub(super) fn refused(status: u16, headers: &HeaderMap, what: String) -> RemoteError {
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
            retry_after: retry_after(headers),
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

/// Returns where a redirect leads: within the borders that hold for a listed URL as well.
pub(super) fn next_hop(from: &Url, headers: &HeaderMap, what: &str) -> Result<Url, RemoteError> {
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

/// Returns an `ETag` or a `Last-Modified`, verbatim.
pub(super) fn validator(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    text(headers, name).filter(|value| value.len() <= LONGEST_VALIDATOR)
}

/// Returns a header as text, without blanks around it.
pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
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
