//! What the Content API says: bodies of contents.

use super::{lenient, parse, says_something, text};
use crate::model::brief;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Returns whether two bodies of a content say the same, however each is spelt.
pub fn says_the_same(one: &str, other: &str) -> bool {
    one == other || is_same(fields(one), fields(other))
}

/// Returns whether two bodies of a content differ in nothing but their `updatedAt`, which a draft beside what is published moves.
pub fn is_same_body(one: &str, other: &str) -> bool {
    let fields = |text| {
        let mut fields = fields(text)?;
        fields.shift_remove("updatedAt");
        Some(fields)
    };
    is_same(fields(one), fields(other))
}

fn is_same(one: Option<Map<String, Value>>, other: Option<Map<String, Value>>) -> bool {
    one.is_some() && one == other
}

/// Reads what a body says: a field that is `null` says as much as one that is not there.
fn fields(text: &str) -> Option<Map<String, Value>> {
    let mut fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    fields.retain(|_, value| !value.is_null());
    Some(fields)
}

#[derive(Deserialize)]
struct BodyList<'a> {
    #[serde(borrow)]
    contents: Vec<&'a RawValue>,
}

/// All that a page of a list has, and no object has together.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListPage {
    #[serde(rename = "contents")]
    _contents: Vec<IgnoredAny>,
    #[serde(rename = "totalCount")]
    _total_count: u64,
    #[serde(rename = "offset")]
    _offset: u64,
    #[serde(rename = "limit")]
    _limit: u64,
    /// Of an object.
    updated_at: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyHead {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    updated_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    revised_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    published_at: Option<String>,
}

/// One body as served: its id (none for an object-type API), its stamps, its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Body {
    pub(crate) id: Option<String>,
    pub(crate) updated_at: Option<String>,
    pub(crate) revised_at: Option<String>,
    pub(crate) published_at: Option<String>,
    pub(crate) text: String,
}

/// Reads a page of bodies. One content with two bodies has none.
pub(crate) fn body_list(body: &[u8]) -> Result<Vec<Body>, String> {
    let list: BodyList<'_> = parse(body)?;
    let bodies = list
        .contents
        .iter()
        .map(|raw| read_body(raw.get()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut by_id = HashMap::new();
    for body in &bodies {
        let Some(id) = &body.id else { continue };
        let twin = by_id.insert(id, &body.text);
        if twin.is_some_and(|twin| *twin != body.text) {
            return Err(format!("`{}` has two bodies in it", brief(id)));
        }
    }
    Ok(bodies)
}

/// Reads the body of one content, which must be about that content.
pub(crate) fn body_of(body: &[u8], id: &str) -> Result<Body, String> {
    parse::<IgnoredAny>(body)?;
    let found = read_body(text(body)?)?;
    match &found.id {
        Some(other) if other != id => Err(format!("it is about `{}`", brief(other))),
        Some(_) => Ok(found),
        None => Err("it has no `id`".to_owned()),
    }
}

/// Reads the body of an object-type API, which has no id (microcms-facts 8.19) and perhaps nothing but
/// fields of its own. The page that a list would have is none.
pub(crate) fn body_object(body: &[u8]) -> Result<Body, String> {
    says_something(body)?;
    if serde_json::from_slice::<ListPage>(body).is_ok_and(|page| page.updated_at.is_none()) {
        return Err("it is a page of a list".to_owned());
    }
    read_body(text(body)?)
}

/// Reads one body with its stamps.
pub(crate) fn read_body(text: &str) -> Result<Body, String> {
    let head: BodyHead = serde_json::from_str(text)
        .map_err(|err| format!("a content in it: {}", brief(&err.to_string())))?;
    Ok(Body {
        id: head.id,
        updated_at: head.updated_at,
        revised_at: head.revised_at,
        published_at: head.published_at,
        text: text.trim().to_owned(),
    })
}
