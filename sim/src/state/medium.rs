//! One medium: what the list tells of it and what the asset hosts do.

use serde_json::{Map, Value, json};

use crate::bytes::ByteSource;
use crate::names::Layout;
use crate::times::iso;

/// One medium, complete.
#[derive(Debug, Clone)]
pub(crate) struct Medium {
    pub(crate) serial: u32,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) layout: Layout,
    /// Grows when a re-upload asks for a new URL.
    pub(crate) url_generation: u32,
    pub(crate) size: Dimensions,
    pub(crate) alt: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) bytes: ByteSource,
    /// When the bytes last changed: the asset host's `Last-Modified`.
    pub(crate) bytes_ms: i64,
    /// What a stale CDN still serves, and how often.
    pub(crate) stale: Option<Stale>,
    /// What a host with frozen validators goes on to tell.
    pub(crate) frozen: Option<Validators>,
    /// Listed, but the asset host answers 404.
    pub(crate) hidden: bool,
}

/// What a stale CDN serves for some further requests.
#[derive(Debug, Clone)]
pub(crate) struct Stale {
    pub(crate) source: ByteSource,
    pub(crate) validators: Validators,
    pub(crate) left: u32,
}

/// What an asset host tells about the version of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validators {
    /// The strong `ETag`, quotes included.
    pub(crate) etag: String,
    /// `Last-Modified`.
    pub(crate) modified_ms: i64,
}

/// Width and height as the list shows them; both are optional in the docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimensions {
    Known(u32, u32),
    Null,
    Absent,
}

impl Medium {
    pub(crate) fn validators(&self) -> Validators {
        self.frozen.clone().unwrap_or_else(|| Validators {
            etag: self.bytes.etag(),
            modified_ms: self.bytes_ms,
        })
    }

    pub(crate) const fn is_image(&self) -> bool {
        self.bytes.form().is_image()
    }

    /// Whether a host serves it. A picture in a file field is delivered from the file
    /// host, so only the image host is strict.
    pub(crate) const fn is_served_at(&self, is_image_host: bool) -> bool {
        (self.is_image() || !is_image_host) && !self.hidden
    }

    /// The list's JSON object. The old form (before 2026-04-08) has only id, url, width, height.
    pub(crate) fn listing(&self, bases: &Bases, old_form: bool) -> Value {
        let mut item = Map::new();
        item.insert("id".into(), self.id.clone().into());
        if !old_form {
            item.insert("createdAt".into(), iso(self.created_ms).into());
            item.insert("updatedAt".into(), iso(self.updated_ms).into());
        }
        item.insert("url".into(), self.url(bases).into());
        match self.size {
            Dimensions::Known(width, height) => {
                item.insert("width".into(), width.into());
                item.insert("height".into(), height.into());
            }
            Dimensions::Null => {
                item.insert("width".into(), Value::Null);
                item.insert("height".into(), Value::Null);
            }
            Dimensions::Absent => {}
        }
        if !old_form {
            if let Some(alt) = &self.alt {
                item.insert("alt".into(), alt.clone().into());
            }
            item.insert("tags".into(), json!(self.tags));
        }
        Value::Object(item)
    }

    pub(crate) fn url(&self, bases: &Bases) -> String {
        let base = if self.is_image() {
            &bases.images
        } else {
            &bases.files
        };
        format!("{base}{}", self.path)
    }
}

/// Scheme and host that URLs in listings start with.
#[derive(Debug, Clone)]
pub(crate) struct Bases {
    pub(crate) images: String,
    pub(crate) files: String,
}
