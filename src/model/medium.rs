//! A medium as the service lists it and as the database knows it.

use super::{AssetRow, AssetStep, MediaId};

/// One medium of the media listing.
///
/// `metadata` is the service's JSON text of this item, unchanged. The fields beside it are what
/// decisions need; the database generates its own columns from the text.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedMedium {
    /// Identity of the medium; its URL is an attribute.
    pub id: MediaId,
    /// Where the bytes are, as listed.
    pub url: String,
    /// Name for people: the URL's last segment, decoded.
    pub file_name: String,
    /// Pixels; absent for what is not an image (microcms-facts 1.3).
    pub width: Option<i64>,
    /// Pixels; absent for what is not an image.
    pub height: Option<i64>,
    /// As listed; absent in the listing's older form.
    pub updated_at: Option<String>,
    /// The JSON texts of `alt` and `tags`: what an editor writes about a medium without touching its bytes.
    pub description: String,
    /// The item's JSON text, verbatim.
    pub metadata: String,
}

/// One medium of the media listing, of which only the id has been read: enough where the database holds
/// the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedMedium {
    /// Identity of the medium.
    pub id: MediaId,
    /// The item's JSON text, verbatim.
    pub metadata: String,
}

/// What the database knows of one medium.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownMedium {
    /// The JSON text recorded last.
    pub metadata: String,
    /// Whether the row is a tombstone.
    pub is_deleted: bool,
    /// The row of its file, if there is one.
    pub asset: Option<AssetRow>,
}

/// What to do about one listed medium.
#[derive(Clone, Debug, PartialEq)]
pub enum MediumStep {
    /// Nothing changed: nothing is written.
    Keep,
    /// The row is new, changed or came back: write it.
    Record {
        /// The medium to write.
        medium: ListedMedium,
        /// What to do about its file.
        asset: AssetStep,
    },
    /// The row is as it was, but its file needs work (lost, damaged, due for a second look).
    Asset {
        /// The medium whose file it is.
        id: MediaId,
        /// What to do about the file.
        asset: AssetStep,
    },
}
