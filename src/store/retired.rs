//! Files of media that were deleted upstream: what their rows say of them.

use super::assets::saved_asset;
use super::values::json_array;
use super::{SavedAsset, Store, StoreError};
use crate::model::MediaId;
use rusqlite::named_params;

/// Where the file of a deleted medium should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredFile {
    /// The medium.
    pub media_id: MediaId,
    /// Where the service listed it last.
    pub listed_url: String,
    /// Relative to the mirror.
    pub path: String,
    /// Its digest, hex.
    pub sha256: String,
}

impl Store {
    /// Returns those of the files that the mirror must hold.
    pub fn saved_assets_of(&self, ids: &[MediaId]) -> Result<Vec<SavedAsset>, StoreError> {
        self.read("read which of some files are saved", |conn| {
            conn.prepare_cached(
                "SELECT a.rowid, a.media_id, a.path, a.bytes, NULL
                 FROM json_each(:ids) AS wanted CROSS JOIN assets AS a ON a.media_id = wanted.value
                 WHERE a.state = 'saved'",
            )?
            .query_map(
                named_params! { ":ids": json_array(ids.iter().map(MediaId::as_str)) },
                saved_asset,
            )?
            .collect()
        })
    }

    /// Returns those of the files that are saved and whose media were deleted upstream.
    pub fn retired_files(&self, ids: &[MediaId]) -> Result<Vec<RetiredFile>, StoreError> {
        self.read("read which of some files nobody else has", |conn| {
            conn.prepare_cached(
                "SELECT a.media_id, coalesce(m.url, a.url), a.path, a.sha256
                 FROM json_each(:ids) AS wanted CROSS JOIN assets AS a ON a.media_id = wanted.value
                     CROSS JOIN media AS m ON m.id = a.media_id
                 WHERE a.state = 'saved' AND m.deleted_at IS NOT NULL",
            )?
            .query_map(
                named_params! { ":ids": json_array(ids.iter().map(MediaId::as_str)) },
                |row| {
                    Ok(RetiredFile {
                        media_id: row.get(0)?,
                        listed_url: row.get(1)?,
                        path: row.get(2)?,
                        sha256: row.get(3)?,
                    })
                },
            )?
            .collect()
        })
    }
}
