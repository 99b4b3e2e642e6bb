//! Bytes that nobody has any more.

use super::values::json_array;
use super::{Store, StoreError};
use crate::model::{MediaId, Timestamp, Why};
use rusqlite::named_params;

/// SQL: whether a row of `assets` is a deleted medium's file that was saved and that the mirror lost, and nobody accepted
/// that.
macro_rules! is_lost {
    () => {
        "state = 'gone' AND sha256 IS NOT NULL AND why IN ('missing', 'damaged')
             AND sha256 NOT IN (SELECT sha256 FROM accepted_losses)"
    };
}
pub(super) use is_lost;

/// Bytes that are neither here nor at the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostBytes {
    /// Their digest, hex.
    pub sha256: String,
    /// The deleted medium whose file they were, and what happened to it; `None`: those of an earlier version.
    pub file: Option<(MediaId, Why)>,
}

impl Store {
    /// Records that a person knows of losses: all of them, or nothing. Files of deleted media are gone from then on; one
    /// that is found again counts again ([`Store::record_found`]).
    pub fn accept_losses(&mut self, lost: &[LostBytes], now: Timestamp) -> Result<(), StoreError> {
        if lost.is_empty() {
            return Ok(());
        }
        self.write("record what is accepted as lost", |tx| {
            let mut gone = tx.prepare_cached(
                "UPDATE assets SET state = 'gone', why = :why, owed_at = NULL, recheck_at = NULL
                 WHERE media_id = :id AND state = 'saved' AND sha256 = :sha256
                     AND EXISTS (SELECT 1 FROM media WHERE id = :id AND deleted_at IS NOT NULL)",
            )?;
            let mut accept = tx.prepare_cached(
                "INSERT INTO accepted_losses (sha256, accepted_at) VALUES (:sha256, :now)
                 ON CONFLICT (sha256) DO NOTHING",
            )?;
            for bytes in lost {
                if let Some((id, why)) = &bytes.file {
                    let params = named_params! { ":id": id, ":why": why, ":sha256": bytes.sha256 };
                    gone.execute(params)?;
                }
                accept.execute(named_params! { ":sha256": bytes.sha256, ":now": now })?;
            }
            Ok(())
        })
    }

    /// Takes back what was accepted as lost and is there again: all of it, or nothing.
    pub fn regain(&mut self, sha256: &[String]) -> Result<(), StoreError> {
        if sha256.is_empty() {
            return Ok(());
        }
        self.write("record what is not lost any more", |tx| {
            tx.execute(
                "DELETE FROM accepted_losses WHERE sha256 IN (SELECT value FROM json_each(:sha256))",
                named_params! { ":sha256": json_array(sha256) },
            )
            .map(drop)
        })
    }
}
