//! What the Content API says: bodies of contents.

use super::{lenient, parse, says_something, text};
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

/// Reads the body of an object-type API, which has no id (microcms-facts 8.19) and perhaps nothing but
/// fields of its own.
pub(crate) fn body_object(body: &[u8]) -> Result<Body, String> {
    says_something(body)?;
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
