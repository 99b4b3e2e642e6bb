//! What the Management API says of the APIs.

use super::{OneOrMany, cannot_be_read, lenient, parse};
use crate::model::{Endpoint, EndpointKind, brief};
use serde::Deserialize;
use serde_json::value::RawValue;

// `null` is no list, as little as one that is not there: else a first backup of nothing would be called whole.
#[derive(Deserialize)]
struct Apis<'a> {
    #[serde(borrow)]
    apis: Vec<&'a RawValue>,
}

// Older answers used other names (microcms-facts 1.6). An answer that uses both is read by the newer ones.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiItem {
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    api_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    endpoint: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    api_endpoint: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    kind: Option<OneOrMany>,
    #[serde(default, deserialize_with = "lenient")]
    api_type: Option<OneOrMany>,
}

/// One entry of the list of APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiEntry {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: String,
    /// What the service calls its type, where that is none of those that are known.
    pub(crate) kind: Result<EndpointKind, String>,
}

/// Reads the list of APIs, each by itself: `Err` says why one cannot be used.
pub(crate) fn apis(body: &[u8]) -> Result<Vec<Result<ApiEntry, String>>, String> {
    let list: Apis<'_> = parse(body)?;
    Ok(list.apis.iter().map(|raw| read_api(raw.get())).collect())
}

fn read_api(text: &str) -> Result<ApiEntry, String> {
    let item: ApiItem = serde_json::from_str(text).map_err(|err| cannot_be_read(&err))?;
    let endpoint = item.endpoint.or(item.api_endpoint);
    let endpoint = endpoint.ok_or("it has no `endpoint` that is text")?;
    let endpoint = Endpoint::parse(&endpoint).map_err(|err| err.to_string())?;
    let kind = item.kind.or(item.api_type);
    let kind = kind.as_ref().map_or("", OneOrMany::first);
    Ok(ApiEntry {
        name: item
            .name
            .or(item.api_name)
            .unwrap_or_else(|| endpoint.to_string()),
        kind: EndpointKind::parse(&kind.to_ascii_lowercase()).ok_or_else(|| brief(kind)),
        endpoint,
    })
}
