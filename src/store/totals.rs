//! How much there is, and which files trouble us.

use super::counts;
use super::values::{count, int, json_array, optional_count};
use super::{AssetTotals, Store, StoreError};
use crate::model::report::{FailedAsset, Holdings, MissingBody, OwedFile};
use crate::model::{Endpoint, MediaId, Timestamp};
use rusqlite::{Statement, named_params};

impl Store {
    /// Returns where the files stand.
    pub fn asset_counts(&self, now: Timestamp) -> Result<AssetTotals, StoreError> {
        self.read("count the files", |conn| {
            let files = counts::files(conn, now)?;
            Ok(AssetTotals {
                held: files.held,
                held_bytes: files.held_bytes,
                owed: files.state.owed,
                failed: files.state.failed,
                waiting: files.waiting,
                owed_bytes: files.state.owed_bytes,
                lost: files.state.gone_from_here,
            })
        })
    }

    /// Returns how many of the files that are owed, or failed the last time, are among those that `is_counted` names.
    pub fn owed_assets_among(
        &self,
        is_counted: &dyn Fn(&MediaId) -> bool,
    ) -> Result<u64, StoreError> {
        self.read("count owed files", |conn| {
            let mut select = conn
                .prepare_cached("SELECT media_id FROM assets WHERE state IN ('owed', 'failed')")?;
            count_among(&mut select, is_counted)
        })
    }

    /// Returns how many of the saved files of live media are among those that `is_counted` names.
    pub fn saved_assets_among(
        &self,
        is_counted: &dyn Fn(&MediaId) -> bool,
    ) -> Result<u64, StoreError> {
        self.read("count saved files", |conn| {
            let mut select = conn.prepare_cached(
                "SELECT a.media_id FROM assets AS a JOIN media AS m ON m.id = a.media_id
                 WHERE a.state = 'saved' AND m.deleted_at IS NULL",
            )?;
            count_among(&mut select, is_counted)
        })
    }

    /// Returns those of the media that exist upstream, as far as is known.
    pub fn live_media_among(&self, ids: &[MediaId]) -> Result<Vec<MediaId>, StoreError> {
        self.read("look which media exist", |conn| {
            let mut select =
                conn.prepare_cached("SELECT 1 FROM media WHERE id = :id AND deleted_at IS NULL")?;
            let mut live = Vec::new();
            for id in ids {
                if select.exists(named_params! { ":id": id })? {
                    live.push(id.clone());
                }
            }
            Ok(live)
        })
    }

    /// Returns what the backup holds: what exists upstream as far as is known, and the saved files,
    /// those of deleted media and those whose replacement is owed included.
    pub fn holdings(&self, now: Timestamp) -> Result<Holdings, StoreError> {
        self.holdings_beside(&self.asset_counts(now)?)
    }

    /// As [`Self::holdings`], where the files have been counted.
    pub fn holdings_beside(&self, files: &AssetTotals) -> Result<Holdings, StoreError> {
        self.read("count what the backup holds", |conn| {
            let endpoints = conn
                .prepare_cached("SELECT count(*) FROM endpoints WHERE deleted_at IS NULL")?
                .query_row([], |row| count(row, 0))?;
            Ok(Holdings {
                endpoints,
                contents: counts::contents(conn)?.live,
                media: counts::media(conn)?.live,
                files: files.held,
                bytes: files.held_bytes,
            })
        })
    }

    /// Returns up to `limit` files that are owed and did not fail, in the order in which they will be asked for.
    pub fn owed_files(&self, limit: usize) -> Result<Vec<OwedFile>, StoreError> {
        self.read("read which files are owed", |conn| {
            conn.prepare_cached(
                "SELECT a.media_id, coalesce(m.url, a.url), a.why
                 FROM assets AS a INDEXED BY assets_due
                 CROSS JOIN media AS m ON m.id = a.media_id
                 WHERE (a.state < '') = 0 AND (a.state IN ('owed', 'failed') OR a.recheck_at IS NOT NULL)
                     AND a.state = 'owed' AND m.deleted_at IS NULL
                 ORDER BY a.rowid LIMIT :limit",
            )?
            .query_map(named_params! { ":limit": int(limit as u64) }, |row| {
                Ok(OwedFile {
                    media_id: row.get(0)?,
                    url: row.get(1)?,
                    why: row.get(2)?,
                })
            })?
            .collect()
        })
    }

    /// Returns up to `limit` bodies that are owed, but by none of the APIs `left_out`, those refused to the key last.
    pub fn missing_bodies(
        &self,
        limit: usize,
        left_out: &[Endpoint],
    ) -> Result<Vec<MissingBody>, StoreError> {
        self.read("read which bodies are owed", |conn| {
            conn.prepare_cached(
                "SELECT endpoint, id, side, state, last_error, attempts FROM owed_bodies
                 WHERE endpoint NOT IN (SELECT value FROM json_each(:left_out))
                 ORDER BY state = 'refused', endpoint, id, side LIMIT :limit",
            )?
            .query_map(
                named_params! {
                    ":left_out": json_array(left_out.iter().map(Endpoint::as_str)),
                    ":limit": int(limit as u64),
                },
                |row| {
                    Ok(MissingBody {
                        endpoint: row.get(0)?,
                        id: row.get(1)?,
                        side: row.get(2)?,
                        state: row.get(3)?,
                        error: row.get(4)?,
                        attempts: row.get(5)?,
                    })
                },
            )?
            .collect()
        })
    }

    /// Returns up to `limit` files whose last attempt failed, those that were tried most often first.
    pub fn failed_assets(&self, limit: usize) -> Result<Vec<FailedAsset>, StoreError> {
        self.read("read which files failed", |conn| {
            conn.prepare_cached(
                "SELECT a.media_id, coalesce(m.url, a.url), coalesce(a.last_error, ''), a.attempts,
                     a.failed_at, a.next_attempt_at, a.announced_bytes
                 FROM assets AS a JOIN media AS m ON m.id = a.media_id
                 WHERE a.state = 'failed'
                 ORDER BY a.attempts DESC, a.media_id LIMIT :limit",
            )?
            .query_map(named_params! { ":limit": int(limit as u64) }, |row| {
                Ok(FailedAsset {
                    media_id: row.get(0)?,
                    url: row.get(1)?,
                    error: row.get(2)?,
                    attempts: row.get(3)?,
                    failed_at: row.get(4)?,
                    next_attempt_at: row.get(5)?,
                    announced_bytes: optional_count(row, 6)?,
                })
            })?
            .collect()
        })
    }
}

fn count_among(
    select: &mut Statement<'_>,
    is_counted: &dyn Fn(&MediaId) -> bool,
) -> rusqlite::Result<u64> {
    let mut rows = select.query([])?;
    let mut counted = 0;
    while let Some(row) = rows.next()? {
        counted += u64::from(is_counted(&row.get(0)?));
    }
    Ok(counted)
}
