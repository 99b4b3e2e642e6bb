//! What the store answers, where the answer is more than a row.

use crate::model::{ContentId, Endpoint, MediaId};

/// What recording one page changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Rows that were not known.
    pub new: u64,
    /// Rows that got a new version.
    pub changed: u64,
    /// Rows that had been marked as deleted.
    pub returned: u64,
}

/// Which live rows a listing lacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent<Id> {
    /// All rows that are not marked as deleted, the missing ones included.
    pub live: u64,
    /// Those that were not seen, in the order of their ids.
    pub missing: Vec<Id>,
}

impl<Id> Absent<Id> {
    /// Where none of so many is missing.
    pub(super) fn none_of(live: u64) -> Self {
        Self {
            live,
            missing: Vec::new(),
        }
    }
}

/// Bodies that are listed but not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyTotals {
    /// All of them, the refused ones included.
    pub owed: u64,
    /// Those that the key may not read.
    pub refused: u64,
}

/// The bodies that one API owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyProblem {
    /// The API.
    pub endpoint: Endpoint,
    /// All of them, the refused ones included.
    pub owed: u64,
    /// Those that the key may not read.
    pub refused: u64,
    /// What happened to one of them, a refused one if there is any.
    pub example_error: Option<String>,
}

/// Where the files stand, over all media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetTotals {
    /// Files in the mirror, those of deleted media and those whose replacement is owed included.
    pub held: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// Files listed and not saved in their listed form yet; failed ones not included.
    pub owed: u64,
    /// Files whose last attempt failed.
    pub failed: u64,
    /// Of those, the ones whose next attempt is not due yet.
    pub waiting: u64,
    /// Bytes of the owed files, as far as their hosts have told.
    pub owed_bytes: u64,
    /// Saved files of deleted media that the mirror lost since, and that nobody accepted as lost.
    pub lost: u64,
}

/// A file that the mirror should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFile {
    /// Relative to the mirror.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

/// A file that the mirror must hold, or that it lost while nobody has it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedAsset {
    /// The number of its row, which it keeps.
    pub row: i64,
    /// The medium.
    pub media_id: MediaId,
    /// Relative to the mirror.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// The digest of its bytes, hex, where they are gone.
    pub gone: Option<String>,
}

/// A content with what was recorded of both its sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoBodies {
    /// The content.
    pub id: ContentId,
    /// What is published.
    pub published: String,
    /// Its draft.
    pub draft: String,
}

/// A body as it was recorded, with what the listing said of its content then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HadBody {
    /// The JSON text, verbatim.
    pub text: String,
    /// The listing's `updatedAt`.
    pub updated_at: Option<String>,
    /// The listing's `revisedAt`.
    pub revised_at: Option<String>,
    /// The listing's `publishedAt`.
    pub published_at: Option<String>,
}
