//! Files of media: which are owed, and what came of asking for them.

mod outcome;

use super::plain::is_at;
use super::values::{count, int, optional_count};
use super::{SavedAsset, Store, StoreError};
use crate::model::{AssetOutcome, AssetRow, MediaId, OwedAsset, Timestamp, Why};
use rusqlite::{OptionalExtension, Row, Transaction, named_params};
use std::time::Duration;

/// Longer than any wait that is ever planned: what is to be asked for later than that was planned while the clock stood
/// wrong, and is due.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(48 * 60 * 60);

impl Store {
    /// Returns up to `limit` files to ask for, in the order of their rows' numbers, from behind `after`: those owed, those
    /// that failed and whose next attempt is due at `now` (whether due or not, if `is_impatient`), and saved ones whose
    /// second look is. Files of deleted media are never among them.
    pub fn owed_assets(
        &self,
        after: Option<i64>,
        limit: usize,
        is_impatient: bool,
        now: Timestamp,
    ) -> Result<Vec<OwedAsset>, StoreError> {
        self.read("read which files are owed", |conn| {
            // The first condition is the index's key, which is the same for all; the second one its own condition, word for
            // word: SQLite takes a partial index only so. `INDEXED BY` makes it an error, not a slow scan, should they
            // drift apart.
            conn.prepare_cached(
                "SELECT a.media_id, a.url, a.path, a.bytes, a.sha256, a.content_type, a.etag,
                     a.last_modified, a.state, iif(a.state = 'saved', iif(a.rechecks = 0, 'due', 'recheck'), a.why), a.attempts,
                     a.recheck_at, a.rechecks, a.announced_bytes,
                     coalesce(m.url, a.url), m.width IS NOT NULL AND m.height IS NOT NULL,
                     m.file_name, a.owed_at, m.updated_at IS NOT NULL,
                     ifnull(m.valid_from < a.checked_at AND a.checked_at <= :now, FALSE), a.rowid
                 FROM assets AS a INDEXED BY assets_due
                 CROSS JOIN media AS m ON m.id = a.media_id
                 WHERE (a.state < '') = 0 AND (a.state IN ('owed', 'failed') OR a.recheck_at IS NOT NULL)
                     AND CASE a.state
                         WHEN 'owed' THEN 1
                         WHEN 'failed' THEN
                             :is_impatient OR a.next_attempt_at IS NULL OR a.next_attempt_at <= :now
                                 OR a.next_attempt_at > :latest
                         ELSE a.recheck_at <= :now OR a.recheck_at > :latest END
                     AND a.rowid > :after AND m.deleted_at IS NULL
                 ORDER BY a.rowid LIMIT :limit",
            )?
            .query_map(
                named_params! {
                    ":now": now, ":after": after.unwrap_or(i64::MIN), ":limit": int(limit as u64),
                    ":is_impatient": is_impatient, ":latest": now.plus(LONGEST_WAIT),
                },
                |row| {
                    Ok(OwedAsset {
                        media_id: row.get(0)?,
                        listed_url: row.get(14)?,
                        has_dimensions: row.get(15)?,
                        file_name: row.get(16)?,
                        row: asset_row(row)?,
                        owed_at: row.get(17)?,
                        has_updated_at: row.get(18)?,
                        is_as_checked: row.get(19)?,
                        number: row.get(20)?,
                    })
                },
            )?
            .collect()
        })
    }

    /// Records what came of asking for files: all of it, or nothing.
    ///
    /// - New bytes (or a new URL or path) begin a new version; the one before goes to the history.
    ///   The first bytes of a file fill its row in place.
    /// - Where the medium changed since the question was read (`owed_at` differs), saved bytes are
    ///   recorded and the file stays owed; any other outcome counts for nothing.
    /// - `failed` says that the last attempt failed, and nothing about an older version, which the
    ///   row goes on to describe. Of a medium that was deleted meanwhile only saved bytes count.
    ///
    /// Returns the media whose saved files were looked at in vain: that made them owed, at `now`, and nothing
    /// else did.
    pub fn record_assets(
        &mut self,
        outcomes: &[AssetOutcome],
        now: Timestamp,
    ) -> Result<Vec<MediaId>, StoreError> {
        if outcomes.is_empty() {
            return Ok(Vec::new());
        }
        self.write("record files", |tx| {
            let mut in_vain = Vec::new();
            for outcome in outcomes {
                match outcome::record(tx, outcome, now)? {
                    outcome::Recorded::InVain => in_vain.push(outcome.media_id().clone()),
                    outcome::Recorded::Other => {}
                }
            }
            Ok(in_vain)
        })
    }

    /// Returns another medium than `media_id` whose file has this path, also while that file is lost
    /// or to be fetched again: it comes back to its path.
    pub fn path_owner(
        &self,
        path: &str,
        media_id: &MediaId,
    ) -> Result<Option<MediaId>, StoreError> {
        self.read("look for the owner of a path", |conn| {
            conn.prepare_cached(concat!(
                "SELECT media_id FROM assets INDEXED BY assets_by_near
                 WHERE ",
                is_at!(near, "path", ":path"),
                " AND media_id <> :media_id LIMIT 1",
            ))?
            .query_row(
                named_params! { ":path": path, ":media_id": media_id },
                |row| row.get(0),
            )
            .optional()
        })
    }

    /// Makes every saved file of a live medium owed, to be asked for conditionally (`--full`).
    /// Returns how many.
    pub fn revalidate_all(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.write("ask again for all files", |tx| {
            let asked = tx.execute(
                "UPDATE assets SET state = 'owed', why = 'asked', owed_at = :now, attempts = 0,
                     last_error = NULL
                 WHERE state = 'saved'
                     AND EXISTS (SELECT 1 FROM media WHERE id = media_id AND deleted_at IS NULL)",
                named_params! { ":now": now },
            )?;
            Ok(asked as u64)
        })
    }

    /// Plans a look at saved files of live media whose last check was before `before`, or is dated after `now` by a clock that
    /// stood wrong, the oldest first. They stay saved. Returns how many: at most a tenth of all, or 1,000, so that a first backup of one
    /// day is not looked at again in one run.
    pub fn plan_looks(&mut self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let is_any = self.read("look for files that were not checked for long", |conn| {
            conn.prepare_cached(
                "SELECT 1 FROM assets INDEXED BY assets_by_check
                 WHERE state = 'saved' AND checked_at < :before AND recheck_at IS NULL
                 UNION ALL
                 SELECT 1 FROM assets INDEXED BY assets_by_check
                 WHERE state = 'saved' AND checked_at > :now AND recheck_at IS NULL LIMIT 1",
            )?
            .exists(named_params! { ":before": before, ":now": now })
        })?;
        if !is_any {
            return Ok(0);
        }
        self.write("plan to look at files again", |tx| {
            let planned = tx.execute(
                "UPDATE assets SET recheck_at = :now, rechecks = 0
                 WHERE media_id IN (
                     SELECT media_id FROM (
                         SELECT media_id, checked_at FROM assets INDEXED BY assets_by_check
                         WHERE state = 'saved' AND checked_at < :before AND recheck_at IS NULL
                         UNION ALL
                         SELECT media_id, checked_at FROM assets INDEXED BY assets_by_check
                         WHERE state = 'saved' AND checked_at > :now AND recheck_at IS NULL)
                     WHERE EXISTS (SELECT 1 FROM media WHERE id = media_id AND deleted_at IS NULL)
                     ORDER BY checked_at
                     LIMIT max(1000, (SELECT count(*) / 10 FROM assets WHERE state = 'saved')))",
                named_params! { ":before": before, ":now": now },
            )?;
            Ok(planned as u64)
        })
    }

    /// Records that the mirror lost or damaged saved files: all of it, or nothing. Those of live media
    /// are owed again; those of deleted media are gone, for nobody has them any more. Returns how
    /// many are gone. A file that is not `saved` any more is not touched.
    pub fn record_lost(
        &mut self,
        lost: &[(MediaId, Why)],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        if lost.is_empty() {
            return Ok(0);
        }
        self.write("record which files were lost", |tx| {
            let mut gone = 0;
            for (id, why) in lost {
                gone += lose(tx, id, *why, now)?;
            }
            Ok(gone)
        })
    }

    /// Records that gone files lie in the mirror again, with the recorded digests. What a person accepted as lost is
    /// not lost any more.
    pub fn record_found(&mut self, found: &[MediaId]) -> Result<(), StoreError> {
        if found.is_empty() {
            return Ok(());
        }
        self.write("record which files were found again", |tx| {
            for id in found {
                tx.prepare_cached(
                    "UPDATE assets SET state = 'saved', why = NULL
                     WHERE media_id = :id AND state = 'gone' AND sha256 IS NOT NULL",
                )?
                .execute(named_params! { ":id": id })?;
                tx.prepare_cached(
                    "DELETE FROM accepted_losses
                     WHERE sha256 IN (SELECT sha256 FROM assets WHERE media_id = :id)",
                )?
                .execute(named_params! { ":id": id })?;
            }
            Ok(())
        })
    }

    /// Returns up to `limit` files that the mirror must hold, and those that are gone, in the order of
    /// their rows' numbers, from behind `after`.
    pub fn saved_assets(&self, after: i64, limit: usize) -> Result<Vec<SavedAsset>, StoreError> {
        self.read("read which files are saved", |conn| {
            // By number: a row's neighbours lie beside it, where those of an id lie anywhere.
            conn.prepare_cached(
                "SELECT rowid, media_id, path, bytes, iif(state = 'gone', sha256, NULL) FROM assets NOT INDEXED
                 WHERE rowid > :after AND (state = 'saved' OR state = 'gone' AND sha256 IS NOT NULL)
                 ORDER BY rowid LIMIT :limit",
            )?
            .query_map(
                named_params! { ":after": after, ":limit": int(limit as u64) },
                saved_asset,
            )?
            .collect()
        })
    }
}

/// Reads number, medium, path, length and the digest of what is gone, in this order.
pub(super) fn saved_asset(row: &Row<'_>) -> rusqlite::Result<SavedAsset> {
    Ok(SavedAsset {
        row: row.get(0)?,
        media_id: row.get(1)?,
        path: row.get(2)?,
        bytes: count(row, 3)?,
        gone: row.get(4)?,
    })
}

/// Reads the first 14 columns of the queries above and of `load_media`.
pub(super) fn asset_row(row: &Row<'_>) -> rusqlite::Result<AssetRow> {
    Ok(AssetRow {
        media_id: row.get(0)?,
        url: row.get(1)?,
        path: row.get(2)?,
        bytes: optional_count(row, 3)?,
        sha256: row.get(4)?,
        content_type: row.get(5)?,
        etag: row.get(6)?,
        last_modified: row.get(7)?,
        state: row.get(8)?,
        why: row.get(9)?,
        attempts: row.get(10)?,
        recheck_at: row.get(11)?,
        rechecks: row.get(12)?,
        announced_bytes: optional_count(row, 13)?,
    })
}

/// Marks a saved file that the mirror lost or damaged as owed, or as gone if its medium is. Returns how many are gone: one,
/// or none.
pub(super) fn lose(
    tx: &Transaction<'_>,
    id: &MediaId,
    why: Why,
    now: Timestamp,
) -> rusqlite::Result<u64> {
    let gone = tx
        .prepare_cached(
            "UPDATE assets SET state = 'gone', why = :why, owed_at = NULL, recheck_at = NULL
             WHERE media_id = :id AND state = 'saved'
                 AND EXISTS (SELECT 1 FROM media WHERE id = :id AND deleted_at IS NOT NULL)",
        )?
        .execute(named_params! { ":id": id, ":why": why })?;
    owe(tx, id, why, false, now)?;
    Ok(gone as u64)
}

/// Makes the file of a live medium owed; what is recorded of the saved version stays.
///
/// `is_new_version` says that the medium itself changed: an outcome of an earlier question then
/// leaves the file owed. A file that is owed already stays owed for the stronger of the two reasons.
pub(super) fn owe(
    tx: &Transaction<'_>,
    id: &MediaId,
    why: Why,
    is_new_version: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let pending: Option<Option<Why>> = tx
        .prepare_cached(
            "SELECT why FROM assets WHERE media_id = :id AND state IN ('owed', 'failed')",
        )?
        .query_row(named_params! { ":id": id }, |row| row.get(0))
        .optional()?;
    let is_pending = pending.is_some();
    let why = pending
        .flatten()
        .map_or(why, |pending| pending.stronger(why));
    // A changed medium is another question: what failed of the old one says nothing of it.
    tx.prepare_cached(
        "INSERT INTO assets (media_id, url, state, why, owed_at, valid_from)
         SELECT id, coalesce(url, ''), 'owed', :why, :now, :now
         FROM media WHERE id = :id AND deleted_at IS NULL
         ON CONFLICT (media_id) DO UPDATE SET
             state = 'owed', why = :why,
             attempts = iif(why IS :why AND NOT :is_new_version, attempts, 0),
             last_error = iif(why IS :why AND NOT :is_new_version, last_error, NULL),
             next_attempt_at = NULL, failed_at = NULL, announced_bytes = NULL,
             url = iif(sha256 IS NULL, excluded.url, url),
             owed_at = iif(owed_at IS NULL, :now,
                 max(:now, strftime('%Y-%m-%dT%H:%M:%fZ', owed_at, '+0.001 seconds')))
         WHERE :is_new_version OR NOT :is_pending OR why IS NOT :why",
    )?
    .execute(named_params! {
        ":id": id, ":why": why, ":is_pending": is_pending, ":is_new_version": is_new_version,
        ":now": now,
    })?;
    Ok(())
}
