//! Which bytes the files must have.

use crate::store::values::int;
use crate::store::{Store, StoreError};
use rusqlite::{OptionalExtension, Row, named_params};

/// A file that the mirror must hold, as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFile {
    /// The medium.
    pub media_id: String,
    /// Its path below the mirror.
    pub path: String,
    /// Its digest, hex.
    pub sha256: String,
}

fn saved_file(row: &Row<'_>) -> rusqlite::Result<SavedFile> {
    Ok(SavedFile {
        media_id: row.get(0)?,
        path: row.get(1)?,
        sha256: row.get(2)?,
    })
}

impl Store {
    /// Returns up to `limit` files that the mirror must hold, in the order of their media's ids, from
    /// behind `after`. As texts: a row that somebody edited is looked at like any other.
    pub fn saved_files(&self, after: &str, limit: usize) -> Result<Vec<SavedFile>, StoreError> {
        self.read("read which files are saved", |conn| {
            conn.prepare_cached(
                "SELECT media_id, ifnull(path, ''), ifnull(sha256, '') FROM assets
                 WHERE media_id > :after AND state = 'saved' ORDER BY media_id LIMIT :limit",
            )?
            .query_map(
                named_params! { ":after": after, ":limit": int(limit as u64) },
                saved_file,
            )?
            .collect()
        })
    }

    /// Returns a medium's file, if the mirror must hold it.
    pub fn saved_file(&self, media_id: &str) -> Result<Option<SavedFile>, StoreError> {
        self.read("read which files are saved", |conn| {
            conn.prepare_cached(
                "SELECT media_id, ifnull(path, ''), ifnull(sha256, '') FROM assets
                 WHERE media_id = :id AND state = 'saved'",
            )?
            .query_row(named_params! { ":id": media_id }, saved_file)
            .optional()
        })
    }

    /// Returns up to `limit` digests of earlier versions of files, in their order, from behind `after`.
    pub fn superseded_digests(&self, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        self.read("read which bytes are archived", |conn| {
            conn.prepare_cached(
                "SELECT DISTINCT sha256 FROM assets_history
                 WHERE sha256 > :after ORDER BY sha256 LIMIT :limit",
            )?
            .query_map(
                named_params! { ":after": after, ":limit": int(limit as u64) },
                |row| row.get(0),
            )?
            .collect()
        })
    }

    /// Returns whether bytes must be in the archive: an earlier version has them, and no current file does.
    pub fn needs_archived(&self, sha256: &str) -> Result<bool, StoreError> {
        self.read("read which bytes are archived", |conn| {
            conn.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM assets_history WHERE sha256 = :sha256)
                     AND NOT EXISTS (SELECT 1 FROM assets WHERE sha256 = :sha256 AND sha256 IS NOT NULL)",
            )?
            .query_row(named_params! { ":sha256": sha256 }, |row| row.get(0))
        })
    }
}
