//! What the Management API says about contents: all but their bodies.

use super::head::Head;
use super::id::lone_id;
use super::media::NO_TOTAL;
use super::number::lenient_count;
use super::{
    OneOrMany, cannot_be_read, check_depth, lenient, parse, parse_at_any_depth, text, whole,
};
use crate::model::{ContentId, EndpointKind, ListedContent, ServedContent, Status};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentItem {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    status: Option<OneOrMany>,
    #[serde(default, deserialize_with = "whole")]
    updated_at: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    published_at: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    revised_at: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    draft_key: Option<String>,
}

/// `name` stands in for the id of a content that has none. How deep the rest of it is, [`read_content`] looks at, before
/// anything is recorded.
fn serve_content(text: &str, name: Option<&str>) -> Result<ServedContent, String> {
    let head = Head::read(text)?;
    let id = head.id.as_deref().or(name);
    let id = id.ok_or("it has no `id` that is text")?;
    Ok(ServedContent {
        id: ContentId::parse(id).map_err(|err| err.to_string())?,
        status: head.status,
        metadata: text.to_owned(),
    })
}

/// Reads one content's metadata from its JSON text, as listed or as recorded. `name` stands in for
/// the id of an object-type content that has none.
pub fn read_content(text: &str, name: Option<&str>) -> Result<ListedContent, String> {
    check_depth(text.as_bytes())?;
    let item: ContentItem = serde_json::from_str(text).map_err(|err| cannot_be_read(&err))?;
    let id = item.id.as_deref().or(name);
    let id = id.ok_or("it has no `id` that is text")?;
    Ok(ListedContent {
        id: ContentId::parse(id).map_err(|err| err.to_string())?,
        status: OneOrMany::status(item.status.as_ref()),
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
        contents: Vec<ContentsItem>,
        total_count: u64,
    },
    /// The single content of an object-type API: no `contents` array (microcms-facts 1.5).
    Object(ServedContent),
}

impl ContentsAnswer {
    /// Says where in the list a page begins.
    pub(crate) fn begin_at(&mut self, offset: u64) {
        match self {
            Self::Object(_) => {}
            Self::Page { contents, .. } => {
                for item in contents {
                    if let ContentsItem::Odd(odd) = item {
                        odd.place += offset;
                    }
                }
            }
        }
    }
}

/// One item of a page.
#[derive(Debug)]
pub(crate) enum ContentsItem {
    /// A content. Whether all of it can be read is told later.
    Content(ServedContent),
    /// One that nobody can tell from others by an id.
    Odd(OddContent),
}

impl ContentsItem {
    /// Returns what tells it from other items: its id, or what stands for one.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Content(content) => content.id.as_str(),
            Self::Odd(odd) => &odd.key,
        }
    }
}

/// An item of a listing that is there and has no id that could be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddContent {
    /// Stands for its id where items are counted: the same for the same text, and never an id. It may
    /// hold a draft key, so that nobody is shown it.
    pub key: String,
    /// Its place in the list, counted from 0.
    pub place: u64,
    /// What is odd about it.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentsEnvelope<'a> {
    #[serde(borrow, default)]
    contents: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient_count")]
    total_count: Option<u64>,
}

/// Reads one answer of a contents listing; `name` is the endpoint's, `kind` what is known of it.
pub(crate) fn contents_list(
    body: &[u8],
    name: &str,
    kind: Option<EndpointKind>,
) -> Result<ContentsAnswer, String> {
    let envelope: ContentsEnvelope<'_> = parse_at_any_depth(body)?;
    match (envelope.contents, envelope.total_count) {
        (Some(items), Some(total_count)) => {
            let contents = (0..)
                .zip(items)
                .map(|(place, raw)| serve_item(raw.get(), place))
                .collect();
            Ok(ContentsAnswer::Page {
                contents,
                total_count,
            })
        }
        (Some(_), None) => Err(NO_TOTAL.to_owned()),
        // One content that is taken for the whole of a list would stand for all that it lacks.
        (None, _) if kind == Some(EndpointKind::List) => {
            Err("it has no `contents`, as the answer of a list has".to_owned())
        }
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

/// One odd item must not keep the others of its page from being backed up: it is handed on under its id
/// where that can be told, for the run to name it, and otherwise as what it is.
fn serve_item(text: &str, place: u64) -> ContentsItem {
    let why = match serve_content(text, None) {
        Ok(content) => return ContentsItem::Content(content),
        Err(why) => why,
    };
    match lone_id(text).and_then(|id| ContentId::parse(&id).ok()) {
        Some(id) => ContentsItem::Content(ServedContent {
            id,
            status: OneOrMany::status(None),
            metadata: text.to_owned(),
        }),
        None => ContentsItem::Odd(OddContent {
            // No id begins with the end of a line.
            key: format!("\n{text}"),
            place,
            why,
        }),
    }
}

/// Reads the detail of one content in the Management API.
pub(crate) fn content_detail(body: &[u8], name: &str) -> Result<ServedContent, String> {
    parse::<IgnoredAny>(body)?;
    serve_content(text(body)?, Some(name))
}
