//! Files that were put aside because another medium had the path of their URL, and who has that path.

use super::assets::owe;
use super::plain::is_at;
use super::values::{int, later};
use super::{Store, StoreError};
use crate::model::{MediaId, Timestamp, Why};
use rusqlite::named_params;

/// A saved file of a live medium that may lie elsewhere than where its URL leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsideAsset {
    /// The number of its row, which it keeps.
    pub row: i64,
    /// The medium.
    pub media_id: MediaId,
    /// Where the saved bytes came from, and where the service lists them.
    pub url: String,
    /// Relative to the mirror.
    pub path: String,
    /// Its digest, hex.
    pub sha256: String,
}

/// A medium whose row has a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathHolder {
    /// The medium.
    pub media_id: MediaId,
    /// Where the service lists it, or did last.
    pub listed_url: String,
    /// Whether it was deleted upstream.
    pub is_deleted: bool,
    /// Digest of its saved bytes, hex.
    pub sha256: Option<String>,
}

impl Store {
    /// Returns up to `limit` saved files of live media that lie in a folder for what has no place of its
    /// own, in the order of their rows' numbers, from behind `after`. Those whose URL moved are not among
    /// them: they get another place anyway.
    pub fn assets_aside(&self, after: i64, limit: usize) -> Result<Vec<AsideAsset>, StoreError> {
        self.read("read which files were put aside", |conn| {
            conn.prepare_cached(
                "SELECT a.rowid, a.media_id, a.url, a.path, a.sha256
                 FROM assets AS a INDEXED BY assets_aside
                 CROSS JOIN media AS m ON m.id = a.media_id
                 WHERE (a.state < '') = 0 AND a.rowid > :after
                     AND a.state = 'saved' AND instr(a.path, '/_unsafe/') > 0
                     AND m.deleted_at IS NULL AND m.url = a.url
                 ORDER BY a.rowid LIMIT :limit",
            )?
            .query_map(
                named_params! { ":after": after, ":limit": int(limit as u64) },
                |row| {
                    Ok(AsideAsset {
                        row: row.get(0)?,
                        media_id: row.get(1)?,
                        url: row.get(2)?,
                        path: row.get(3)?,
                        sha256: row.get(4)?,
                    })
                },
            )?
            .collect()
        })
    }

    /// Returns the other media than `media_id` whose files have this path.
    pub fn path_holders(
        &self,
        path: &str,
        media_id: &MediaId,
    ) -> Result<Vec<PathHolder>, StoreError> {
        self.read("look for those who have a path", |conn| {
            conn.prepare_cached(concat!(
                "SELECT a.media_id, coalesce(m.url, a.url), m.deleted_at IS NOT NULL, a.sha256
                 FROM assets AS a INDEXED BY assets_by_near CROSS JOIN media AS m ON m.id = a.media_id
                 WHERE ",
                is_at!(near, "a.path", ":path"),
                " AND a.media_id <> :media_id",
            ))?
            .query_map(
                named_params! { ":path": path, ":media_id": media_id },
                |row| {
                    Ok(PathHolder {
                        media_id: row.get(0)?,
                        listed_url: row.get(1)?,
                        is_deleted: row.get(2)?,
                        sha256: row.get(3)?,
                    })
                },
            )?
            .collect()
        })
    }

    /// Records that the file of a medium has another path from now on: its old one is somebody else's. What
    /// is asked for and what is known of its bytes stays as it is.
    pub fn record_gave_way(
        &mut self,
        media_id: &MediaId,
        path: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("record that a file gave way", |tx| {
            tx.prepare_cached(concat!(
                "UPDATE assets SET path = :path, valid_from = iif(sha256 IS NULL, valid_from, ",
                later!(),
                ") WHERE media_id = :id AND path <> :path"
            ))?
            .execute(named_params! { ":id": media_id, ":path": path, ":now": now })?;
            Ok(())
        })
    }

    /// Makes saved files owed that only have to move, to the place that they have by now as well: all of
    /// them, or none.
    pub fn owe_moves(&mut self, ids: &[MediaId], now: Timestamp) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write("record which files go home", |tx| {
            ids.iter()
                .try_for_each(|id| owe(tx, id, Why::Moved, false, now))
        })
    }
}
