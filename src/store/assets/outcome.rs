//! What came of a file, in its row.

use crate::model::{AssetOutcome, Timestamp};
use crate::store::values::{int, later};
use rusqlite::{Transaction, named_params};

/// What an outcome made of the file's row.
pub(super) enum Recorded {
    /// A saved file was looked at in vain, by which it is owed now.
    InVain,
    /// Whatever the outcome says.
    Other,
}

/// A question that came meanwhile stays open, but these bytes are whole: a conditional request is enough to settle it.
const SAVED: &str = concat!(
    "UPDATE assets SET
         valid_from = iif(sha256 IS NULL OR (sha256 = :sha256 AND path = :path AND url = :url),
             valid_from, ",
    later!(),
    "),
         url = :url, path = :path, bytes = :bytes, sha256 = :sha256,
         content_type = :content_type, etag = :etag, last_modified = :last_modified,
         state = iif(state IN ('owed', 'failed') AND owed_at IS NOT :owed_at, 'owed', 'saved'),
         why = iif(state IN ('owed', 'failed') AND owed_at IS NOT :owed_at, 'changed', NULL),
         owed_at = iif(state IN ('owed', 'failed') AND owed_at IS NOT :owed_at, owed_at, NULL),
         attempts = 0, last_error = NULL, next_attempt_at = NULL, failed_at = NULL,
         announced_bytes = NULL, fetched_at = :now, checked_at = :now,
         recheck_at = :recheck_at, rechecks = :rechecks
     WHERE media_id = :id"
);

const UNCHANGED: &str = "UPDATE assets SET
         state = 'saved', why = NULL, owed_at = NULL, attempts = 0, last_error = NULL,
         next_attempt_at = NULL, failed_at = NULL, announced_bytes = NULL,
         etag = coalesce(:etag, etag), last_modified = coalesce(:last_modified, last_modified),
         checked_at = iif(:is_checked, :now, checked_at), recheck_at = :recheck_at, rechecks = :rechecks
     WHERE media_id = :id AND sha256 IS NOT NULL AND state <> 'gone'
         AND owed_at IS :owed_at";

/// The file is at its new path by now, whatever the medium did meanwhile.
const MOVED: &str = concat!(
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
);

const WITHHELD: &str =
    "UPDATE assets SET announced_bytes = coalesce(:announced_bytes, announced_bytes)
     WHERE media_id = :id AND owed_at IS :owed_at AND :announced_bytes IS NOT NULL";

const FAILED: &str = "UPDATE assets SET
         state = iif(:stays_owed, 'owed', 'failed'), why = coalesce(why, :why), owed_at = coalesce(owed_at, :now),
         attempts = attempts + :is_attempt, last_error = :error, failed_at = :now,
         next_attempt_at = :next_attempt_at,
         announced_bytes = coalesce(:announced_bytes, announced_bytes)
     WHERE media_id = :id AND state <> 'gone' AND owed_at IS :owed_at
         AND EXISTS (SELECT 1 FROM media WHERE id = media_id AND deleted_at IS NULL)";

/// Writes one outcome. That of a question which is not the newest any more leaves the file owed.
pub(super) fn record(
    tx: &Transaction<'_>,
    outcome: &AssetOutcome,
    now: Timestamp,
) -> rusqlite::Result<Recorded> {
    if let AssetOutcome::Saved { media_id, .. }
    | AssetOutcome::Unchanged { media_id, .. }
    | AssetOutcome::Moved { media_id, .. } = outcome
    {
        // What was kept of it is in its place by now, or not wanted any more.
        tx.prepare_cached("DELETE FROM partials WHERE media_id = :id")?
            .execute(named_params! { ":id": media_id })?;
    }
    let recorded = match outcome {
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
            tx.prepare_cached(SAVED)?.execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":url": url, ":path": path,
                ":bytes": int(*bytes), ":sha256": sha256, ":content_type": content_type,
                ":etag": etag, ":last_modified": last_modified, ":recheck_at": recheck_at,
                ":rechecks": rechecks, ":now": now,
            })?;
            // Whoever accepted these bytes as lost has them again.
            tx.prepare_cached("DELETE FROM accepted_losses WHERE sha256 = :sha256")?
                .execute(named_params! { ":sha256": sha256 })?;
            Recorded::Other
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
            tx.prepare_cached(UNCHANGED)?.execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":etag": etag,
                ":last_modified": last_modified, ":is_checked": is_checked, ":recheck_at": recheck_at,
                ":rechecks": rechecks, ":now": now,
            })?;
            Recorded::Other
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
            tx.prepare_cached(MOVED)?.execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":url": url, ":path": path,
                ":is_checked": is_checked, ":recheck_at": recheck_at, ":rechecks": rechecks,
                ":now": now,
            })?;
            Recorded::Other
        }
        AssetOutcome::Withheld {
            media_id,
            owed_at,
            is_owed: _,
            announced_bytes,
        } => {
            tx.prepare_cached(WITHHELD)?.execute(named_params! {
                ":id": media_id, ":owed_at": owed_at,
                ":announced_bytes": announced_bytes.map(int),
            })?;
            Recorded::Other
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
            let rows = tx.prepare_cached(FAILED)?.execute(named_params! {
                ":id": media_id, ":owed_at": owed_at, ":why": why, ":error": error,
                ":is_attempt": is_attempt, ":stays_owed": stays_owed, ":next_attempt_at": next_attempt_at,
                ":announced_bytes": announced_bytes.map(int), ":now": now,
            })?;
            if owed_at.is_none() && rows > 0 {
                Recorded::InVain
            } else {
                Recorded::Other
            }
        }
    };
    Ok(recorded)
}
