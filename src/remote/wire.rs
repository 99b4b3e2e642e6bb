//! The service's JSON, read once at the border.
//!
//! Items keep their own text (`RawValue`), so that what is stored is what was served. Unknown fields
//! are left alone; missing and null ones are normal (microcms-facts 8.18, 8.24).

mod apis;
mod bodies;
mod contents;
mod head;
mod id;
mod media;
mod number;
#[cfg(test)]
mod tests;
mod title;

pub(crate) use apis::{ApiEntry, apis};
pub(crate) use bodies::{Body, body_list, body_object, body_of, read_body};
pub use bodies::{is_same_body, says_the_same};
pub use contents::OddContent;
pub use contents::read_content;
pub(crate) use contents::{ContentsAnswer, ContentsItem, content_detail, contents_list};
pub use media::read_medium;
pub(crate) use media::{MediaAnswer, NO_TOTAL, OddMedium, media_list, serve_medium};
pub use title::title;

use crate::model::{Status, brief, plain};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

/// What is encoded in a segment of a path: all but the characters that stand for themselves there, so
/// that an address is spelled as the service and its CDN spell it.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// How deep an answer may nest. The service's own data stays far below; SQLite's JSON functions stop
/// at 1000, and a text that they cannot read could not be recorded.
const MAX_DEPTH: usize = 128;

/// A field that is taken if it has the expected type and ignored otherwise: one odd value must not
/// make a medium or a content unreadable.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

/// As [`lenient`], for what becomes a column of the database. A text with half of a character (a lone surrogate, which JSON can
/// spell and nobody can write down) is refused: the item is named then, and the others are backed up.
fn whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let Some(raw) = Option::<&RawValue>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let value = serde_json::from_str(raw.get()).ok();
    let has_escapes = raw.get().contains("\\u");
    if value.is_none() && has_escapes && serde_json::from_str::<Value>(raw.get()).is_err() {
        let why = "a text in it has half of a character (a lone surrogate)";
        return Err(D::Error::custom(why));
    }
    Ok(value)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn first(&self) -> &str {
        match self {
            Self::One(text) => text,
            Self::Many(texts) => texts.first().map_or("", String::as_str),
        }
    }

    fn status(served: Option<&Self>) -> Status {
        match served {
            Some(Self::One(text)) => Status::parse(text),
            Some(Self::Many(texts)) => Status::parse(&texts.join(",")),
            None => Status::parse(""),
        }
    }
}

#[derive(Deserialize)]
struct Service {
    name: String,
}

/// Reads the name of the service.
pub(crate) fn service_name(body: &[u8]) -> Result<String, String> {
    parse::<Service>(body).map(|service| service.name)
}

/// Reads a schema. Its form changed before and may change again (microcms-facts 8.18).
pub(crate) fn schema(body: &[u8]) -> Result<String, String> {
    says_something(body)?;
    text(body).map(|text| text.trim().to_owned())
}

/// Checks an answer whose form is not known: an object that holds something, and more than the words of
/// an error.
fn says_something(body: &[u8]) -> Result<(), String> {
    let fields = parse::<std::collections::HashMap<String, IgnoredAny>>(body)?;
    if fields.is_empty() {
        Err("it is an empty object".to_owned())
    } else if fields.keys().all(|name| name == "message") {
        Err("it is a message alone, as errors are".to_owned())
    } else {
        Ok(())
    }
}

/// Returns whether a body is a JSON object, as the service's own answers are.
pub(crate) fn is_object(body: &[u8]) -> bool {
    serde_json::from_slice::<std::collections::HashMap<String, IgnoredAny>>(body).is_ok()
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// Returns the service's own words from an error body, fit for a terminal.
pub(crate) fn message(body: &[u8]) -> Option<String> {
    let message: Message = serde_json::from_slice(body).ok()?;
    let shown: String = message.message.chars().take(200).collect();
    (!shown.is_empty()).then(|| plain(&shown))
}

/// Says why something cannot be read. The words of the parser quote what they met, however long it is.
fn cannot_be_read(err: &serde_json::Error) -> String {
    format!("it cannot be read: {}", brief(&err.to_string()))
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    check_depth(body)?;
    parse_at_any_depth(body)
}

/// Reads what keeps its parts as text; their depth is theirs to check.
fn parse_at_any_depth<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|err| describe(body, &err))
}

fn text(body: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(body).map_err(|err| format!("it is not UTF-8: {err}"))
}

/// Says what came instead of JSON, for a person who wonders.
fn describe(body: &[u8], err: &serde_json::Error) -> String {
    let start = body.trim_ascii_start();
    if start.is_empty() {
        "it is empty".to_owned()
    } else if start.first() == Some(&b'<') {
        "it is an HTML page".to_owned()
    } else if err.is_eof() {
        format!("its JSON ends early, after {} bytes", body.len())
    } else {
        format!("it is not the expected JSON: {}", brief(&err.to_string()))
    }
}

fn check_depth(body: &[u8]) -> Result<(), String> {
    if nests_reasonably(body) {
        Ok(())
    } else {
        Err(format!("its JSON nests deeper than {MAX_DEPTH} levels"))
    }
}

fn nests_reasonably(body: &[u8]) -> bool {
    let (mut depth, mut rest) = (0_usize, body);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_text(after),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Returns what follows a text's closing quote: nothing where it has none.
fn after_text(mut text: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', text) {
        let is_end = text.get(at) == Some(&b'"');
        // What is escaped is passed over with its backslash.
        text = text
            .get(at + if is_end { 1 } else { 2 }..)
            .unwrap_or_default();
        if is_end {
            return text;
        }
    }
    &[]
}
