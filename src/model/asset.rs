//! A medium's file: its row, its states, and the steps it can take.

use super::MediaId;
use std::fmt;

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetState {
    /// Listed by the service, not saved yet (or due to be fetched again).
    Owed,
    /// In the mirror, whole, with the recorded digest.
    Saved,
    /// Tried in vain; tried again by the next run.
    Failed,
    /// Its medium was deleted upstream before the bytes could be saved.
    Gone,
}

impl AssetState {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Saved => "saved",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Owed, Self::Saved, Self::Failed, Self::Gone]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// The row of one file. `url`, `path`, `bytes` and `sha256` describe the version that was saved
/// last; while nothing was saved yet, `url` is the listed one and the rest is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetRow {
    /// The medium it belongs to.
    pub media_id: MediaId,
    /// The URL the saved bytes came from.
    pub url: String,
    /// Relative to the mirror; `None` until saved once.
    pub path: Option<String>,
    /// Length of the saved bytes.
    pub bytes: Option<u64>,
    /// Digest of the saved bytes, hex.
    pub sha256: Option<String>,
    /// As the asset host said.
    pub content_type: Option<String>,
    /// As the asset host said, verbatim.
    pub etag: Option<String>,
    /// As the asset host said, verbatim.
    pub last_modified: Option<String>,
    /// Where the file stands.
    pub state: AssetState,
    /// Why it is owed, the word of [`Why`]; `None` when saved.
    pub why: Option<Why>,
    /// Failed attempts since it was saved last.
    pub attempts: u32,
    /// When to look once more although nothing in the listing moved (a CDN may have been stale).
    pub recheck_at: Option<super::Timestamp>,
    /// How many such looks were already made for the current version.
    pub rechecks: u32,
}

/// Why a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Never saved.
    New,
    /// `updatedAt`, URL or dimensions moved.
    Changed,
    /// Only `alt` or `tags` moved: a conditional request settles it.
    Described,
    /// The file is missing from the mirror.
    Missing,
    /// The file's size is not the recorded one.
    Damaged,
    /// `updatedAt` moved but the bytes had not: a CDN may have been stale.
    Recheck,
    /// A person asked for everything to be revalidated.
    Asked,
}

impl Why {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Described => "described",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Recheck => "recheck",
            Self::Asked => "asked",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::New,
            Self::Changed,
            Self::Described,
            Self::Missing,
            Self::Damaged,
            Self::Recheck,
            Self::Asked,
        ]
        .into_iter()
        .find(|why| why.as_str() == text)
    }

    /// Returns whether the host may answer "not modified": the saved file is whole, and the
    /// question is only whether upstream still has the same bytes.
    pub fn may_be_conditional(self) -> bool {
        match self {
            Self::Changed | Self::Described | Self::Recheck | Self::Asked => true,
            Self::New | Self::Missing | Self::Damaged => false,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The steps of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetStep {
    /// What is saved stays as it is.
    Keep,
    /// Fetch it (or ask conditionally); until then the row says `owed`.
    Fetch(Why),
}
