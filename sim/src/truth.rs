//! What the service really holds, for tests to compare a backup with.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use serde_json::value::Value;
use sha2::{Digest, Sha256};

use crate::bytes::ByteSource;
use crate::state::World;
use crate::state::contents::{ApiKind, Status, Viewer};
use crate::state::schema::schema_json;

/// A snapshot of everything that a complete backup has. It does not change
/// when the service is edited later.
#[derive(Debug, Clone, Serialize)]
pub struct Truth {
    /// The service's name.
    pub service_name: String,
    /// Every medium, in the list's order.
    pub media: Vec<TruthMedium>,
    /// Every API, in the list's order.
    pub endpoints: Vec<TruthEndpoint>,
    /// Every content of every API, in the APIs' order.
    pub contents: Vec<TruthContent>,
}

/// One medium.
#[derive(Debug, Clone)]
pub struct TruthMedium {
    /// The id.
    pub id: String,
    /// The URL.
    pub url: String,
    /// The file name, not percent-encoded.
    pub name: String,
    /// The JSON object of the media list, as served.
    pub listing: String,
    /// The length of the file in bytes.
    pub size: u64,
    /// What the asset host sends as `Content-Type`.
    pub content_type: &'static str,
    source: ByteSource,
}

/// How many bytes a digest takes at once.
const DIGESTED: usize = 1024 * 1024;

impl TruthMedium {
    /// The bytes that its URL serves (made anew at each call, so that a million media stay small).
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.source.bytes()
    }

    /// A part of the bytes, for files that are too large to hold.
    #[must_use]
    pub fn part(&self, part: Range<u64>) -> Bytes {
        self.source.reader().read(part)
    }

    /// The SHA-256 of the bytes, in lower-case hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> String {
        let (reader, mut digest) = (self.source.reader(), Sha256::new());
        for start in (0..self.size).step_by(DIGESTED) {
            let end = (start + DIGESTED as u64).min(self.size);
            digest.update(reader.read(start..end));
        }
        hex::encode(digest.finalize())
    }
}

impl Serialize for TruthMedium {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut out = to.serialize_struct("TruthMedium", 6)?;
        out.serialize_field("id", &self.id)?;
        out.serialize_field("url", &self.url)?;
        out.serialize_field("name", &self.name)?;
        out.serialize_field("listing", &self.listing)?;
        out.serialize_field("size", &self.size)?;
        out.serialize_field("sha256", &self.sha256())?;
        out.end()
    }
}

/// One API.
#[derive(Debug, Clone, Serialize)]
pub struct TruthEndpoint {
    /// The endpoint.
    pub endpoint: String,
    /// The display name.
    pub name: String,
    /// List or object.
    pub kind: ApiKind,
    /// The schema's JSON, as served.
    pub schema: String,
}

/// One content.
#[derive(Debug, Clone, Serialize)]
pub struct TruthContent {
    /// The API.
    pub endpoint: String,
    /// The id (object APIs: the metadata's).
    pub id: String,
    /// The state.
    pub status: Status,
    /// The draft key, for DRAFT and `PUBLISH_AND_DRAFT`.
    pub draft_key: Option<String>,
    /// The metadata's JSON object, as served by the Management API.
    pub metadata: String,
    /// The published body's JSON, as the Content API serves it with `depth=0` to
    /// the main key (also of a CLOSED content). Object APIs: without an id.
    pub published: Option<String>,
    /// The draft body's JSON, as served for the draft key with `depth=0`.
    pub draft: Option<String>,
}

impl Truth {
    /// The medium with this id.
    #[must_use]
    pub fn medium(&self, id: &str) -> Option<&TruthMedium> {
        self.media.iter().find(|medium| medium.id == id)
    }

    /// The content with this id.
    #[must_use]
    pub fn content(&self, endpoint: &str, id: &str) -> Option<&TruthContent> {
        self.contents
            .iter()
            .find(|content| content.endpoint == endpoint && content.id == id)
    }

    /// The contents of one API, in the admin screen's order.
    pub fn contents_of<'a>(&'a self, endpoint: &'a str) -> impl Iterator<Item = &'a TruthContent> {
        self.contents
            .iter()
            .filter(move |content| content.endpoint == endpoint)
    }
}

impl World {
    /// Everything, as it is now.
    pub(crate) fn truth(&self) -> Truth {
        let media = self.media.iter().map(|medium| {
            let source = self.media.bytes_at_url_of(&medium);
            TruthMedium {
                listing: medium.listing(&self.bases, self.old_media_form).to_string(),
                url: medium.url(&self.bases),
                size: source.len(),
                content_type: source.form().content_type(),
                id: medium.id,
                name: medium.name,
                source,
            }
        });
        let endpoints = self.apis.iter().map(|api| TruthEndpoint {
            endpoint: api.endpoint.clone(),
            name: api.name.clone(),
            kind: api.kind,
            schema: schema_json(&api.fields, self.schema_format).to_string(),
        });
        Truth {
            service_name: self.service_name.clone(),
            media: media.collect(),
            endpoints: endpoints.collect(),
            contents: self
                .apis
                .iter()
                .flat_map(|api| self.truth_of(api))
                .collect(),
        }
    }

    fn truth_of<'a>(
        &'a self,
        api: &'a crate::state::contents::Api,
    ) -> impl Iterator<Item = TruthContent> + 'a {
        let rights = self
            .keys
            .first()
            .map(|key| key.content_rights(&api.endpoint));
        // The right to all drafts would hide published bodies; relations are what it decides here.
        let (all_drafts, all_closed) =
            rights.map_or((false, false), |r| (r.all_drafts, r.all_closed));
        api.contents().iter().map(move |content| {
            let plain = Viewer {
                all_drafts,
                all_closed,
                draft_key: None,
            };
            let keyed = Viewer {
                draft_key: content.draft_key.as_deref(),
                ..plain
            };
            let render = |body, viewer| -> Value { self.render(api, content, body, viewer, 0) };
            TruthContent {
                endpoint: api.endpoint.clone(),
                id: content.id.clone(),
                status: content.status,
                draft_key: content.draft_key.clone(),
                metadata: content.metadata().to_string(),
                published: content
                    .published
                    .as_ref()
                    .map(|body| render(body, plain).to_string()),
                draft: content
                    .draft
                    .as_ref()
                    .map(|body| render(body, keyed).to_string()),
            }
        })
    }
}
