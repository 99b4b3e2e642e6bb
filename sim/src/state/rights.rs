//! Keys and what they may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The Management API's permissions of a key (facts sheet 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementRights {
    /// コンテンツの取得: metadata of contents.
    pub contents: bool,
    /// メディアの取得: the media list.
    pub media: bool,
    /// API情報の取得: the list of APIs and their schemas.
    pub apis: bool,
    /// サービス情報の取得: the service's name.
    pub service: bool,
}

impl ManagementRights {
    /// Everything that a backup reads.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            contents: true,
            media: true,
            apis: true,
            service: true,
        }
    }

    /// Nothing: every request is refused with 403.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            contents: false,
            media: false,
            apis: false,
            service: false,
        }
    }
}

/// The Content API's permissions of a key, as default or for one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentRights {
    /// GET at all; without it the answer is 400 `GET is forbidden.`
    pub get: bool,
    /// 下書きコンテンツの全取得: drafts are shown, and hide the published body behind them.
    pub all_drafts: bool,
    /// 公開終了コンテンツの全取得: closed contents are shown.
    pub all_closed: bool,
}

impl ContentRights {
    /// What a backup's key should have: GET and all closed contents, but not all
    /// drafts, because that right hides published bodies.
    #[must_use]
    pub const fn backup() -> Self {
        Self {
            get: true,
            all_drafts: false,
            all_closed: true,
        }
    }

    /// A plain key: published contents only.
    #[must_use]
    pub const fn published_only() -> Self {
        Self {
            get: true,
            all_drafts: false,
            all_closed: false,
        }
    }

    /// Everything, drafts included.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            get: true,
            all_drafts: true,
            all_closed: true,
        }
    }

    /// Nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            get: false,
            all_drafts: false,
            all_closed: false,
        }
    }
}

/// One API key.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) management: ManagementRights,
    pub(crate) content: ContentRights,
    pub(crate) per_endpoint: BTreeMap<String, ContentRights>,
}

impl Key {
    pub(crate) fn content_rights(&self, endpoint: &str) -> ContentRights {
        self.per_endpoint
            .get(endpoint)
            .copied()
            .unwrap_or(self.content)
    }
}
