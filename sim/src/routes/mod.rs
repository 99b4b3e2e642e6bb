//! The hosts and their routes: what a request asks for, and the answer.

pub(crate) mod admin;
pub(crate) mod asset_options;
pub(crate) mod assets;
pub(crate) mod content;
pub(crate) mod management;

use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::payload::Payload;
use crate::query::Query;

/// A host of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Site {
    Management,
    Content,
    Images,
    Files,
    /// The image host of a custom domain, in use once an edit switched to it.
    CustomImages,
    /// The file host of a custom domain.
    CustomFiles,
    /// A host that has nothing to do with the service; redirects lead here.
    Foreign,
    Admin,
    /// One listener for all: the `Host` header decides.
    ByHost,
}

/// The custom image host in host mode.
pub(crate) const CUSTOM_IMAGE_HOST: &str = "images.custom.example";
/// The custom file host in host mode.
pub(crate) const CUSTOM_FILE_HOST: &str = "files.custom.example";

impl Site {
    /// The site that a `Host` header names.
    pub(crate) fn of_host(host: &str, service_id: &str) -> Self {
        let host = host
            .rsplit_once(':')
            .map_or(host, |(name, _)| name)
            .to_ascii_lowercase();
        match host.as_str() {
            "images.microcms-assets.io" => Self::Images,
            "files.microcms-assets.io" => Self::Files,
            CUSTOM_IMAGE_HOST => Self::CustomImages,
            CUSTOM_FILE_HOST => Self::CustomFiles,
            _ if host == format!("{service_id}.microcms-management.io") => Self::Management,
            _ if host == format!("{service_id}.microcms.io") => Self::Content,
            _ => Self::Foreign,
        }
    }
}

/// A route, as faults, edits and counters name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// `GET /api/v1/service` (Management)
    Service,
    /// `GET /api/v1/apis` (Management)
    Apis,
    /// `GET /api/v1/apis/{endpoint}` (Management)
    Schema,
    /// `GET /api/v1/contents/{endpoint}` (Management)
    MetadataList,
    /// `GET /api/v1/contents/{endpoint}/{id}` (Management)
    Metadata,
    /// `GET /api/v2/media` (Management)
    Media,
    /// `GET /api/v1/media` (Management, legacy)
    MediaV1,
    /// `GET /api/v1/{endpoint}` (Content), object APIs too
    ContentList,
    /// `GET /api/v1/{endpoint}/{id}` (Content)
    Content,
    /// The image host, also that of the custom domain.
    Image,
    /// The file host, also that of the custom domain.
    File,
    /// A host that is not the service's.
    Foreign,
    /// Anything else at the two APIs.
    Unknown,
}

impl Route {
    /// The route of a path at a site.
    pub(crate) fn of(site: Site, path: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (site, parts.as_slice()) {
            (Site::Images | Site::CustomImages, _) => Self::Image,
            (Site::Files | Site::CustomFiles, _) => Self::File,
            (Site::Foreign | Site::ByHost | Site::Admin, _) => Self::Foreign,
            (Site::Management, ["api", "v1", "service"]) => Self::Service,
            (Site::Management, ["api", "v1", "apis"]) => Self::Apis,
            (Site::Management, ["api", "v1", "apis", _]) => Self::Schema,
            (Site::Management, ["api", "v1", "contents", _]) => Self::MetadataList,
            (Site::Management, ["api", "v1", "contents", _, _]) => Self::Metadata,
            (Site::Management, ["api", "v2", "media"]) => Self::Media,
            (Site::Management, ["api", "v1", "media"]) => Self::MediaV1,
            (Site::Content, ["api", "v1", _]) => Self::ContentList,
            (Site::Content, ["api", "v1", _, _]) => Self::Content,
            (Site::Management | Site::Content, _) => Self::Unknown,
        }
    }
}

/// What a route needs to know of a request.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) site: Site,
    pub(crate) route: Route,
    pub(crate) method: String,
    /// Percent-encoded, without the query.
    pub(crate) path: String,
    /// As it stood in the request.
    pub(crate) path_and_query: String,
    pub(crate) query: Query,
    pub(crate) key: Option<String>,
    pub(crate) client: IpAddr,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_modified_since: Option<String>,
}

impl Ask {
    /// Whether it asks for the bytes only if they changed.
    pub(crate) const fn is_conditional(&self) -> bool {
        self.if_none_match.is_some() || self.if_modified_since.is_some()
    }

    /// The n-th segment of the path after `/api/v1/`, decoded.
    pub(crate) fn segment(&self, n: usize) -> String {
        let segment = self
            .path
            .trim_matches('/')
            .split('/')
            .nth(n + 2)
            .unwrap_or("");
        percent_encoding::percent_decode_str(segment)
            .decode_utf8_lossy()
            .into_owned()
    }
}

/// An answer before faults.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Headers that a fault asked for.
    pub(crate) extra: Vec<(String, String)>,
    pub(crate) body: Payload,
    /// For HEAD and for hosts that tell no length: what `Content-Length` says.
    pub(crate) length: Length,
    /// May be compressed.
    pub(crate) is_json: bool,
}

/// What the head tells about the body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// The body's.
    Exact,
    /// This one, though no body follows (HEAD).
    Told(u64),
    /// Nothing: chunked.
    Untold,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json; charset=utf-8".into())],
            extra: Vec::new(),
            body: Bytes::from(body.to_string()).into(),
            length: Length::Exact,
            is_json: true,
        }
    }

    /// The one shape of errors: `{"message": "…"}`.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    /// An error without a message, as the docs list some.
    pub(crate) fn silent(status: u16) -> Self {
        Self::json(status, &json!({}))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Refuses an answer over the limit, as both APIs do at about 5 MB.
    pub(crate) fn within(self, max_bytes: usize) -> Self {
        if self.body.len() > max_bytes as u64 {
            return Self::error(
                400,
                "Response body size is too long. Check your url parameters.",
            );
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_decide_the_route() {
        assert_eq!(Site::of_host("demo.microcms.io:443", "demo"), Site::Content);
        assert_eq!(
            Site::of_host("Demo.microcms-management.io", "demo"),
            Site::Management
        );
        assert_eq!(Site::of_host("other.microcms.io", "demo"), Site::Foreign);
        assert_eq!(Route::of(Site::Management, "/api/v2/media"), Route::Media);
        assert_eq!(
            Route::of(Site::Management, "/api/v1/contents/blog/a"),
            Route::Metadata
        );
        assert_eq!(Route::of(Site::Content, "/api/v1/blog"), Route::ContentList);
        assert_eq!(Route::of(Site::Content, "/api/v2/media"), Route::Unknown);
    }
}
