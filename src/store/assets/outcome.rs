//! What came of a file, in its row.

use crate::model::{AssetOutcome, Timestamp};
use crate::store::values::{int, later};
use rusqlite::{Transaction, named_params};

/// Writes one outcome. That of a question which is not the newest any more leaves the file owed. Returns whether it is a
/// look at a saved file in vain, by which the file is owed now.
pub(super) fn record(
    tx: &Transaction<'_>,
    outcome: &AssetOutcome,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    if let AssetOutcome::Saved { media_id, .. }
    | AssetOutcome::Unchanged { media_id, .. }
    | AssetOutcome::Moved { media_id, .. } = outcome
    {
        // What was kept of it is in its place by now, or not wanted any more.
        tx.prepare_cached("DELETE FROM partials WHERE media_id = :id")?
            .execute(named_params! { ":id": media_id })?;
    }
    match outcome {
        AssetOutcome::Saved {
            media_id,
            owed_at,
            url,
            path,
            bytes,
            sha256,
            content_type,
            etag,
            last_modified,
            recheck_at,
            rechecks,
        } => {
            // A question that came meanwhile stays open, but these bytes are whole: a conditional
            // request is enough to settle it.
            tx.prepare_cached(concat!(
                "UPDATE assets SET
                     valid_from = iif(sha256 IS NULL OR (sha256 = :sha256 AND path = :path AND url = :url),
                         valid_from, ", later!(), "),
                     url = :url, path = :path, bytes = :bytes, sha256 = :sha256,
                     content_type = :content_type, etag = :etag, last_modified = :last_modified,
                     state = iif(state IN ('owed', 'failed') AND owed_at IS NOT :owed_at, 'owed', 'saved'),
                     why = iif(state IN ('owed', 'failed') AND owed_at IS NOT :owed_at, 'changed', NULL),
                     owed_at = iif(state IN ('owed', 'failed') AND owed_at IS NOT :owed_at, owed_at, NULL),
                     attempts = 0, last_error = NULL, next_attempt_at = NULL, failed_at = NULL,
                     announced_bytes = NULL, fetched_at = :now, checked_at = :now,
                     recheck_at = :recheck_at, rechecks = :rechecks
                 WHERE media_id = :id"
            ))?
            .execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":url": url, ":path": path,
                ":bytes": int(*bytes), ":sha256": sha256, ":content_type": content_type,
                ":etag": etag, ":last_modified": last_modified, ":recheck_at": recheck_at,
                ":rechecks": rechecks, ":now": now,
            })?;
            // Whoever accepted these bytes as lost has them again.
            tx.prepare_cached("DELETE FROM accepted_losses WHERE sha256 = :sha256")?
                .execute(named_params! { ":sha256": sha256 })?;
        }
        AssetOutcome::Unchanged {
            media_id,
            owed_at,
            etag,
            last_modified,
            is_checked,
            recheck_at,
            rechecks,
        } => {
            tx.prepare_cached(
                "UPDATE assets SET
                     state = 'saved', why = NULL, owed_at = NULL, attempts = 0, last_error = NULL,
                     next_attempt_at = NULL, failed_at = NULL, announced_bytes = NULL,
                     etag = coalesce(:etag, etag), last_modified = coalesce(:last_modified, last_modified),
                     checked_at = iif(:is_checked, :now, checked_at), recheck_at = :recheck_at, rechecks = :rechecks
                 WHERE media_id = :id AND sha256 IS NOT NULL AND state <> 'gone'
                     AND owed_at IS :owed_at",
            )?
            .execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":etag": etag,
                ":last_modified": last_modified, ":is_checked": is_checked, ":recheck_at": recheck_at,
                ":rechecks": rechecks, ":now": now,
            })?;
        }
        AssetOutcome::Moved {
            media_id,
            owed_at,
            url,
            path,
            is_checked,
            recheck_at,
            rechecks,
        } => {
            // The file is at its new path by now, whatever the medium did meanwhile.
            tx.prepare_cached(concat!(
                "UPDATE assets SET
                     valid_from = iif(path = :path AND url = :url, valid_from, ",
                later!(),
                "),
                     url = :url, path = :path,
                     state = iif(owed_at IS NOT :owed_at, state, 'saved'),
                     why = iif(owed_at IS NOT :owed_at, why, NULL),
                     attempts = 0, last_error = NULL, next_attempt_at = NULL, failed_at = NULL,
                     announced_bytes = NULL,
                     checked_at = iif(:is_checked, :now, checked_at),
                     recheck_at = :recheck_at, rechecks = :rechecks,
                     owed_at = iif(owed_at IS NOT :owed_at, owed_at, NULL)
                 WHERE media_id = :id AND sha256 IS NOT NULL"
            ))?
            .execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":url": url, ":path": path,
                ":is_checked": is_checked, ":recheck_at": recheck_at, ":rechecks": rechecks,
                ":now": now,
            })?;
        }
        AssetOutcome::Withheld {
            media_id,
            owed_at,
            is_owed: _,
            announced_bytes,
        } => {
            tx.prepare_cached(
                "UPDATE assets SET announced_bytes = coalesce(:announced_bytes, announced_bytes)
                 WHERE media_id = :id AND owed_at IS :owed_at AND :announced_bytes IS NOT NULL",
            )?
            .execute(named_params! {
                ":id": media_id, ":owed_at": owed_at,
                ":announced_bytes": announced_bytes.map(int),
            })?;
        }
        AssetOutcome::Failed {
            media_id,
            owed_at,
            why,
            error,
            is_attempt,
            stays_owed,
            next_attempt_at,
            announced_bytes,
        } => {
            let failed = tx
                .prepare_cached(
                "UPDATE assets SET
                     state = iif(:stays_owed, 'owed', 'failed'), why = coalesce(why, :why), owed_at = coalesce(owed_at, :now),
                     attempts = attempts + :is_attempt, last_error = :error, failed_at = :now,
                     next_attempt_at = :next_attempt_at,
                     announced_bytes = coalesce(:announced_bytes, announced_bytes)
                 WHERE media_id = :id AND state <> 'gone' AND owed_at IS :owed_at
                     AND EXISTS (SELECT 1 FROM media WHERE id = media_id AND deleted_at IS NULL)",
            )?
            .execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":why": why, ":error": error,
                ":is_attempt": is_attempt, ":stays_owed": stays_owed, ":next_attempt_at": next_attempt_at,
                ":announced_bytes": announced_bytes.map(int), ":now": now,
            })?;
            return Ok(owed_at.is_none() && failed > 0);
        }
    }
    Ok(false)
}
