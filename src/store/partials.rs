//! Large files that were cut off: what is kept of each, and of which version it is.

use super::values::{count, int, optional_count};
use super::{Store, StoreError};
use crate::model::{MediaId, PartialFile};
use rusqlite::{OptionalExtension, named_params};

impl Store {
    /// Records what is kept of a file, in the place of what was before.
    pub fn record_partial(&mut self, partial: &PartialFile) -> Result<(), StoreError> {
        self.write("record what is kept of a file", |tx| {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO partials (media_id, url, validator, bytes, sha256, total, updated_at)
                 VALUES (:id, :url, :validator, :bytes, :sha256, :total, :now)",
            )?
            .execute(named_params! {
                ":id": partial.media_id, ":url": partial.url, ":validator": partial.validator,
                ":bytes": int(partial.bytes), ":sha256": partial.sha256,
                ":total": partial.total.map(int), ":now": partial.kept_at,
            })
            .map(drop)
        })
    }

    /// Returns what is kept of a medium's file, if anything is.
    pub fn partial_of(&self, id: &MediaId) -> Result<Option<PartialFile>, StoreError> {
        self.read("read what is kept of a file", |conn| {
            conn.prepare_cached(
                "SELECT media_id, url, validator, bytes, sha256, total, updated_at
                 FROM partials WHERE media_id = :id",
            )?
            .query_row(named_params! { ":id": id }, |row| {
                Ok(PartialFile {
                    media_id: row.get(0)?,
                    url: row.get(1)?,
                    validator: row.get(2)?,
                    bytes: count(row, 3)?,
                    sha256: row.get(4)?,
                    total: optional_count(row, 5)?,
                    kept_at: row.get(6)?,
                })
            })
            .optional()
        })
    }

    /// Forgets what is kept of a file.
    pub fn drop_partial(&mut self, id: &MediaId) -> Result<(), StoreError> {
        self.write("forget what is kept of a file", |tx| {
            tx.prepare_cached("DELETE FROM partials WHERE media_id = :id")?
                .execute(named_params! { ":id": id })
                .map(drop)
        })
    }

    /// Forgets what is kept of files that nobody waits for any more, and returns the media of the
    /// others.
    pub fn live_partials(&mut self) -> Result<Vec<MediaId>, StoreError> {
        const LIVE: &str = "SELECT media_id FROM partials AS p WHERE EXISTS (
             SELECT 1 FROM assets AS a JOIN media AS m ON m.id = a.media_id
             WHERE a.media_id = p.media_id AND a.state IN ('owed', 'failed') AND m.deleted_at IS NULL)";
        let (all, live) = self.read("read what is kept of files", |conn| {
            let all: i64 = conn.query_row("SELECT count(*) FROM partials", [], |row| row.get(0))?;
            let live: Vec<MediaId> = conn
                .prepare(LIVE)?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((all, live))
        })?;
        // Mostly there is nothing to forget, and nothing is written then.
        if all > 0 && live.len() as u64 != all.unsigned_abs() {
            self.write("forget what nobody waits for", |tx| {
                tx.execute(
                    &format!("DELETE FROM partials WHERE media_id NOT IN ({LIVE})"),
                    [],
                )
                .map(drop)
            })?;
        }
        Ok(live)
    }
}
