//! What the Management API says about contents: all but their bodies.

use super::count::lenient_count;
use super::{OneOrMany, lenient, parse, text};
use crate::model::{ContentId, ListedContent, ServedContent, Status};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentItem {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<OneOrMany>,
    #[serde(default, deserialize_with = "lenient")]
    updated_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    published_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    revised_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    draft_key: Option<String>,
}

#[derive(Deserialize)]
struct ContentHead {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<OneOrMany>,
}

fn status_of(served: Option<&OneOrMany>) -> Status {
    Status::parse(served.map_or("", OneOrMany::first))
}

/// `name` stands in for the id of a content that has none.
fn serve_content(text: &str, name: Option<&str>) -> Result<ServedContent, String> {
    let head: ContentHead =
        serde_json::from_str(text).map_err(|err| format!("a content in it: {err}"))?;
    let id = head.id.as_deref().or(name);
    let id = id.ok_or("a content in it has no `id`")?;
    Ok(ServedContent {
        id: ContentId::parse(id).map_err(|err| err.to_string())?,
        status: status_of(head.status.as_ref()),
        metadata: text.to_owned(),
    })
}

/// Reads one content's metadata from its JSON text, as listed or as recorded. `name` stands in for
/// the id of an object-type content that has none.
pub fn read_content(text: &str, name: Option<&str>) -> Result<ListedContent, String> {
    let item: ContentItem =
        serde_json::from_str(text).map_err(|err| format!("it cannot be read: {err}"))?;
    let id = item.id.as_deref().or(name).ok_or("it has no `id`")?;
    Ok(ListedContent {
        id: ContentId::parse(id).map_err(|err| err.to_string())?,
        status: status_of(item.status.as_ref()),
        updated_at: item.updated_at,
        published_at: item.published_at,
        revised_at: item.revised_at,
        draft_key: item.draft_key.filter(|key| !key.is_empty()),
        metadata: text.to_owned(),
    })
}

/// One answer of a contents listing in the Management API.
#[derive(Debug)]
pub(crate) enum ContentsAnswer {
    /// A page of a list.
    Page {
        contents: Vec<ServedContent>,
        total_count: u64,
    },
    /// The single content of an object-type API: no `contents` array (microcms-facts 1.5).
    Object(ServedContent),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentsEnvelope<'a> {
    #[serde(borrow, default)]
    contents: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient_count")]
    total_count: Option<u64>,
}

/// Reads one answer of a contents listing; `name` is the endpoint's.
pub(crate) fn contents_list(body: &[u8], name: &str) -> Result<ContentsAnswer, String> {
    let envelope: ContentsEnvelope<'_> = parse(body)?;
    match (envelope.contents, envelope.total_count) {
        (Some(items), Some(total_count)) => {
            let contents = items
                .iter()
                .map(|raw| serve_content(raw.get(), None))
                .collect::<Result<_, _>>()?;
            Ok(ContentsAnswer::Page {
                contents,
                total_count,
            })
        }
        (Some(_), None) => Err("it has no `totalCount` that is a number".to_owned()),
        (None, _) => {
            let object = read_content(text(body)?, Some(name))?;
            if object.updated_at.is_none() && matches!(object.status, Status::Other(_)) {
                return Err("it has neither `contents` nor the fields of a content".to_owned());
            }
            Ok(ContentsAnswer::Object(ServedContent {
                id: object.id,
                status: object.status,
                metadata: object.metadata,
            }))
        }
    }
}

/// Reads the detail of one content in the Management API.
pub(crate) fn content_detail(body: &[u8], name: &str) -> Result<ServedContent, String> {
    parse::<IgnoredAny>(body)?;
    serve_content(text(body)?, Some(name))
}
