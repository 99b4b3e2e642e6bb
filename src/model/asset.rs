//! A medium's file: its row, its states, and the steps it can take.

use super::{MediaId, Timestamp};
use std::fmt;

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetState {
    /// Listed by the service, not saved yet (or due to be fetched again).
    Owed,
    /// In the mirror, whole, with the recorded digest.
    Saved,
    /// Tried in vain; tried again when its next attempt is due.
    Failed,
    /// Its medium was deleted upstream before the bytes could be saved, or the mirror lost them
    /// afterwards: nobody has them any more.
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
    pub recheck_at: Option<Timestamp>,
    /// How many such looks were already made for the current version.
    pub rechecks: u32,
    /// How long the owed bytes are, as the host said when it was asked for them last.
    pub announced_bytes: Option<u64>,
}

/// Why a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Never saved.
    New,
    /// `updatedAt` or the URL's path moved.
    Changed,
    /// Width or height moved: the bytes must have.
    Resized,
    /// Only the URL's host moved, as in the switch to a custom domain (microcms-facts 4.1).
    Moved,
    /// `alt` or `tags` moved and nothing else: a conditional request settles it.
    Described,
    /// The `alt` went away: a person took it, or a re-upload did (microcms-facts 4.3). A conditional
    /// request is enough for now, but a CDN may be stale.
    Stripped,
    /// `alt` or `tags` moved, and `updatedAt` with them, or the size is told for the first time or no more. A person's words may
    /// be all of it, or hide new bytes of the same hour. As for an `alt` that went away.
    Retouched,
    /// The file is missing from the mirror.
    Missing,
    /// The file's size is not the recorded one.
    Damaged,
    /// `updatedAt` moved but the bytes had not: a CDN may have been stale.
    Recheck,
    /// A person asked for everything to be revalidated.
    Asked,
    /// Its last check is as old as the configuration allows.
    Due,
}

impl Why {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Resized => "resized",
            Self::Moved => "moved",
            Self::Described => "described",
            Self::Stripped => "stripped",
            Self::Retouched => "retouched",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Recheck => "recheck",
            Self::Asked => "asked",
            Self::Due => "due",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::New,
            Self::Changed,
            Self::Resized,
            Self::Moved,
            Self::Described,
            Self::Stripped,
            Self::Retouched,
            Self::Missing,
            Self::Damaged,
            Self::Recheck,
            Self::Asked,
            Self::Due,
        ]
        .into_iter()
        .find(|why| why.as_str() == text)
    }

    /// Returns whether the host may answer "not modified": the saved file is whole, and the
    /// question is only whether upstream still has the same bytes.
    pub fn may_be_conditional(self) -> bool {
        match self {
            Self::Changed
            | Self::Resized
            | Self::Moved
            | Self::Described
            | Self::Stripped
            | Self::Retouched
            | Self::Recheck
            | Self::Asked
            | Self::Due => true,
            Self::New | Self::Missing | Self::Damaged => false,
        }
    }

    /// Returns whether only the mirror was in doubt. A file that is whole again, put back by a person or behind
    /// a volume that was not mounted, is wanted no more, unless its medium changed meanwhile.
    pub fn is_about_the_mirror(self) -> bool {
        matches!(self, Self::Missing | Self::Damaged)
    }

    /// Returns the stronger of two reasons: the one that leaves less to trust. A file that is owed for
    /// one stays owed for it when a weaker one comes along.
    #[must_use]
    pub fn stronger(self, other: Self) -> Self {
        if other.strength() > self.strength() {
            other
        } else {
            self
        }
    }

    fn strength(self) -> u8 {
        match self {
            Self::Moved => 0,
            Self::Described => 1,
            Self::Recheck | Self::Asked | Self::Due => 2,
            Self::Stripped | Self::Retouched => 3,
            Self::Changed => 4,
            Self::Resized => 5,
            Self::New | Self::Missing | Self::Damaged => 6,
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

/// A file to fetch: its row joined with its medium.
#[derive(Clone, Debug, PartialEq)]
pub struct OwedAsset {
    /// The number of its row: in their order files are asked for.
    pub number: i64,
    /// The medium.
    pub media_id: MediaId,
    /// Where the bytes are now. The row's own `url` is where the saved version came from.
    pub listed_url: String,
    /// Whether the service lists a width and a height: it takes the file for an image.
    pub has_dimensions: bool,
    /// Whether the service lists an `updatedAt`; its older form has none, and a re-upload then goes
    /// unnoticed until the file is asked for.
    pub has_updated_at: bool,
    /// Name for people.
    pub file_name: String,
    /// The file's row. Its `why` says why it is listed here, [`Why::Recheck`] for a saved file that
    /// is due for a second look.
    pub row: AssetRow,
    /// Whether the medium is listed as it was when its host told about the file last. Both times are this
    /// machine's own; a last check in the future counts for nothing.
    pub is_as_checked: bool,
    /// When it was asked for last. Goes back with the outcome, so that bytes that a change of the
    /// medium overtook are not taken for the newer ones.
    pub owed_at: Option<Timestamp>,
}

/// The beginning of a file that was cut off, kept on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialFile {
    /// The medium.
    pub media_id: MediaId,
    /// The URL it came from, as listed.
    pub url: String,
    /// Which version it is of: a strong `ETag` or a `Last-Modified`, verbatim.
    pub validator: String,
    /// How many bytes are kept.
    pub bytes: u64,
    /// Their SHA-256, hex.
    pub sha256: String,
    /// The length of the whole, where the host told it.
    pub total: Option<u64>,
    /// When it was kept. A medium that changed later is another file.
    pub kept_at: Timestamp,
}

/// What came of asking for one file.
#[derive(Clone, Debug, PartialEq)]
pub enum AssetOutcome {
    /// Its bytes are in the mirror, whole and flushed.
    Saved {
        /// The medium.
        media_id: MediaId,
        /// As in the [`OwedAsset`] that this answers.
        owed_at: Option<Timestamp>,
        /// Where the bytes came from.
        url: String,
        /// Relative to the mirror.
        path: String,
        /// Their length.
        bytes: u64,
        /// Their digest, hex.
        sha256: String,
        /// As the host said.
        content_type: Option<String>,
        /// As the host said, verbatim.
        etag: Option<String>,
        /// As the host said, verbatim.
        last_modified: Option<String>,
        /// When to look once more.
        recheck_at: Option<Timestamp>,
        /// How many such looks were made for these bytes.
        rechecks: u32,
    },
    /// The saved bytes still hold.
    Unchanged {
        /// The medium.
        media_id: MediaId,
        /// As in the [`OwedAsset`] that this answers.
        owed_at: Option<Timestamp>,
        /// As the host said; `None` keeps what is recorded.
        etag: Option<String>,
        /// As the host said; `None` keeps what is recorded.
        last_modified: Option<String>,
        /// Whether that is news about what the host has, and not about the mirror alone.
        is_checked: bool,
        /// When to look once more.
        recheck_at: Option<Timestamp>,
        /// How many such looks were made for these bytes.
        rechecks: u32,
    },
    /// The saved bytes now have another URL, and with it another path. Nothing was fetched.
    Moved {
        /// The medium.
        media_id: MediaId,
        /// As in the [`OwedAsset`] that this answers.
        owed_at: Option<Timestamp>,
        /// Where the bytes are listed now.
        url: String,
        /// Relative to the mirror.
        path: String,
        /// Whether the host was asked, and said that the bytes still hold.
        is_checked: bool,
        /// When to look once more.
        recheck_at: Option<Timestamp>,
        /// How many such looks were made for these bytes.
        rechecks: u32,
    },
    /// It was not fetched because the month's budget has no room for it. It stays owed.
    Withheld {
        /// The medium.
        media_id: MediaId,
        /// As in the [`OwedAsset`] that this answers.
        owed_at: Option<Timestamp>,
        /// Whether its bytes are missing; `false`: only another look at a saved file was put off.
        is_owed: bool,
        /// Its length, where the host told it.
        announced_bytes: Option<u64>,
    },
    /// It could not be had this time. An older version that is saved stays saved.
    Failed {
        /// The medium.
        media_id: MediaId,
        /// As in the [`OwedAsset`] that this answers.
        owed_at: Option<Timestamp>,
        /// What was asked for; recorded where the row has no reason of its own.
        why: Why,
        /// What happened.
        error: String,
        /// Whether it was the file's own attempt: `false` where nobody was asked, or where the trouble
        /// is this machine's.
        is_attempt: bool,
        /// Whether the file stays owed as it was: it was this machine's disk that had no room.
        stays_owed: bool,
        /// Not before this; `None`: by the next run.
        next_attempt_at: Option<Timestamp>,
        /// Its length, where the host told it.
        announced_bytes: Option<u64>,
    },
}

impl AssetOutcome {
    /// Returns the medium that this is about.
    pub fn media_id(&self) -> &MediaId {
        match self {
            Self::Saved { media_id, .. }
            | Self::Unchanged { media_id, .. }
            | Self::Moved { media_id, .. }
            | Self::Withheld { media_id, .. }
            | Self::Failed { media_id, .. } => media_id,
        }
    }
}
