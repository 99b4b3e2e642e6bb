//! The service's JSON, read once at the border.
//!
//! Items keep their own text (`RawValue`), so that what is stored is what was served. Unknown fields
//! are left alone; missing and null ones are normal (microcms-facts 8.18, 8.24).

use crate::model::path::file_name;
use crate::model::{
    ContentId, EndpointKind, ListedContent, ListedMedium, MediaId, ServedContent, ServedMedium,
    Status,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};
use serde_json::value::RawValue;
use std::borrow::Cow;

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
    #[serde(default)]
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
        (Some(_), None) => Err("it has no `totalCount`".to_owned()),
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

#[derive(Deserialize)]
struct Apis {
    apis: Vec<ApiItem>,
}

// Older answers used other names (microcms-facts 1.6).
#[derive(Deserialize)]
struct ApiItem {
    #[serde(alias = "apiName", default)]
    name: Option<String>,
    #[serde(alias = "apiEndpoint")]
    endpoint: String,
    #[serde(rename = "type", alias = "apiType")]
    kind: OneOrMany,
}

#[derive(Deserialize)]
struct Service {
    name: String,
}

/// Reads the name of the service.
pub(crate) fn service_name(body: &[u8]) -> Result<String, String> {
    parse::<Service>(body).map(|service| service.name)
}

/// Reads the list of APIs as (endpoint, name, kind).
pub(crate) fn apis(body: &[u8]) -> Result<Vec<(String, String, EndpointKind)>, String> {
    let list: Apis = parse(body)?;
    list.apis
        .into_iter()
        .map(|item| {
            let kind = item.kind.first();
            let kind = EndpointKind::parse(&kind.to_ascii_lowercase()).ok_or_else(|| {
                format!(
                    "API `{}` is of an unknown type `{}`",
                    item.endpoint,
                    kind.escape_debug()
                )
            })?;
            let name = item.name.unwrap_or_else(|| item.endpoint.clone());
            Ok((item.endpoint, name, kind))
        })
        .collect()
}

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

/// Reads a schema, which in all its forms lists the API's fields (microcms-facts 1.6).
pub(crate) fn schema(body: &[u8]) -> Result<String, String> {
    let fields = parse::<std::collections::HashMap<String, IgnoredAny>>(body)?;
    if !fields.contains_key("apiFields") {
        return Err("it has no `apiFields`".to_owned());
    }
    text(body).map(|text| text.trim().to_owned())
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
    let shown: String = message
        .message
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    (!shown.is_empty()).then_some(shown)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    if !nests_reasonably(body) {
        return Err(format!("its JSON nests deeper than {MAX_DEPTH} levels"));
    }
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
        format!("it is not the expected JSON: {err}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_medium_keeps_its_text_and_survives_odd_fields() {
        let item = r#"{"id":"m1","url":"https://images.microcms-assets.io/assets/a/b/%E7%8C%AB.png","width":"12","height":null,"alt":7,"new":[1]}"#;
        let body = format!(r#"{{"media":[ {item} ],"totalCount":1,"token":""}}"#);
        let answer = media_list(body.as_bytes()).unwrap();
        assert_eq!((answer.total_count, answer.token), (1, None));
        let served = &answer.media[0];
        assert_eq!((served.id.as_str(), served.metadata.as_str()), ("m1", item));
        let medium = read_medium(&served.metadata).unwrap();
        assert_eq!(
            (medium.width, medium.height, &medium.updated_at),
            (None, None, &None)
        );
        assert_eq!(
            (medium.file_name.as_str(), medium.metadata.as_str()),
            ("猫.png", item)
        );
    }

    #[test]
    fn an_object_type_listing_is_one_content_named_by_its_endpoint() {
        let body = br#"{"status":["PUBLISH"],"updatedAt":"2026-01-01T00:00:00Z","draftKey":null}"#;
        let ContentsAnswer::Object(object) = contents_list(body, "settings").unwrap() else {
            panic!("a page")
        };
        assert_eq!(
            (object.id.as_str(), object.status),
            ("settings", Status::Publish)
        );
        assert!(contents_list(br#"{"message":"hm"}"#, "settings").is_err());
        assert!(contents_list(br#"{"contents":[]}"#, "blog").is_err());
    }

    #[test]
    fn statuses_may_be_new_or_missing() {
        let read = |text: &str| read_content(text, None).unwrap().status;
        assert_eq!(
            read(r#"{"id":"a","status":["PUBLISH_AND_DRAFT"]}"#),
            Status::PublishAndDraft
        );
        assert_eq!(
            read(r#"{"id":"a","status":["NEU"]}"#),
            Status::Other("NEU".to_owned())
        );
        assert_eq!(read(r#"{"id":"a"}"#), Status::Other(String::new()));
    }

    #[test]
    fn both_generations_of_the_api_list_are_read() {
        let body = r#"{"apis":[{"name":"ブログ","endpoint":"blog","type":"list"},{"apiName":"設定","apiEndpoint":"settings","apiType":["OBJECT"]}]}"#;
        let apis = apis(body.as_bytes()).unwrap();
        assert_eq!(
            apis[0],
            ("blog".into(), "ブログ".into(), EndpointKind::List)
        );
        assert_eq!(
            apis[1],
            ("settings".into(), "設定".into(), EndpointKind::Object)
        );
    }

    #[test]
    fn json_that_is_not_about_what_was_asked_is_no_answer() {
        assert_eq!(
            body_of(br#"{"id":"a","x":1}"#, "a").unwrap().text,
            r#"{"id":"a","x":1}"#
        );
        assert_eq!(
            body_of(br#"{"id":"b"}"#, "a").unwrap_err(),
            "it is about `b`"
        );
        assert_eq!(body_of(b"{}", "a").unwrap_err(), "it has no `id`");
        assert!(body_object(b"{}").is_err() && schema(b"{}").is_err());
        assert!(body_object(br#"{"createdAt":null,"x":1}"#).is_ok());
        assert!(schema(br#"{"apiFields":[]}"#).is_ok());
    }

    #[test]
    fn what_is_not_json_is_named() {
        let said = |body: &[u8]| media_list(body).unwrap_err();
        assert_eq!(said(b""), "it is empty");
        assert_eq!(said(b"  <!doctype html>"), "it is an HTML page");
        assert_eq!(
            said(br#"{"media":[{"id":"#),
            "its JSON ends early, after 16 bytes"
        );
        assert!(
            said(br#"{"medium":[]}"#).starts_with("it is not the expected JSON: missing field")
        );
        let deep = format!(r#"{{"media":[{}"#, "[".repeat(200));
        assert!(said(deep.as_bytes()).contains("deeper"));
        assert_eq!(
            message(br#"{"message":"GET is\u0007 forbidden."}"#).unwrap(),
            "GET is forbidden."
        );
    }

    #[test]
    fn a_value_of_another_type_or_that_is_no_text_is_as_good_as_none() {
        let odd = r#"{"id":"m1","url":"\ud800","width":[1,{"a":2}],"updatedAt":7,"alt":"\udfff"}"#;
        let medium = read_medium(odd).unwrap();
        assert_eq!(
            (medium.url.as_str(), medium.width, medium.updated_at),
            ("", None, None)
        );
        let content = read_content(r#"{"id":"a","status":{"x":1},"draftKey":""}"#, None).unwrap();
        assert_eq!(
            (content.status, content.draft_key),
            (Status::Other(String::new()), None)
        );
    }

    #[test]
    fn only_the_id_and_the_status_of_what_is_listed_are_read_at_once() {
        let item = r#"{"id":"a","status":["DRAFT"],"updatedAt":1,"updatedAt":2}"#;
        let body = format!(r#"{{"contents":[{item}],"totalCount":1}}"#);
        let ContentsAnswer::Page { contents, .. } = contents_list(body.as_bytes(), "x").unwrap()
        else {
            panic!("an object")
        };
        assert_eq!(contents[0].status, Status::Draft);
        let why = read_content(&contents[0].metadata, None).unwrap_err();
        assert!(why.contains("duplicate field"), "{why}");
        let nameless = r#"{"contents":[{"status":["DRAFT"]}],"totalCount":1}"#;
        assert!(contents_list(nameless.as_bytes(), "x").is_err());
    }

    #[test]
    fn brackets_in_texts_do_not_count_as_depth() {
        let fits = |body: &str| nests_reasonably(body.as_bytes());
        assert!(fits(&format!(r#"{{"a":"{}\""}}"#, "[".repeat(500))));
        assert!(fits(&format!(r#"["\\","{}"]"#, "[".repeat(500))));
        assert!(!fits(&format!(r#"["\"",{}"#, "[".repeat(500))));
        assert!(fits(&format!(r#"["never closed {}"#, "[".repeat(500))));
        assert!(fits("\"\\") && fits(""));
    }
}
