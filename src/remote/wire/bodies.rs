//! What the Content API says: bodies of contents.

use super::{lenient, parse, text};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct BodyList<'a> {
    #[serde(borrow)]
    contents: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyHead {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    updated_at: Option<String>,
}

/// One body as served: its id (none for an object-type API), its `updatedAt`, its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) id: Option<String>,
    pub(crate) updated_at: Option<String>,
    pub(crate) text: String,
}

/// Reads a page of bodies.
pub(crate) fn body_list(body: &[u8]) -> Result<Vec<Body>, String> {
    let list: BodyList<'_> = parse(body)?;
    list.contents
        .iter()
        .map(|raw| read_body(raw.get()))
        .collect()
}

/// Reads the body of one content, which must be about that content.
pub(crate) fn body_of(body: &[u8], id: &str) -> Result<Body, String> {
    parse::<IgnoredAny>(body)?;
    let found = read_body(text(body)?)?;
    match &found.id {
        Some(other) if other != id => Err(format!("it is about `{}`", other.escape_debug())),
        Some(_) => Ok(found),
        None => Err("it has no `id`".to_owned()),
    }
}

/// Reads the body of an object-type API. It has no id, but stamps as every content (microcms-facts 2.1).
pub(crate) fn body_object(body: &[u8]) -> Result<Body, String> {
    const STAMPS: [&str; 4] = ["createdAt", "updatedAt", "publishedAt", "revisedAt"];
    let fields = parse::<std::collections::HashMap<String, IgnoredAny>>(body)?;
    if !STAMPS.iter().any(|stamp| fields.contains_key(*stamp)) {
        return Err("it has none of a content's dates".to_owned());
    }
    read_body(text(body)?)
}

fn read_body(text: &str) -> Result<Body, String> {
    let head: BodyHead =
        serde_json::from_str(text).map_err(|err| format!("a content in it: {err}"))?;
    Ok(Body {
        id: head.id,
        updated_at: head.updated_at,
        text: text.trim().to_owned(),
    })
}
