//! What the Management API says about media.

use super::{lenient, parse};
use crate::model::path::file_name;
use crate::model::{ListedMedium, MediaId, ServedMedium};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaList<'a> {
    #[serde(borrow)]
    media: Vec<&'a RawValue>,
    total_count: u64,
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
    #[serde(default, deserialize_with = "lenient")]
    url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    width: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    height: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    updated_at: Option<String>,
    #[serde(borrow, default)]
    alt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tags: Option<&'a RawValue>,
}

/// One answer of the media listing.
#[derive(Debug)]
pub(crate) struct MediaAnswer {
    pub(crate) media: Vec<ServedMedium>,
    pub(crate) total_count: u64,
    pub(crate) token: Option<String>,
}

/// Reads one answer of the media listing; `Err` says what is wrong with it.
pub(crate) fn media_list(body: &[u8]) -> Result<MediaAnswer, String> {
    let list: MediaList<'_> = parse(body)?;
    let media = list
        .media
        .iter()
        .map(|raw| serve_medium(raw.get()))
        .collect::<Result<_, _>>()?;
    Ok(MediaAnswer {
        media,
        total_count: list.total_count,
        token: list.token.filter(|token| !token.is_empty()),
    })
}

fn serve_medium(text: &str) -> Result<ServedMedium, String> {
    let head: MediumHead<'_> =
        serde_json::from_str(text).map_err(|err| format!("a medium in it: {err}"))?;
    Ok(ServedMedium {
        id: MediaId::parse(&head.id).map_err(|err| err.to_string())?,
        metadata: text.to_owned(),
    })
}

/// Reads one medium from its JSON text, as listed or as recorded.
pub fn read_medium(text: &str) -> Result<ListedMedium, String> {
    let item: MediumItem<'_> =
        serde_json::from_str(text).map_err(|err| format!("it cannot be read: {err}"))?;
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
