//! What the asset hosts support, and the lies that they tell when asked to.

use serde::{Deserialize, Serialize};

/// What the asset hosts support (by default everything) and how they lie (by
/// default not at all). In JSON, what is left out has its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetOptions {
    /// Send `ETag`.
    pub etag: bool,
    /// Send `Last-Modified`.
    pub last_modified: bool,
    /// Honour `Range` and `If-Range`, and say so in `Accept-Ranges`.
    pub range: bool,
    /// Answer HEAD; otherwise 405.
    pub head: bool,
    /// Answer 304 to `If-None-Match` and `If-Modified-Since`.
    pub conditional: bool,
    /// Tell `Content-Length`; otherwise the body is chunked.
    pub content_length: bool,
    /// A lie: every conditional GET is answered 304, whatever it named.
    pub always_not_modified: bool,
    /// A lie: `ETag` and `Last-Modified` stay as they are when bytes are replaced
    /// from now on.
    pub frozen_validators: bool,
    /// No lie, but a trap: `ETag` is `W/"…"`, which `If-Range` never matches.
    pub weak_etags: bool,
    /// A lie: `Accept-Ranges: bytes`, but `Range` is answered with 200 and all bytes.
    pub ignores_ranges: bool,
    /// A lie: 206 with another part than was asked for.
    pub wrong_range: Option<WrongRange>,
    /// A lie: HEAD tells one byte more than GET sends.
    pub head_length_off: bool,
    /// A nuisance: bytes are stored with gzip and come as `Content-Encoding: gzip`,
    /// whatever the client accepts. Lengths and ranges are those of the packed
    /// bytes. They are packed in memory, so not for gigabytes.
    pub unasked_gzip: bool,
}

/// How a 206 is wrong. The part it sends has the asked length, but begins one byte
/// earlier, or later where nothing comes before it. Who asks for a whole file as a
/// range gets what they asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongRange {
    /// `Content-Range` tells which part it really is.
    Told,
    /// `Content-Range` claims that it is the part that was asked for.
    Hidden,
}

impl WrongRange {
    /// The part that is sent instead of `from..=to`.
    pub(crate) const fn shifted(from: u64, to: u64, total: u64) -> (u64, u64) {
        if from > 0 {
            (from - 1, to - 1)
        } else if to + 1 < total {
            (from + 1, to + 1)
        } else {
            (from, to)
        }
    }
}

impl Default for AssetOptions {
    fn default() -> Self {
        Self {
            etag: true,
            last_modified: true,
            range: true,
            head: true,
            conditional: true,
            content_length: true,
            always_not_modified: false,
            frozen_validators: false,
            weak_etags: false,
            ignores_ranges: false,
            wrong_range: None,
            head_length_off: false,
            unasked_gzip: false,
        }
    }
}
