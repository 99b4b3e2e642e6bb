//! What the Management API says about media.

use super::id::lone_id;
use super::number::{lenient_count, lenient_size};
use super::{cannot_be_read, check_depth, lenient, parse_at_any_depth, whole};
use crate::model::path::file_name;
use crate::model::{ListedMedium, MediaId, ServedMedium};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaList<'a> {
    #[serde(borrow, default)]
    media: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient_count")]
    total_count: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    token: Option<String>,
}

#[derive(Deserialize)]
struct MediumHead<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediumItem<'a> {
    id: String,
    #[serde(default, deserialize_with = "whole")]
    url: Option<String>,
    #[serde(default, deserialize_with = "lenient_size")]
    width: Option<i64>,
    #[serde(default, deserialize_with = "lenient_size")]
    height: Option<i64>,
    #[serde(default, deserialize_with = "whole")]
    updated_at: Option<String>,
    #[serde(borrow, default)]
    alt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tags: Option<&'a RawValue>,
}

/// What is wrong with an answer that has to tell how many things there are.
pub(crate) const NO_TOTAL: &str = "it has no `totalCount` that is a number";

/// One answer of the media listing. What is listed is not read yet: how to go on is known before.
#[derive(Debug, Default)]
pub(crate) struct MediaAnswer {
    /// The text of each thing that is listed.
    pub(crate) listed: Vec<String>,
    /// How many media there are, where it says so.
    pub(crate) total_count: Option<u64>,
    pub(crate) token: Option<String>,
}

/// Something in a listing of media that cannot be read as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OddMedium {
    /// Its text, by which it is known.
    pub(crate) text: String,
    /// What is wrong with it.
    pub(crate) why: String,
}

/// Reads one answer of the media listing; `Err` says what is wrong with it.
pub(crate) fn media_list(body: &[u8]) -> Result<MediaAnswer, String> {
    let list: MediaList<'_> = parse_at_any_depth(body)?;
    let items = match (list.media, list.total_count) {
        (Some(items), _) => items,
        // "No media", in other words.
        (None, Some(0)) => Vec::new(),
        (None, _) => return Err("it has no `media`".to_owned()),
    };
    Ok(MediaAnswer {
        listed: items.into_iter().map(|raw| raw.get().to_owned()).collect(),
        total_count: list.total_count,
        token: list.token.filter(|token| !token.is_empty()),
    })
}

/// Reads one thing that is listed: only its id. Whatever else is odd about a medium is found, and named, when it is read.
pub(crate) fn serve_medium(text: String) -> Result<ServedMedium, OddMedium> {
    match medium_id(&text) {
        Ok(id) => Ok(ServedMedium { id, metadata: text }),
        Err(why) => Err(OddMedium { text, why }),
    }
}

fn medium_id(text: &str) -> Result<MediaId, String> {
    let head = serde_json::from_str::<MediumHead<'_>>(text)
        .map(|head| head.id)
        .or_else(|err| {
            let id = lone_id(text).ok_or_else(|| cannot_be_read(&err))?;
            Ok::<_, String>(Cow::Owned(id))
        });
    MediaId::parse(&head?).map_err(|err| err.to_string())
}

/// Reads one medium from its JSON text, as listed or as recorded.
pub fn read_medium(text: &str) -> Result<ListedMedium, String> {
    check_depth(text.as_bytes())?;
    let item: MediumItem<'_> = serde_json::from_str(text).map_err(|err| cannot_be_read(&err))?;
    // Without a URL the row is still worth keeping; its file then fails by name.
    let url = item.url.unwrap_or_default();
    Ok(ListedMedium {
        id: MediaId::parse(&item.id).map_err(|err| err.to_string())?,
        file_name: file_name(&url),
        url,
        width: item.width,
        height: item.height,
        updated_at: item.updated_at,
        // As values: another spelling of the same words is no change.
        description: [item.alt, item.tags].map(value_text).join("\n"),
        metadata: text.to_owned(),
    })
}

fn value_text(raw: Option<&RawValue>) -> String {
    raw.map_or_else(String::new, |raw| {
        serde_json::from_str::<serde_json::Value>(raw.get())
            .map_or_else(|_| raw.get().to_owned(), |value| value.to_string())
    })
}
